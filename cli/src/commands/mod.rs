//! One file for each verb, or for verbs that do one thing in two ways.

pub(crate) mod accept;
pub(crate) mod baseline;
pub(crate) mod collect;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inventory;
pub(crate) mod merge;
pub(crate) mod pack;
pub(crate) mod query;
pub(crate) mod scope;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod signature;
pub(crate) mod verify;

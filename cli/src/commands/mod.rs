//! One file for each verb, or for verbs that do one thing in two ways.

pub(crate) mod collect;
pub(crate) mod compare;
pub(crate) mod import;
pub(crate) mod show;

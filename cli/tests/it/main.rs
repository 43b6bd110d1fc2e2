//! The command as its users run it, and the rules that the whole workspace keeps.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod architecture;
mod baseline;
mod collect;
mod compare;
mod encrypt;
mod export;
mod import;
mod pack;
mod query;
mod show;
mod sign;
mod support;
mod verify;

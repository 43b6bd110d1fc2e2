//! The command as its users run it, and the rules that the whole workspace keeps.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod architecture;
mod collect;
mod compare;
mod show;
mod support;

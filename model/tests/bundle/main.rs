//! Bundles as files.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod damage;
mod fleet;
mod journal;
mod merge;
mod mutation;
mod runs;
mod sealed;

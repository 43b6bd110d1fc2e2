//! What Herdiff's things are: rows, packs, outcomes, snapshots and the bundles that hold them.
//!
//! This crate knows no network, clock, terminal or runtime. It reads and writes bundles through `Read` and
//! `Write` that its callers open; only where a file takes another one's place does it open them itself.

pub mod bundle;
pub mod knowledge;
pub mod name;
pub mod outcome;
pub mod pack;
pub mod row;
pub mod rowtable;
pub mod snapshot;
pub mod sweep;
pub mod visit;

//! Comparisons of small fleets, put together in memory and passed through a bundle's bytes as any sweep is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod baseline;
mod danger;
mod fleet;
mod herd;
mod invariants;
mod order;
mod scope;

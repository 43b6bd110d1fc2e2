//! The crate as others use it: bundles in, answers and files out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing"
)]

mod export;
mod fleet;
mod place;
mod query;

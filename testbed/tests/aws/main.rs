//! `herdiff` over AWS, as a user runs it: Auto Scaling, S3 and STS from moto, Systems Manager from our stand-in, which runs
//! the commands for real on simulated hosts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing"
)]
#![allow(clippy::print_stderr, reason = "what is not tested is said")]

mod docs;
mod ground;
mod large;
mod states;
mod store;
mod sweep;

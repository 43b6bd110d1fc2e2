//! Sweeps over real OpenSSH servers on the loopback interface, and over servers that misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod auth;
mod cleanup;
mod harness;
mod measure;
mod outcomes;
mod password;
mod privilege;
mod pushed;
mod reach;
mod traps;
mod trust;

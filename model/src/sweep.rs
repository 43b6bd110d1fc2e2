//! The facts of a sweep: who collected what, when, with which tool, from which inventory.

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01 UTC by the collecting machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixMillis(pub u64);

/// Known when a sweep starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepFacts {
    /// The version of the tool that collected.
    pub tool: String,
    /// When the sweep started.
    pub started: UnixMillis,
    /// The collecting account and machine, as `user@host`.
    pub operator: String,
    /// How hosts were reached: `ssh`, or `replay` for saved output.
    pub transport: String,
    /// The inventory files, directories or arguments that named the hosts.
    pub inventory: Vec<String>,
    /// How many hosts were to be visited.
    pub targets: u64,
}

/// Known when a sweep ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepEnd {
    /// When it ended.
    pub finished: UnixMillis,
    /// Whether the operator stopped it.
    pub interrupted: bool,
    /// How many snapshots it has.
    pub hosts: u64,
}

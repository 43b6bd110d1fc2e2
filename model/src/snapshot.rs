//! Everything that is known of one host in one sweep.

use crate::name::{HerdName, HostName};
use crate::outcome::{HostOutcome, QueryOutcome};
use crate::sweep::UnixMillis;
use serde::{Deserialize, Serialize};

/// A query's place in the pack of its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryId(pub u32);

/// One host in one sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// As the inventory calls it.
    pub host: HostName,
    /// The hosts it is compared with.
    pub herd: HerdName,
    /// How the visit ended.
    pub outcome: HostOutcome,
    /// What was done on the host.
    pub receipt: Receipt,
    /// One for each query of the pack, in its order.
    pub queries: Vec<QueryOutcome>,
    /// Where sweeps were merged, which of them it is from.
    pub part: u32,
}

impl Snapshot {
    /// The outcome of one query.
    pub fn query(&self, id: QueryId) -> Option<&QueryOutcome> {
        self.queries.get(id.0 as usize)
    }
}

/// What was placed and run on a host, what it cost, and that nothing was left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// Where the host was reached, as `address:port`.
    pub address: String,
    /// When the visit started.
    pub started: UnixMillis,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The fingerprint of the host key that was accepted, as OpenSSH prints it.
    pub host_key: String,
    /// The engine that ran, with its version: `probe 0.1.0`, `osqueryi`.
    pub engine: String,
    /// The SHA-256 of the engine that was pushed, in hex; empty where none was.
    pub engine_sha256: String,
    /// `uname -m` of the host.
    pub arch: String,
    /// The user id that the queries ran as, where it is known.
    pub uid: Option<u32>,
    /// The root directory that the engine read; `/` but for images and simulated hosts.
    pub root: String,
    /// The private directory that was made on the host; empty where none was.
    pub placed: String,
    /// Whether that directory is gone again, as the host's own script reported.
    pub removed: Option<bool>,
    /// The exit status of the engine.
    pub status: Option<i32>,
    /// Bytes sent over the channel.
    pub bytes_sent: u64,
    /// Bytes received over the channel.
    pub bytes_received: u64,
    /// CPU time that the engine used on the host, in microseconds.
    pub host_cpu_us: u64,
}

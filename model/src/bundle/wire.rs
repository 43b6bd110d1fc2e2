//! What stands in the payloads. These types are the format: the model may change, they may not without a new version.

use serde::{Deserialize, Serialize};

/// The payload of the first frame.
#[derive(Serialize, Deserialize)]
pub(super) struct SweepPayload {
    pub(super) tool: String,
    pub(super) started_ms: u64,
    pub(super) operator: String,
    pub(super) transport: String,
    pub(super) inventory: Vec<String>,
    pub(super) targets: u64,
    pub(super) pack: String,
    /// Gives the numbers of queries, whatever a later version makes of the pack's text.
    pub(super) queries: Vec<String>,
}

/// The payload of a host's frame.
#[derive(Serialize, Deserialize)]
pub(super) struct HostPayload {
    pub(super) host: String,
    pub(super) herd: String,
    pub(super) outcome: u8,
    pub(super) phase: Option<u8>,
    pub(super) detail: String,
    pub(super) receipt: ReceiptPayload,
    pub(super) queries: Vec<QueryPayload>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReceiptPayload {
    pub(super) address: String,
    pub(super) started_ms: u64,
    pub(super) duration_ms: u64,
    pub(super) host_key: String,
    pub(super) engine: String,
    pub(super) engine_sha256: String,
    pub(super) arch: String,
    pub(super) uid: Option<u32>,
    pub(super) root: String,
    pub(super) placed: String,
    pub(super) removed: Option<bool>,
    pub(super) status: Option<i32>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) host_cpu_us: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) enum QueryPayload {
    Rows {
        /// Rows that no earlier frame has.
        new: NewRows,
        /// The numbers of the host's rows: ascending, each as its distance from the one before.
        ids: Vec<u32>,
        unread: Vec<(String, String, u64)>,
        cut: Option<String>,
    },
    Failed {
        kind: u8,
        detail: String,
    },
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct NewRows {
    /// Lists of columns that no earlier frame has, to be numbered on.
    pub(super) shapes: Vec<Vec<String>>,
    /// How many rows of which shape follow each other.
    pub(super) runs: Vec<(u32, u32)>,
    /// Their cells, one after the other, each a LEB128 length and its bytes.
    #[serde(with = "serde_bytes")]
    pub(super) cells: Vec<u8>,
}

/// The payload of the last frame.
#[derive(Serialize, Deserialize)]
pub(super) struct EndPayload {
    pub(super) finished_ms: u64,
    pub(super) interrupted: bool,
    pub(super) hosts: u64,
}

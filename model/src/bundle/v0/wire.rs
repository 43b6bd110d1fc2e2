//! What stands in the payloads of format 0.1.

use super::super::bounded::bounded;
use super::super::wire::{ColumnNames, ReceiptPayload};
use serde::Deserialize;

/// The payload of a host's frame.
#[derive(Deserialize)]
pub(super) struct HostPayload {
    pub(super) host: String,
    pub(super) herd: String,
    pub(super) outcome: u8,
    pub(super) phase: Option<u8>,
    pub(super) detail: String,
    pub(super) receipt: ReceiptPayload,
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) queries: Vec<QueryPayload>,
}

#[derive(Deserialize)]
pub(super) enum QueryPayload {
    Rows {
        /// Rows that no earlier frame has.
        new: NewRows,
        /// The numbers of the host's rows: ascending, each as its distance from the one before.
        ids: Vec<u32>,
        #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
        unread: Vec<(String, String, u64)>,
        cut: Option<String>,
    },
    Failed {
        kind: u8,
        detail: String,
    },
}

#[derive(Deserialize)]
pub(super) struct NewRows {
    /// Lists of columns that no earlier frame has, to be numbered on.
    #[serde(deserialize_with = "bounded::<_, _, 4096>")]
    pub(super) shapes: Vec<ColumnNames>,
    /// How many rows of which shape follow each other.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) runs: Vec<(u32, u32)>,
    /// Their cells, one after the other, each a LEB128 length and its bytes.
    #[serde(with = "serde_bytes")]
    pub(super) cells: Vec<u8>,
}

/// The payload of the first frame.
#[derive(Deserialize)]
pub(super) struct SweepPayload {
    pub(super) tool: String,
    pub(super) started_ms: u64,
    pub(super) operator: String,
    pub(super) transport: String,
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) inventory: Vec<String>,
    pub(super) targets: u64,
    pub(super) pack: String,
    /// Gives the numbers of queries, whatever a later version makes of the pack's text.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) queries: Vec<String>,
}

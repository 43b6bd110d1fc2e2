//! What stands in the payloads of format 1.0. These types are the format: the model may change, they may not without a
//! new version.

use super::bounded::bounded;
use super::{Digest, Part};
use crate::name::ColumnName;
use crate::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailure, QueryFailureKind, Unread};
use crate::row::{Columns, RowBatch};
use crate::snapshot::Receipt;
use crate::sweep::{SweepEnd, SweepFacts, UnixMillis};
use crate::visit::{Answer, Visit};
use serde::{Deserialize, Serialize};

/// The facts of a sweep.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FactsPayload {
    pub(super) tool: String,
    pub(super) started_ms: u64,
    pub(super) operator: String,
    pub(super) transport: String,
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) inventory: Vec<String>,
    pub(super) targets: u64,
}

impl From<&SweepFacts> for FactsPayload {
    fn from(facts: &SweepFacts) -> Self {
        Self {
            tool: facts.tool.clone(),
            started_ms: facts.started.0,
            operator: facts.operator.clone(),
            transport: facts.transport.clone(),
            inventory: facts.inventory.clone(),
            targets: facts.targets,
        }
    }
}

impl From<FactsPayload> for SweepFacts {
    fn from(payload: FactsPayload) -> Self {
        Self {
            tool: payload.tool,
            started: UnixMillis(payload.started_ms),
            operator: payload.operator,
            transport: payload.transport,
            inventory: payload.inventory,
            targets: payload.targets,
        }
    }
}

/// The payload of the sweep's frame.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SweepPayload {
    pub(super) facts: FactsPayload,
    pub(super) pack: String,
    /// Gives the numbers of queries, whatever a later version makes of the pack's text.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) queries: Vec<String>,
    /// The sweeps that were merged, if any, or the runs of a sweep that was gone on with.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) parts: Vec<PartPayload>,
}

/// One of the sweeps that were merged, or of the runs of one sweep.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PartPayload {
    pub(super) facts: FactsPayload,
    pub(super) end: Option<EndPayload>,
    pub(super) seal: Option<[u8; 32]>,
}

impl From<&Part> for PartPayload {
    fn from(part: &Part) -> Self {
        Self {
            facts: (&part.facts).into(),
            end: part.end.map(EndPayload::from),
            seal: part.seal.map(|seal| seal.0),
        }
    }
}

impl From<PartPayload> for Part {
    fn from(payload: PartPayload) -> Self {
        Self {
            facts: payload.facts.into(),
            end: payload.end.map(SweepEnd::from),
            seal: payload.seal.map(Digest),
        }
    }
}

/// The payload of a frame of a journal that says who goes on with the sweep from there on.
#[derive(Serialize, Deserialize)]
pub(super) struct RunPayload {
    /// Host and herd of the frame before, where that is of a host.
    pub(super) before: Option<(String, String)>,
    /// Its number; that which began the sweep is 0.
    pub(super) number: u32,
    /// How the run before ended; `None` where it was killed.
    pub(super) ended: Option<EndPayload>,
    pub(super) facts: FactsPayload,
}

/// The payload of the last frame of a journal.
#[derive(Serialize, Deserialize)]
pub(super) struct LastPayload {
    /// Host and herd of the frame before.
    pub(super) before: Option<(String, String)>,
    pub(super) end: EndPayload,
    pub(super) seal: [u8; 32],
}

/// How a sweep ended.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct EndPayload {
    pub(super) finished_ms: u64,
    pub(super) interrupted: bool,
    pub(super) hosts: u64,
}

impl From<SweepEnd> for EndPayload {
    fn from(end: SweepEnd) -> Self {
        Self { finished_ms: end.finished.0, interrupted: end.interrupted, hosts: end.hosts }
    }
}

impl From<EndPayload> for SweepEnd {
    fn from(payload: EndPayload) -> Self {
        Self {
            finished: UnixMillis(payload.finished_ms),
            interrupted: payload.interrupted,
            hosts: payload.hosts,
        }
    }
}

/// One host without its rows.
#[derive(Serialize, Deserialize)]
pub(super) struct HostPayload {
    pub(super) host: String,
    pub(super) herd: String,
    /// Which of the merged sweeps, or of the runs of one sweep, it is from.
    pub(super) part: u32,
    pub(super) outcome: u8,
    pub(super) phase: Option<u8>,
    pub(super) detail: String,
    pub(super) receipt: ReceiptPayload,
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) queries: Vec<QueryPayload>,
}

/// How a query ended, without its rows.
#[derive(Serialize, Deserialize)]
pub(super) enum QueryPayload {
    Whole,
    Partly {
        #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
        unread: Vec<(String, String, u64)>,
        cut: Option<String>,
    },
    Failed {
        kind: u8,
        detail: String,
    },
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

impl From<&Receipt> for ReceiptPayload {
    fn from(receipt: &Receipt) -> Self {
        Self {
            address: receipt.address.clone(),
            started_ms: receipt.started.0,
            duration_ms: receipt.duration_ms,
            host_key: receipt.host_key.clone(),
            engine: receipt.engine.clone(),
            engine_sha256: receipt.engine_sha256.clone(),
            arch: receipt.arch.clone(),
            uid: receipt.uid,
            root: receipt.root.clone(),
            placed: receipt.placed.clone(),
            removed: receipt.removed,
            status: receipt.status,
            bytes_sent: receipt.bytes_sent,
            bytes_received: receipt.bytes_received,
            host_cpu_us: receipt.host_cpu_us,
        }
    }
}

impl From<ReceiptPayload> for Receipt {
    fn from(payload: ReceiptPayload) -> Self {
        Self {
            address: payload.address,
            started: UnixMillis(payload.started_ms),
            duration_ms: payload.duration_ms,
            host_key: payload.host_key,
            engine: payload.engine,
            engine_sha256: payload.engine_sha256,
            arch: payload.arch,
            uid: payload.uid,
            root: payload.root,
            placed: payload.placed,
            removed: payload.removed,
            status: payload.status,
            bytes_sent: payload.bytes_sent,
            bytes_received: payload.bytes_received,
            host_cpu_us: payload.host_cpu_us,
        }
    }
}

/// The payload of a host's frame in a journal: the host, what its content is committed to, and its rows.
#[derive(Serialize, Deserialize)]
pub(super) struct VisitPayload {
    /// Host and herd of the frame before: who was lost is known where only one frame is.
    pub(super) before: Option<(String, String)>,
    pub(super) host: HostPayload,
    pub(super) leaf: [u8; 32],
    /// For each query that has rows, in the order of the pack.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) rows: Vec<BatchesPayload>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct BatchesPayload(
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")] pub(super) Vec<BatchPayload>,
);

/// Rows with the same columns.
#[derive(Serialize, Deserialize)]
pub(super) struct BatchPayload {
    pub(super) columns: ColumnNames,
    pub(super) rows: u32,
    /// Their cells, one after the other, each a LEB128 length and its bytes.
    #[serde(with = "serde_bytes")]
    pub(super) cells: Vec<u8>,
}

/// One list of columns.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ColumnNames(#[serde(deserialize_with = "bounded::<_, _, 4096>")] pub(super) Vec<String>);

impl From<&Columns> for ColumnNames {
    fn from(columns: &Columns) -> Self {
        Self(columns.iter().map(ToString::to_string).collect())
    }
}

impl ColumnNames {
    /// `None` where they are not in alphabetical order, each once.
    pub(super) fn columns(self) -> Option<Columns> {
        let sorted = self.0.windows(2).all(|pair| pair.first() < pair.last());
        sorted.then(|| Columns::new(self.0.into_iter().map(ColumnName::from)))
    }
}

impl HostPayload {
    pub(super) fn of(visit: &Visit, part: u32) -> Self {
        let query = |answer: &Answer| match answer {
            Answer::Failed(failure) => {
                QueryPayload::Failed { kind: failure.kind.number(), detail: failure.detail.clone() }
            }
            Answer::Rows { unread, cut, .. } if unread.is_empty() && cut.is_none() => QueryPayload::Whole,
            Answer::Rows { unread, cut, .. } => QueryPayload::Partly {
                unread: unread.iter().map(|one| (one.what.clone(), one.why.clone(), one.count)).collect(),
                cut: cut.clone(),
            },
        };
        Self {
            host: visit.host.to_string(),
            herd: visit.herd.to_string(),
            part,
            outcome: visit.outcome.kind.number(),
            phase: visit.outcome.phase.map(Phase::number),
            detail: visit.outcome.detail.clone(),
            receipt: (&visit.receipt).into(),
            queries: visit.answers.iter().map(query).collect(),
        }
    }

    /// The visit, with its rows still to come; `None` where it has a number that is not known.
    pub(super) fn visit(self) -> Option<Visit> {
        let answer = |query| {
            Some(match query {
                QueryPayload::Whole => Answer::Rows { batches: Vec::new(), unread: Vec::new(), cut: None },
                QueryPayload::Partly { unread, cut } => {
                    let unread = unread.into_iter().map(|(what, why, count)| Unread { what, why, count });
                    Answer::Rows { batches: Vec::new(), unread: unread.collect(), cut }
                }
                QueryPayload::Failed { kind, detail } => {
                    Answer::Failed(QueryFailure { kind: QueryFailureKind::from_number(kind)?, detail })
                }
            })
        };
        let phase = match self.phase {
            Some(number) => Some(Phase::from_number(number)?),
            None => None,
        };
        Some(Visit {
            host: self.host.into(),
            herd: self.herd.into(),
            outcome: HostOutcome {
                kind: HostOutcomeKind::from_number(self.outcome)?,
                phase,
                detail: self.detail,
            },
            receipt: self.receipt.into(),
            answers: self.queries.into_iter().map(answer).collect::<Option<_>>()?,
        })
    }
}

impl VisitPayload {
    pub(super) fn of(visit: &Visit, part: u32, leaf: [u8; 32], before: Option<(String, String)>) -> Self {
        let batch = |batch: &RowBatch| BatchPayload {
            columns: batch.columns().into(),
            rows: batch.len() as u32,
            cells: batch.cells().to_vec(),
        };
        let batches = |answer: &Answer| match answer {
            Answer::Rows { batches, .. } => Some(BatchesPayload(batches.iter().map(batch).collect())),
            Answer::Failed(_) => None,
        };
        Self {
            before,
            host: HostPayload::of(visit, part),
            leaf,
            rows: visit.answers.iter().filter_map(batches).collect(),
        }
    }

    /// `None` where its parts do not fit together.
    pub(super) fn visit(self) -> Option<Visit> {
        let mut visit = self.host.visit()?;
        let mut rows = self.rows.into_iter();
        for answer in &mut visit.answers {
            if let Answer::Rows { batches, .. } = answer {
                let stored = rows.next()?.0;
                let batch = |stored: BatchPayload| {
                    RowBatch::from_cells(stored.columns.columns()?, stored.rows as usize, stored.cells)
                };
                *batches = stored.into_iter().map(batch).collect::<Option<_>>()?;
            }
        }
        rows.next().is_none().then_some(visit)
    }
}

/// What is where in a sealed bundle.
#[derive(Serialize, Deserialize)]
pub(super) struct IndexPayload {
    pub(super) end: EndPayload,
    pub(super) seal: [u8; 32],
    /// Names of hosts, each with its herd, in the order of the file.
    #[serde(deserialize_with = "bounded::<_, _, 100_000_000>")]
    pub(super) hosts: Vec<(String, String)>,
    /// What the content of each host is committed to, 32 bytes each.
    #[serde(with = "serde_bytes")]
    pub(super) leaves: Vec<u8>,
    /// Every frame before this one, in order.
    #[serde(deserialize_with = "bounded::<_, _, 100_000_000>")]
    pub(super) frames: Vec<FramePayload>,
}

/// One frame of a sealed bundle. Where it starts follows from the lengths of those before it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FramePayload {
    pub(super) kind: u8,
    /// For rows: the number of the query.
    pub(super) query: u32,
    /// The number of the first host that it is about.
    pub(super) first: u32,
    /// How many hosts it is about.
    pub(super) hosts: u32,
    pub(super) stored: u32,
    pub(super) digest: [u8; 32],
}

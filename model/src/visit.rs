//! What a visit to one host brought back, before a bundle has taken it in.

use crate::name::{HerdName, HostName};
use crate::outcome::{HostOutcome, HostOutcomeKind, QueryFailure, QueryFailureKind, Unread};
use crate::row::RowBatch;
use crate::snapshot::Receipt;

/// One host, visited or not.
#[derive(Clone, Debug)]
pub struct Visit {
    /// As the inventory calls it.
    pub host: HostName,
    /// The hosts it is compared with.
    pub herd: HerdName,
    /// How the visit ended.
    pub outcome: HostOutcome,
    /// What was done there.
    pub receipt: Receipt,
    /// One for each query of the pack, in its order.
    pub answers: Vec<Answer>,
}

impl Visit {
    /// A visit that ended before any query: each of them has `not-run`.
    pub fn without_rows(
        host: HostName,
        herd: HerdName,
        outcome: HostOutcome,
        receipt: Receipt,
        queries: usize,
    ) -> Self {
        let failure = || Answer::failed(QueryFailureKind::NotRun, outcome.kind.code());
        Self { host, herd, answers: (0..queries).map(|_| failure()).collect(), outcome, receipt }
    }

    /// Turns `ok` into `partial` where a query that was asked has no rows.
    pub fn settle(mut self) -> Self {
        let lacks = |answer: &Answer| match answer {
            Answer::Rows { .. } => false,
            Answer::Failed(failure) => failure.kind != QueryFailureKind::NotAsked,
        };
        let failed = self.answers.iter().filter(|answer| lacks(answer)).count();
        if self.outcome.kind == HostOutcomeKind::Ok && failed > 0 {
            self.outcome.kind = HostOutcomeKind::Partial;
            self.outcome.detail = format!("{failed} of {} queries have no rows", self.answers.len());
        }
        self
    }
}

/// What came back for one query.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It ran.
    Rows {
        /// The rows; usually one batch, more where rows have different columns.
        batches: Vec<RowBatch>,
        /// What could not be read meanwhile.
        unread: Vec<Unread>,
        /// The limit that ended it early, if one did.
        cut: Option<String>,
    },
    /// It has no rows.
    Failed(QueryFailure),
}

impl Answer {
    /// A query without rows.
    pub fn failed(kind: QueryFailureKind, detail: impl Into<String>) -> Self {
        Self::Failed(QueryFailure { kind, detail: detail.into() })
    }
}

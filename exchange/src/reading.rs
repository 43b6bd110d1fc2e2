//! The rows of one table, visit by visit and value by value.

use crate::layout::{Cell, Column, Fact, Subject};
use crate::stored::{Outcomes, Stored, Told};
use crate::value::Value;
use herdiff_model::bundle::{BundleError, HostEntry, QueryAnswers};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::row::Row;
use std::sync::Arc;

/// A table that is being read. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    stored: Stored,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Rows(Arc<QueryAnswers>),
    Hosts,
    Outcomes(Arc<Outcomes>),
}

impl Reading {
    pub(crate) fn of(stored: &Stored, subject: Subject) -> Result<Self, BundleError> {
        let content = match subject {
            Subject::Rows(query) => Content::Rows(stored.answers(query)?),
            Subject::Hosts => Content::Hosts,
            Subject::Outcomes => Content::Outcomes(stored.outcomes()?),
        };
        Ok(Self { stored: stored.clone(), content })
    }

    /// How many rows come from a visit.
    pub(crate) fn len(&self, visit: usize) -> usize {
        match &self.content {
            Content::Rows(answers) => {
                let rows = answers.outcomes.get(visit).and_then(QueryOutcome::rows);
                rows.map_or(0, |rows| rows.ids.len())
            }
            Content::Hosts => 1,
            Content::Outcomes(outcomes) => outcomes.len(),
        }
    }

    /// A value of the n-th row of a visit.
    pub(crate) fn value(&self, visit: usize, n: usize, column: &Column) -> Value<'_> {
        match (&column.cell, &self.content) {
            (Cell::Row(name), Content::Rows(answers)) => {
                let cell = row(answers, visit, n).and_then(|row| row.get(name.as_str()));
                column.kind.value(cell.map(|cell| &**cell))
            }
            (Cell::Row(_), _) => Value::Null,
            (Cell::Fact(fact), _) => {
                self.stored.visits().get(visit).map_or(Value::Null, |of| self.fact(of, visit, *fact, n))
            }
        }
    }

    fn fact<'a>(&'a self, visit: &'a HostEntry, number: usize, fact: Fact, n: usize) -> Value<'a> {
        let receipt = &visit.receipt;
        let known = |number: Option<i64>| number.map_or(Value::Null, Value::Integer);
        match fact {
            Fact::Host => visit.host.as_str().into(),
            Fact::Herd => visit.herd.as_str().into(),
            Fact::Visit => (number as u64).into(),
            Fact::Outcome => visit.outcome.kind.code().into(),
            Fact::Phase => visit.outcome.phase.map_or(Value::Null, |phase| phase.code().into()),
            Fact::Detail => visit.outcome.detail.as_str().into(),
            Fact::Address => receipt.address.as_str().into(),
            Fact::Started => (receipt.started.0 / 1000).into(),
            Fact::Duration => receipt.duration_ms.into(),
            Fact::HostKey => receipt.host_key.as_str().into(),
            Fact::Engine => receipt.engine.as_str().into(),
            Fact::Arch => receipt.arch.as_str().into(),
            Fact::Uid => known(receipt.uid.map(i64::from)),
            Fact::Placed => receipt.placed.as_str().into(),
            Fact::Removed => known(receipt.removed.map(i64::from)),
            Fact::BytesSent => receipt.bytes_sent.into(),
            Fact::BytesReceived => receipt.bytes_received.into(),
            Fact::HostCpu => receipt.host_cpu_us.into(),
            Fact::Query => {
                self.stored.pack().queries().get(n).map_or(Value::Null, |query| query.name.as_str().into())
            }
            Fact::QueryOutcome => self.told(number, n).map_or(Value::Null, |told| told.outcome.into()),
            Fact::QueryRows => known(self.told(number, n).and_then(|told| i64::try_from(told.rows?).ok())),
            Fact::QueryDetail => self.told(number, n).map_or(Value::Null, |told| told.detail.as_str().into()),
        }
    }

    fn told(&self, visit: usize, query: usize) -> Option<&Told> {
        match &self.content {
            Content::Outcomes(outcomes) => outcomes.get(query)?.get(visit),
            Content::Rows(_) | Content::Hosts => None,
        }
    }
}

/// The n-th row of a visit.
pub(crate) fn row(answers: &QueryAnswers, visit: usize, n: usize) -> Option<Row<'_>> {
    let id = answers.outcomes.get(visit)?.rows()?.ids.get(n)?;
    answers.table.row(*id)
}

//! What was not seen: a comparison is only as good as what the hosts told.

use crate::roster::Roster;
use herdiff_model::name::QueryName;
use herdiff_model::outcome::{HostOutcomeKind, QueryFailureKind, QueryOutcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the compared hosts told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// How many hosts were to be compared.
    pub hosts: usize,
    /// How many of them have rows for at least one query.
    pub with_rows: usize,
    /// How many visits ended how, by code.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// The queries that not every host with rows answered in full.
    pub incomplete: Vec<QueryCoverage>,
}

/// A query that some hosts did not answer in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryCoverage {
    /// Its name.
    pub query: QueryName,
    /// Hosts that told everything.
    pub whole: usize,
    /// Hosts that could not read everything, or were cut off.
    pub partly: usize,
    /// Hosts with rows that lack a column which most hosts have, so that these rows are not compared.
    pub other_columns: usize,
    /// Hosts without rows, by the code of the reason.
    pub failed: BTreeMap<&'static str, usize>,
}

/// For each query, how many hosts have rows that are not compared.
pub(crate) type OtherColumns = BTreeMap<QueryName, usize>;

impl Coverage {
    /// `targets` is how many hosts the sweep was to visit: those that are not there were not.
    pub(crate) fn of(rosters: &[&Roster<'_>], targets: u64, other_columns: &OtherColumns) -> Self {
        let mut coverage = Self::default();
        let mut queries: Vec<QueryCoverage> = Vec::new();
        for roster in rosters {
            for snapshot in &roster.hosts {
                coverage.hosts += 1;
                *coverage.outcomes.entry(snapshot.outcome.kind.code()).or_default() += 1;
                if !snapshot.queries.iter().any(|outcome| outcome.rows().is_some()) {
                    continue;
                }
                coverage.with_rows += 1;
                for (n, (query, outcome)) in
                    roster.bundle.pack.queries().iter().zip(&snapshot.queries).enumerate()
                {
                    if queries.len() <= n {
                        let query = query.name.clone();
                        queries.push(QueryCoverage {
                            query,
                            whole: 0,
                            partly: 0,
                            other_columns: 0,
                            failed: BTreeMap::new(),
                        });
                    }
                    queries.get_mut(n).into_iter().for_each(|query| query.count(outcome));
                }
            }
        }
        for query in &mut queries {
            query.other_columns = other_columns.get(&query.query).copied().unwrap_or_default();
            query.whole = query.whole.saturating_sub(query.other_columns);
        }
        coverage.incomplete = queries.into_iter().filter(|query| query.whole < coverage.with_rows).collect();
        let targets = usize::try_from(targets).unwrap_or(usize::MAX);
        if let Some(missing) = targets.checked_sub(coverage.hosts).filter(|&missing| missing > 0) {
            coverage.outcomes.insert("not-visited", missing);
            coverage.hosts = targets;
        }
        coverage
    }

    /// True where every host answered every query in full.
    pub fn is_whole(&self) -> bool {
        self.incomplete.is_empty() && self.with_rows == self.hosts
    }

    /// True where some host or query has no rows at all, or none that can be compared.
    pub fn lacks_rows(&self) -> bool {
        let not_asked = QueryFailureKind::NotAsked.code();
        let failed = |query: &QueryCoverage| {
            query.other_columns > 0 || query.failed.keys().any(|&code| code != not_asked)
        };
        self.with_rows < self.hosts
            || self.incomplete.iter().any(failed)
            || self.outcomes.keys().any(|&code| code != HostOutcomeKind::Ok.code())
    }
}

impl QueryCoverage {
    fn count(&mut self, outcome: &QueryOutcome) {
        match outcome {
            QueryOutcome::Rows(rows) if rows.tells_absence() => self.whole += 1,
            QueryOutcome::Rows(_) => self.partly += 1,
            QueryOutcome::Failed(failure) => *self.failed.entry(failure.kind.code()).or_default() += 1,
        }
    }
}

//! What an answer does not rest on: hosts that were read for it and could not tell, or not all.

use crate::layout::Subject;
use crate::stored::Stored;
use herdiff_model::bundle::QueryAnswers;
use herdiff_model::outcome::{QueryFailureKind, QueryOutcome};
use herdiff_model::snapshot::QueryId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The visits that statements have read, by table.
#[derive(Debug, Default)]
pub(super) struct Read(Mutex<BTreeMap<QueryId, Visits>>);

#[derive(Debug)]
enum Visits {
    All,
    Some(BTreeSet<usize>),
}

impl Read {
    /// `None` stands for all visits.
    pub(super) fn note(&self, query: QueryId, visits: Option<&[usize]>) {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (visits, read.entry(query).or_insert_with(|| Visits::Some(BTreeSet::new()))) {
            (None, entry) => *entry = Visits::All,
            (Some(visits), Visits::Some(known)) => known.extend(visits),
            (Some(_), Visits::All) => {}
        }
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn gaps(&self, stored: &Stored, names: &[(String, Subject)]) -> Vec<Gap> {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |query: QueryId, visits: &Visits| {
            let name = names.iter().find(|(_, subject)| *subject == Subject::Rows(query))?.0.clone();
            // It was read for the statement, and is kept.
            let answers = stored.answers(query).ok()?;
            let mut gap = Gap { table: name, ..Gap::default() };
            match visits {
                Visits::All => {
                    (0..stored.visits().len()).for_each(|visit| gap.count(stored, visit, &answers))
                }
                Visits::Some(some) => some.iter().for_each(|&visit| gap.count(stored, visit, &answers)),
            }
            Some(gap)
        };
        read.iter().filter_map(|(&query, visits)| of(query, visits)).collect()
    }
}

/// How far one table could be answered from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// The table.
    pub table: String,
    /// Visits that told all.
    pub whole: usize,
    /// Visits that told a part: something could not be read, or a limit cut the rows.
    pub part: usize,
    /// Visits that told nothing, by the outcome of the visit or, where that went well, of the query.
    pub silent: BTreeMap<&'static str, usize>,
}

impl Gap {
    /// Whether every visit told all.
    pub fn is_closed(&self) -> bool {
        self.part == 0 && self.silent.is_empty()
    }

    fn count(&mut self, stored: &Stored, visit: usize, answers: &QueryAnswers) {
        let Some(of) = stored.visits().get(visit) else { return };
        match answers.outcomes.get(visit) {
            Some(QueryOutcome::Rows(rows)) if rows.tells_absence() => self.whole += 1,
            Some(QueryOutcome::Rows(_)) => self.part += 1,
            // What the pack does not ask of such a host is nobody's silence.
            Some(QueryOutcome::Failed(failure)) if failure.kind == QueryFailureKind::NotAsked => {}
            Some(QueryOutcome::Failed(failure)) if failure.kind != QueryFailureKind::NotRun => {
                *self.silent.entry(failure.kind.code()).or_default() += 1;
            }
            _ => *self.silent.entry(of.outcome.kind.code()).or_default() += 1,
        }
    }
}

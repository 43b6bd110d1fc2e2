//! The whole comparison: findings best first, hosts by suspicion, and what was not seen.

use crate::accepted::Accepted;
use crate::both::{self, Held};
use crate::coverage::{Coverage, OtherColumns};
use crate::deviation::QueryView;
use crate::finding::{Finding, Suspect};
use crate::herd;
use crate::nearest;
use crate::roster::Roster;
use crate::seen::{Seen, Story, suspects};
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use herdiff_model::name::{ColumnName, HerdName, QueryName};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a comparison says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Best first, as many as were asked for.
    pub findings: Vec<Finding>,
    /// How many there are, without those that are accepted.
    pub total: usize,
    /// How many are accepted.
    pub accepted: usize,
    /// Most suspect first; hosts without findings are not in it.
    pub suspects: Vec<Suspect>,
    /// What was not seen.
    pub coverage: Coverage,
    /// What the reader must know to trust it.
    pub notes: Vec<Note>,
}

/// What is wanted of a comparison.
#[derive(Clone, Debug)]
pub struct Options {
    /// Findings beyond this many are counted and not put in words.
    pub most: usize,
    /// Findings that are counted and not shown.
    pub accepted: Accepted,
}

impl Default for Options {
    fn default() -> Self {
        Self { most: usize::MAX, accepted: Accepted::default() }
    }
}

/// Something to know about a comparison as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
pub enum Note {
    /// Too few hosts have rows to say what is usual.
    HerdTooSmall {
        /// Which.
        herd: HerdName,
        /// How many hosts have rows.
        hosts: usize,
    },
    /// What is rare among so few need not be odd.
    HerdSmall {
        /// Which.
        herd: HerdName,
        /// How many hosts have rows.
        hosts: usize,
    },
    /// Queries of the target that the baseline does not have: nothing is known about them.
    NotInBaseline {
        /// How many.
        queries: usize,
    },
    /// Columns that only one side has: nothing is said about them.
    ColumnsNotCompared {
        /// The query.
        query: QueryName,
        /// Its columns.
        columns: Vec<ColumnName>,
    },
    /// How many hosts of a herd were held against which of several baselines, in their order.
    HeldAgainst {
        /// Which.
        herd: HerdName,
        /// For each baseline, how many.
        hosts: Vec<usize>,
    },
    /// The baseline has no rows at all.
    BaselineEmpty,
    /// Queries that the baseline does not know in full: there nothing can be said to be new.
    BaselineUnsure {
        /// Which.
        queries: Vec<QueryName>,
    },
}

/// Below this many hosts nothing can be odd.
const SMALLEST_HERD: usize = 3;
/// Below this many hosts a reader should be warned.
const SMALL_HERD: usize = 10;

/// Compares every host of a bundle with its herd.
pub fn outliers(bundle: &Bundle, tables: &Tables, options: &Options) -> Report {
    outliers_with(bundle, &[], tables, options)
}

/// Compares every host of a bundle with its herd, and with the baselines that there are: what is rare and known to be good is worth
/// less, and what is common and not in the baseline is a finding.
pub fn outliers_with(bundle: &Bundle, baselines: &[&Bundle], tables: &Tables, options: &Options) -> Report {
    let mut report = Report::default();
    report.note_baselines(baselines, bundle);
    let mut seen = Vec::new();
    let mut other_columns = OtherColumns::new();
    for (name, roster) in Roster::herds(bundle) {
        let hosts = with_rows(&roster);
        let references = nearest::references(baselines, &name);
        if hosts < SMALLEST_HERD {
            report.notes.push(Note::HerdTooSmall { herd: name.clone(), hosts });
        } else if hosts < SMALL_HERD {
            report.notes.push(Note::HerdSmall { herd: name.clone(), hosts });
        }
        let of_herd = (hosts >= SMALLEST_HERD).then(|| herd::deviations(&roster, tables));
        let held =
            (!references.is_empty()).then(|| both::held(&references, baselines.len(), &roster, tables));
        if let Some(held) = &held {
            report.note_held(&name, held, &mut other_columns);
        }
        let (views, deviations) = match (of_herd, held) {
            (Some(of_herd), held) => {
                count_other_columns(&mut other_columns, &of_herd.0);
                match held {
                    Some(held) => both::together(of_herd, held),
                    None => of_herd,
                }
            }
            (None, Some(held)) => (held.views, held.deviations),
            (None, None) => {
                seen.push(Seen::uncompared(roster));
                continue;
            }
        };
        seen.push(Seen::new(roster, views, deviations));
    }
    report.finish(&seen, bundle.facts.targets, &other_columns, options)
}

/// Compares the hosts of `target` with baselines: with one that has hosts of their own herd, or where none has, with all of it; of
/// several with the one that a host is most like.
pub fn diff(baselines: &[&Bundle], target: &Bundle, tables: &Tables, options: &Options) -> Report {
    let mut report = Report::default();
    report.note_baselines(baselines, target);
    let mut seen = Vec::new();
    let mut other_columns = OtherColumns::new();
    for (name, roster) in Roster::herds(target) {
        let references = nearest::references(baselines, &name);
        let held = both::held(&references, baselines.len(), &roster, tables);
        report.note_held(&name, &held, &mut other_columns);
        seen.push(Seen::new(roster, held.views, held.deviations));
    }
    report.finish(&seen, target.facts.targets, &other_columns, options)
}

fn with_rows(roster: &Roster<'_>) -> usize {
    roster.hosts.iter().filter(|host| host.queries.iter().any(|outcome| outcome.rows().is_some())).count()
}

fn count_other_columns(other_columns: &mut OtherColumns, views: &[QueryView<'_>]) {
    for view in views.iter().filter(|view| view.other_columns > 0) {
        *other_columns.entry(view.query.name.clone()).or_default() += view.other_columns;
    }
}

impl Report {
    /// True where something that was seen was not compared: then no findings does not mean clean.
    pub fn leaves_open(&self) -> bool {
        self.coverage.lacks_rows()
            || self
                .notes
                .iter()
                .any(|note| !matches!(note, Note::HerdSmall { .. } | Note::HeldAgainst { .. }))
    }

    /// What of the baselines themselves a reader must know.
    fn note_baselines(&mut self, baselines: &[&Bundle], target: &Bundle) {
        if baselines.is_empty() {
            return;
        }
        let everyone: Vec<_> = baselines.iter().map(|baseline| Roster::everyone(baseline)).collect();
        if everyone.iter().all(|everyone| with_rows(everyone) == 0) {
            self.notes.push(Note::BaselineEmpty);
        }
        let known: BTreeSet<_> =
            baselines.iter().flat_map(|baseline| baseline.pack.queries()).map(|query| &query.name).collect();
        match target.pack.queries().iter().filter(|query| !known.contains(&query.name)).count() {
            0 => {}
            queries => self.notes.push(Note::NotInBaseline { queries }),
        }
        let mut unsure: Vec<QueryName> = Vec::new();
        for everyone in &everyone {
            for query in Coverage::of(&[everyone], 0, &OtherColumns::new()).incomplete {
                if !unsure.contains(&query.query) {
                    unsure.push(query.query);
                }
            }
        }
        if !unsure.is_empty() {
            self.notes.push(Note::BaselineUnsure { queries: unsure });
        }
    }

    /// What of a herd's comparison with baselines a reader must know.
    fn note_held(&mut self, herd: &HerdName, held: &Held<'_>, other_columns: &mut OtherColumns) {
        count_other_columns(other_columns, &held.views);
        self.note_lost_columns(&held.views);
        if held.hosts_of.len() > 1 {
            self.notes.push(Note::HeldAgainst { herd: herd.clone(), hosts: held.hosts_of.clone() });
        }
    }

    /// True where every herd had hosts enough to be compared.
    pub fn compares(&self) -> bool {
        !self.notes.iter().any(|note| matches!(note, Note::HerdTooSmall { .. }))
    }

    fn note_lost_columns(&mut self, views: &[QueryView<'_>]) {
        for view in views.iter().filter(|view| !view.compared.lost().is_empty()) {
            let note = Note::ColumnsNotCompared {
                query: view.query.name.clone(),
                columns: view.compared.lost().to_vec(),
            };
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    fn finish(
        mut self,
        seen: &[Seen<'_>],
        targets: u64,
        other_columns: &OtherColumns,
        options: &Options,
    ) -> Self {
        let mut ranked: Vec<(&Seen<'_>, &Story)> =
            seen.iter().flat_map(|seen| seen.stories.iter().map(move |story| (seen, story))).collect();
        // The sort is stable, and what comes in is in the order of herds, queries and identities.
        ranked.sort_by(|(seen, a), (other, b)| {
            b.score.total_cmp(&a.score).then_with(|| seen.hosts_of(a).cmp(other.hosts_of(b)))
        });
        if !options.accepted.is_empty() {
            let all = ranked.len();
            ranked.retain(|(seen, story)| !seen.id(story).is_some_and(|id| options.accepted.holds(&id)));
            self.accepted = all - ranked.len();
        }
        self.total = ranked.len();
        self.suspects = suspects(&ranked);
        self.findings =
            ranked.into_iter().take(options.most).filter_map(|(seen, story)| seen.finding(story)).collect();
        let rosters: Vec<_> = seen.iter().map(|seen| &seen.roster).collect();
        self.coverage = Coverage::of(&rosters, targets, other_columns);
        self
    }
}

//! The whole comparison: findings best first, hosts by suspicion, and what was not seen.

use crate::coverage::{Coverage, OtherColumns};
use crate::deviation::{Deviation, QueryView, names};
use crate::finding::{Cells, Finding, FindingId, Method, Part, Suspect};
use crate::gather::Alike;
use crate::roster::Roster;
use crate::{baseline, explain, herd, score, story};
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::{Attack, Tables};
use herdiff_model::name::{ColumnName, HerdName, HostName, QueryName};
use herdiff_model::row::Row;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a comparison says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Best first. All of them: where to stop reading is the caller's choice, by score.
    pub findings: Vec<Finding>,
    /// Most suspect first; hosts without findings are not in it.
    pub suspects: Vec<Suspect>,
    /// What was not seen.
    pub coverage: Coverage,
    /// What the reader must know to trust it.
    pub notes: Vec<Note>,
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
/// What each further query that speaks for a story adds, in bits, and for how many.
const CORROBORATION: (f64, usize) = (1.0, 3);

/// Compares every host of a bundle with its herd.
pub fn outliers(bundle: &Bundle, tables: &Tables) -> Report {
    let mut report = Report::default();
    let mut rosters = Vec::new();
    let mut other_columns = OtherColumns::new();
    for (name, roster) in Roster::herds(bundle) {
        let hosts = with_rows(&roster);
        if hosts < SMALLEST_HERD {
            report.notes.push(Note::HerdTooSmall { herd: name, hosts });
        } else {
            if hosts < SMALL_HERD {
                report.notes.push(Note::HerdSmall { herd: name, hosts });
            }
            let (views, deviations) = herd::deviations(&roster, tables);
            count_other_columns(&mut other_columns, &views);
            report.add(&roster, &views, deviations, hosts, Method::Herd);
        }
        rosters.push(roster);
    }
    report.finish(&rosters, bundle.facts.targets, &other_columns)
}

/// Compares the hosts of `target` with a baseline: of their own herd where it has hosts of that herd, else all of it.
pub fn diff(baseline: &Bundle, target: &Bundle, tables: &Tables) -> Report {
    let mut report = Report::default();
    let clean: BTreeMap<HerdName, Roster<'_>> = Roster::herds(baseline).into_iter().collect();
    let everyone = Roster::everyone(baseline);
    if with_rows(&everyone) == 0 {
        report.notes.push(Note::BaselineEmpty);
    }
    let known: BTreeSet<_> = baseline.pack.queries().iter().map(|query| &query.name).collect();
    match target.pack.queries().iter().filter(|query| !known.contains(&query.name)).count() {
        0 => {}
        queries => report.notes.push(Note::NotInBaseline { queries }),
    }
    let mut rosters = Vec::new();
    let mut other_columns = OtherColumns::new();
    for (name, roster) in Roster::herds(target) {
        let reference = clean.get(&name).unwrap_or(&everyone);
        let (views, deviations) = baseline::deviations(reference, &roster, tables);
        count_other_columns(&mut other_columns, &views);
        report.note_lost_columns(&views);
        report.add(&roster, &views, deviations, with_rows(&roster), Method::Baseline);
        rosters.push(roster);
    }
    let unsure: Vec<_> = Coverage::of(&[everyone], 0, &OtherColumns::new())
        .incomplete
        .into_iter()
        .map(|query| query.query)
        .collect();
    if !unsure.is_empty() {
        report.notes.push(Note::BaselineUnsure { queries: unsure });
    }
    report.finish(&rosters, target.facts.targets, &other_columns)
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
        self.coverage.lacks_rows() || self.notes.iter().any(|note| !matches!(note, Note::HerdSmall { .. }))
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

    fn add(
        &mut self,
        roster: &Roster<'_>,
        views: &[QueryView<'_>],
        mut deviations: Vec<Deviation<'_>>,
        hosts: usize,
        method: Method,
    ) {
        score::score(&mut deviations, views, hosts, method);
        for story in story::stories(&deviations, views) {
            let story: Vec<_> = story.into_iter().filter_map(|n| deviations.get(n)).collect();
            self.findings.extend(finding(roster, views, &story, method));
        }
    }

    fn finish(mut self, rosters: &[Roster<'_>], targets: u64, other_columns: &OtherColumns) -> Self {
        // The sort is stable, and what comes in is in the order of herds, queries and rows.
        self.findings.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.suspects = suspects(&self.findings);
        self.coverage = Coverage::of(rosters, targets, other_columns);
        self
    }
}

fn finding(
    roster: &Roster<'_>,
    views: &[QueryView<'_>],
    story: &[&Deviation<'_>],
    method: Method,
) -> Option<Finding> {
    let first = *story.first()?;
    let view = views.get(first.view)?;
    let hosts = names(roster, &first.hosts);
    let herd = roster.host(*first.hosts.first()?)?.herd.clone();
    let queries: BTreeSet<usize> = story.iter().map(|deviation| deviation.view).collect();
    let (bits, most) = CORROBORATION;
    let mut attack: Vec<Attack> = Vec::new();
    for deviation in story {
        let Some(view) = views.get(deviation.view) else { continue };
        let of_signs = deviation.shown_signs(&view.knowledge).flat_map(|sign| &sign.attack);
        for technique in view.knowledge.attack.iter().chain(of_signs) {
            if !attack.contains(technique) {
                attack.push(technique.clone());
            }
        }
    }
    let parts = |deviation: &&Deviation<'_>| {
        let rows = std::iter::once((deviation.row, deviation.before));
        let rows = rows.chain(deviation.others.iter().copied());
        let view = views.get(deviation.view);
        let part = |(view, (row, before)): (&QueryView<'_>, (Row<'_>, Option<Row<'_>>))| Part {
            query: view.query.name.clone(),
            kind: deviation.change.kind(),
            row: Cells::of(row),
            before: before.map(Cells::of),
            title: explain::title(&view.knowledge, row),
        };
        rows.filter_map(|row| Some((view?, row))).map(part).collect::<Vec<_>>()
    };
    Some(Finding {
        id: id(&herd, &hosts, view, first),
        host: hosts.first()?.clone(),
        herd,
        query: view.query.name.clone(),
        kind: first.change.kind(),
        row: Cells::of(first.row),
        before: first.before.map(Cells::of),
        title: explain::title(&view.knowledge, first.row),
        // A tenth of a bit is more than it can be trusted with.
        score: ((first.score + bits * (queries.len() - 1).min(most) as f64) * 10.0).round() / 10.0,
        prevalence: first.prevalence,
        why: explain::why(first, view, &hosts, method),
        attack,
        method,
        parts: story.iter().flat_map(parts).collect(),
        hosts,
    })
}

fn id(herd: &HerdName, hosts: &[HostName], view: &QueryView<'_>, deviation: &Deviation<'_>) -> FindingId {
    let mut hasher = blake3::Hasher::new_derive_key("herdiff 2026 finding id");
    for text in [herd.as_str(), view.query.name.as_str(), &deviation.change.kind().to_string()] {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    match &deviation.alike {
        None => hasher.update(&view.identities.hash(deviation.change.shown())),
        Some(Alike::Everywhere(form)) => hasher.update(&form.to_le_bytes()),
        Some(alike) => {
            if let Alike::There(form, _) = alike {
                hasher.update(&form.to_le_bytes());
            }
            hosts.iter().fold(&mut hasher, |hasher, host| {
                hasher.update(&(host.as_str().len() as u64).to_le_bytes()).update(host.as_str().as_bytes())
            })
        }
    };
    FindingId(hasher.finalize().to_hex().chars().take(12).collect())
}

fn suspects(findings: &[Finding]) -> Vec<Suspect> {
    let mut suspects: BTreeMap<(&HerdName, &HostName), Suspect> = BTreeMap::new();
    for finding in findings {
        for host in &finding.hosts {
            let suspect = suspects.entry((&finding.herd, host)).or_insert_with(|| Suspect {
                host: host.clone(),
                herd: finding.herd.clone(),
                score: 0.0,
                findings: 0,
            });
            // One strong finding says more than many weak ones: squares are summed.
            suspect.score += (finding.score / finding.hosts.len() as f64).powi(2);
            suspect.findings += 1;
        }
    }
    let mut suspects: Vec<_> = suspects.into_values().collect();
    suspects.iter_mut().for_each(|suspect| suspect.score = (suspect.score.sqrt() * 10.0).round() / 10.0);
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score));
    suspects
}

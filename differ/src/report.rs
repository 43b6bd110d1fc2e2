//! The whole comparison: findings best first, hosts by suspicion, and what was not seen.

use crate::accepted::Accepted;
use crate::coverage::{Coverage, OtherColumns};
use crate::deviation::{Deviation, QueryView, names};
use crate::finding::{Cells, Finding, FindingId, Method, Part, Suspect};
use crate::gather::Alike;
use crate::roster::Roster;
use crate::{baseline, explain, herd, score, story, template};
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::{Attack, Tables};
use herdiff_model::name::{ColumnName, HerdName, HostName, QueryName};
use herdiff_model::row::Row;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
pub fn outliers(bundle: &Bundle, tables: &Tables, options: &Options) -> Report {
    let mut report = Report::default();
    let mut seen = Vec::new();
    let mut other_columns = OtherColumns::new();
    for (name, roster) in Roster::herds(bundle) {
        let hosts = with_rows(&roster);
        if hosts < SMALLEST_HERD {
            report.notes.push(Note::HerdTooSmall { herd: name, hosts });
            seen.push(Seen::uncompared(roster));
        } else {
            if hosts < SMALL_HERD {
                report.notes.push(Note::HerdSmall { herd: name, hosts });
            }
            let (views, deviations) = herd::deviations(&roster, tables);
            count_other_columns(&mut other_columns, &views);
            seen.push(Seen::new(roster, views, deviations, Method::Herd));
        }
    }
    report.finish(&seen, bundle.facts.targets, &other_columns, options)
}

/// Compares the hosts of `target` with a baseline: of their own herd where it has hosts of that herd, else all of it.
pub fn diff(baseline: &Bundle, target: &Bundle, tables: &Tables, options: &Options) -> Report {
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
    let mut seen = Vec::new();
    let mut other_columns = OtherColumns::new();
    for (name, roster) in Roster::herds(target) {
        let reference = clean.get(&name).unwrap_or(&everyone);
        let (views, deviations) = baseline::deviations(reference, &roster, tables);
        count_other_columns(&mut other_columns, &views);
        report.note_lost_columns(&views);
        seen.push(Seen::new(roster, views, deviations, Method::Baseline));
    }
    let unsure: Vec<_> = Coverage::of(&[&everyone], 0, &OtherColumns::new())
        .incomplete
        .into_iter()
        .map(|query| query.query)
        .collect();
    if !unsure.is_empty() {
        report.notes.push(Note::BaselineUnsure { queries: unsure });
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
        let hosts = |seen: &Seen<'_>, story: &Story| -> Vec<usize> {
            let first = story.members.first().and_then(|&n| seen.deviations.get(n));
            first.map(|deviation| deviation.hosts.clone()).unwrap_or_default()
        };
        ranked.sort_by(|(seen, a), (other, b)| {
            b.score.total_cmp(&a.score).then_with(|| hosts(seen, a).cmp(&hosts(other, b)))
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

/// Deviations that tell one story, strongest first.
struct Story {
    members: Vec<usize>,
    score: f64,
}

/// One herd, compared.
struct Seen<'a> {
    roster: Roster<'a>,
    views: Vec<QueryView<'a>>,
    deviations: Vec<Deviation<'a>>,
    stories: Vec<Story>,
    method: Method,
}

impl<'a> Seen<'a> {
    fn new(
        roster: Roster<'a>,
        views: Vec<QueryView<'a>>,
        mut deviations: Vec<Deviation<'a>>,
        method: Method,
    ) -> Self {
        let hosts = roster.hosts.len();
        score::score(&mut deviations, &views, hosts, method);
        let stories = story::stories(&deviations, &views);
        let stories = stories.into_iter().map(|members| Story::of(members, &deviations, hosts)).collect();
        Self { roster, views, deviations, stories, method }
    }

    fn uncompared(roster: Roster<'a>) -> Self {
        Self { roster, views: Vec::new(), deviations: Vec::new(), stories: Vec::new(), method: Method::Herd }
    }

    fn id(&self, story: &Story) -> Option<FindingId> {
        let first = self.deviations.get(*story.members.first()?)?;
        let herd = &self.roster.host(*first.hosts.first()?)?.herd;
        Some(id(herd, &names(&self.roster, &first.hosts), self.views.get(first.view)?, first))
    }

    fn finding(&self, story: &Story) -> Option<Finding> {
        let members: Vec<_> = story.members.iter().filter_map(|&n| self.deviations.get(n)).collect();
        finding(&self.roster, &self.views, &members, self.method, story.score)
    }
}

impl Story {
    fn of(members: Vec<usize>, deviations: &[Deviation<'_>], herd: usize) -> Self {
        let rows = || members.iter().filter_map(|&n| deviations.get(n));
        let queries: BTreeSet<usize> = rows().map(|deviation| deviation.view).collect();
        let best = rows().map(|deviation| deviation.score).fold(0.0, f64::max);
        let (bits, most) = CORROBORATION;
        let mut score = best + bits * (queries.len().saturating_sub(1)).min(most) as f64;
        // Many rows that a good part of the herd has together are another image, role or release.
        let hosts = rows().next().map_or(0, |deviation| deviation.hosts.len());
        let is_part = hosts >= 3 && hosts as f64 >= herd as f64 * PART_OF_HERD;
        if is_part && rows().map(Deviation::members).sum::<usize>() >= MANY_ROWS {
            score *= 0.5;
        }
        // A tenth of a bit is more than it can be trusted with.
        Self { members, score: (score * 10.0).round() / 10.0 }
    }
}

/// From this share on, hosts are a part of the herd and not outliers.
const PART_OF_HERD: f64 = 0.08;
/// An intruder leaves fewer rows than another image.
const MANY_ROWS: usize = 40;

fn finding(
    roster: &Roster<'_>,
    views: &[QueryView<'_>],
    story: &[&Deviation<'_>],
    method: Method,
    score: f64,
) -> Option<Finding> {
    let first = *story.first()?;
    let view = views.get(first.view)?;
    let hosts = names(roster, &first.hosts);
    let herd = roster.host(*first.hosts.first()?)?.herd.clone();
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
        let view = views.get(deviation.view);
        let part = |(view, (row, before)): (&QueryView<'_>, (Row<'_>, Option<Row<'_>>))| Part {
            query: view.query.name.clone(),
            kind: deviation.change.kind(),
            row: Cells::of(row),
            before: before.map(Cells::of),
            title: explain::title(&view.knowledge, row),
        };
        deviation.rows().filter_map(|row| Some((view?, row))).map(part).collect::<Vec<_>>()
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
        score,
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
    match &deviation.several {
        None => hasher.update(&view.identities.hash(deviation.change.shown())),
        Some(several) => {
            if matches!(several, Alike::There(..) | Alike::Everywhere(_)) {
                hasher.update(&family(view, deviation.row));
            }
            if !matches!(several, Alike::Everywhere(_)) {
                for host in hosts {
                    hasher
                        .update(&(host.as_str().len() as u64).to_le_bytes())
                        .update(host.as_str().as_bytes());
                }
            }
            &mut hasher
        }
    };
    FindingId(hasher.finalize().to_hex().chars().take(12).collect())
}

/// What the rows of a family have in common.
fn family(view: &QueryView<'_>, row: Row<'_>) -> Vec<u8> {
    let mut form = Vec::new();
    let key = if view.compared.can_change() { view.compared.key() } else { view.compared.columns() };
    for column in key {
        template::push(&mut form, row.get(column.as_str()).unwrap_or_default());
        form.push(0);
    }
    form
}

fn suspects(ranked: &[(&Seen<'_>, &Story)]) -> Vec<Suspect> {
    let mut suspects: BTreeMap<(&HerdName, &HostName), Suspect> = BTreeMap::new();
    for (seen, story) in ranked {
        let Some(first) = story.members.first().and_then(|&n| seen.deviations.get(n)) else { continue };
        for snapshot in first.hosts.iter().filter_map(|&host| seen.roster.host(host)) {
            let suspect = suspects.entry((&snapshot.herd, &snapshot.host)).or_insert_with(|| Suspect {
                host: snapshot.host.clone(),
                herd: snapshot.herd.clone(),
                score: 0.0,
                findings: 0,
            });
            // One strong finding says more than many weak ones: fifth powers are summed.
            suspect.score += story.score.powi(5);
            suspect.findings += 1;
        }
    }
    let mut suspects: Vec<_> = suspects.into_values().collect();
    suspects.iter_mut().for_each(|suspect| suspect.score = (suspect.score.powf(0.2) * 10.0).round() / 10.0);
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score));
    suspects
}

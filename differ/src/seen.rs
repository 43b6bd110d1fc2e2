//! One herd, compared: its stories with their scores, and how a story becomes a finding.

use crate::deviation::{Baseline, Deviation, QueryView, names};
use crate::finding::{Cells, Finding, FindingId, Kind, Part, Suspect};
use crate::gather::Alike;
use crate::roster::Roster;
use crate::{explain, score, story, template};
use herdiff_model::knowledge::Attack;
use herdiff_model::name::{HerdName, HostName};
use herdiff_model::row::Row;
use std::collections::{BTreeMap, BTreeSet};

/// What each further query that speaks for a story adds, in bits, and for how many.
const CORROBORATION: (f64, usize) = (1.0, 3);

/// Deviations that tell one story, strongest first.
pub(crate) struct Story {
    pub(crate) members: Vec<usize>,
    pub(crate) score: f64,
}

/// One herd, compared.
pub(crate) struct Seen<'a> {
    pub(crate) roster: Roster<'a>,
    views: Vec<QueryView<'a>>,
    pub(crate) deviations: Vec<Deviation<'a>>,
    pub(crate) stories: Vec<Story>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(
        roster: Roster<'a>,
        views: Vec<QueryView<'a>>,
        mut deviations: Vec<Deviation<'a>>,
    ) -> Self {
        let hosts = roster.hosts.len();
        score::score(&mut deviations, &views, hosts);
        let stories = story::stories(&deviations, &views);
        let stories = stories.into_iter().map(|members| Story::of(members, &deviations, hosts)).collect();
        Self { roster, views, deviations, stories }
    }

    pub(crate) fn uncompared(roster: Roster<'a>) -> Self {
        Self { roster, views: Vec::new(), deviations: Vec::new(), stories: Vec::new() }
    }

    /// The hosts of a story, as places in the roster.
    pub(crate) fn hosts_of(&self, story: &Story) -> &[usize] {
        let first = story.members.first().and_then(|&n| self.deviations.get(n));
        first.map_or(&[], |deviation| &deviation.hosts)
    }

    pub(crate) fn id(&self, story: &Story) -> Option<FindingId> {
        let first = self.deviations.get(*story.members.first()?)?;
        let herd = &self.roster.host(*first.hosts.first()?)?.herd;
        Some(id(herd, &names(&self.roster, &first.hosts), self.views.get(first.view)?, first))
    }

    pub(crate) fn finding(&self, story: &Story) -> Option<Finding> {
        let members: Vec<_> = story.members.iter().filter_map(|&n| self.deviations.get(n)).collect();
        finding(&self.roster, &self.views, &members, story.score)
    }
}

impl Story {
    fn of(members: Vec<usize>, deviations: &[Deviation<'_>], herd: usize) -> Self {
        let rows = || members.iter().filter_map(|&n| deviations.get(n));
        let queries: BTreeSet<usize> = rows().map(|deviation| deviation.view).collect();
        let mut best = rows().map(|deviation| deviation.score).fold(0.0, f64::max);
        if splits(rows, queries.len(), herd) {
            best = rows().map(|deviation| SPLIT + deviation.danger).fold(best, f64::max);
        }
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

/// Whether the rows split the herd in a way that neither an image nor an upgrade explains: a few rows, new, on just the same hosts, which
/// are too many to be odd by being few; and some of them show signs of danger. One intruder on a third of a herd looks like this.
fn splits<'d, 'a: 'd, I: Iterator<Item = &'d Deviation<'a>>>(
    rows: impl Fn() -> I,
    queries: usize,
    herd: usize,
) -> bool {
    let hosts = rows().next().map_or(0, |deviation| deviation.hosts.len());
    let is_new = |deviation: &Deviation<'_>| {
        deviation.change.kind() == Kind::Added
            && !matches!(deviation.several, Some(Alike::Everywhere(_)))
            && deviation.baseline != Some(Baseline::Has)
    };
    hosts >= 3
        && hosts as f64 >= herd as f64 * PART_OF_HERD
        && rows().map(Deviation::members).sum::<usize>() < MANY_ROWS
        && rows().all(is_new)
        && match queries {
            1 => rows().any(|deviation| deviation.danger >= DANGEROUS),
            _ => rows().any(|deviation| deviation.alarm >= ALARMING),
        }
}

/// What it is worth that rows split a herd, before what they say about danger.
const SPLIT: f64 = 4.0;
/// Less is no sign of danger: signs of harmlessness count below zero, and one that all rows show for nothing.
const ALARMING: f64 = 0.5;
/// What is of one kind only must be as dangerous as this: a key, a sudo rule. Of several kinds, one must show a sign.
const DANGEROUS: f64 = 4.0;
/// From this share on, hosts are a part of the herd and not outliers.
const PART_OF_HERD: f64 = 0.08;
/// An intruder leaves fewer rows than another image.
const MANY_ROWS: usize = 40;

fn finding(
    roster: &Roster<'_>,
    views: &[QueryView<'_>],
    story: &[&Deviation<'_>],
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
        why: explain::why(first, view, &hosts),
        attack,
        method: view.method,
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
        let cell = row.get(column.as_str()).unwrap_or_default();
        match view.asked.names.template(cell) {
            Some(template) => form.extend(template),
            None => template::push(&mut form, cell),
        }
        form.push(0);
    }
    form
}

/// Hosts by how much is odd about them.
pub(crate) fn suspects(ranked: &[(&Seen<'_>, &Story)]) -> Vec<Suspect> {
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

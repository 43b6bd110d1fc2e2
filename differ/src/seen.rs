//! One herd, compared: its stories with their scores, and how a story becomes a finding.

use crate::deviation::{Deviation, QueryView, names};
use crate::finding::{Cells, Finding, FindingId, Part, Suspect};
use crate::gather::Alike;
use crate::reason::{Told, reasons};
use crate::roster::Roster;
use crate::split::{ALARMING, Splits};
use crate::{explain, score, story, template};
use herdiff_model::knowledge::Attack;
use herdiff_model::name::{HerdName, HostName};
use herdiff_model::row::Row;
use std::collections::{BTreeMap, BTreeSet};

/// What each further kind of rows that speaks for a story adds, in bits, and for how many.
const CORROBORATION: (f64, usize) = (1.0, 3);

/// Deviations that tell one story, strongest first.
pub(crate) struct Story {
    pub(crate) members: Vec<usize>,
    pub(crate) score: f64,
    /// What its score is made of, apart from that of its first member.
    told: Told,
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
        let stories = story::stories(&deviations, &views, hosts);
        let splits = Splits::of(&stories, &deviations, hosts);
        let stories =
            stories.into_iter().map(|members| Story::of(members, &deviations, &views, &splits)).collect();
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
        finding(&self.roster, &self.views, &members, story)
    }
}

impl Story {
    fn of(
        members: Vec<usize>,
        deviations: &[Deviation<'_>],
        views: &[QueryView<'_>],
        splits: &Splits<'_>,
    ) -> Self {
        let rows: Vec<&Deviation<'_>> = members.iter().filter_map(|&n| deviations.get(n)).collect();
        // Two queries of one table say the same thing twice.
        let of_what = |deviation: &&Deviation<'_>| {
            let table = views.get(deviation.view).and_then(|view| view.knowledge.table.as_ref());
            (table, if table.is_none() { deviation.view } else { 0 })
        };
        let kinds = rows.iter().map(of_what).collect::<BTreeSet<_>>().len();
        let best = rows.iter().map(|deviation| deviation.score).fold(0.0, f64::max);
        let split = splits.worth(&rows, kinds).filter(|(split, danger)| split + danger > best);
        let best = split.map_or(best, |(split, danger)| split + danger);
        let (bits, most) = CORROBORATION;
        let told = Told {
            split,
            kinds: bits * kinds.saturating_sub(1).min(most) as f64,
            image: if splits.is_image(&rows) { IMAGE } else { 1.0 },
        };
        let score = (best + told.kinds) * told.image;
        // A tenth of a bit is more than it can be trusted with.
        Self { members, score: (score * 10.0).round() / 10.0, told }
    }
}

/// What another image, role or release keeps of its bits.
const IMAGE: f64 = 0.5;

fn finding(
    roster: &Roster<'_>,
    views: &[QueryView<'_>],
    members: &[&Deviation<'_>],
    story: &Story,
) -> Option<Finding> {
    let first = *members.first()?;
    let view = views.get(first.view)?;
    let hosts = names(roster, &first.hosts);
    let herd = roster.host(*first.hosts.first()?)?.herd.clone();
    let mut attack: Vec<Attack> = Vec::new();
    for deviation in members {
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
        score: story.score,
        reasons: reasons(first, view, story.told),
        prevalence: first.prevalence,
        why: explain::why(first, view, &hosts),
        attack,
        method: view.method,
        parts: members.iter().flat_map(parts).collect(),
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
            if matches!(several, Alike::There(..) | Alike::Everywhere(_) | Alike::InPart(_)) {
                hasher.update(&family(view, deviation.row));
            }
            if !matches!(several, Alike::Everywhere(_) | Alike::InPart(_)) {
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

/// What each doubling of the hosts that share a finding takes from what it says about each of them.
const SHARED: f64 = 0.35;
/// And the most that they take: a third of the herd must not sink out of sight.
const MOST_SHARED: f64 = 1.0;
/// And what it takes that none of its rows shows a sign of danger.
const PLAIN: f64 = 1.0;
/// The higher, the less do weak findings add up to a strong one.
const POWER: i32 = 8;

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
            // One strong finding says more than many weak ones: high powers are summed. What a host shares with others says less about it
            // than what it has alone, and what shows no sign of danger is an accident more often than not.
            let rows = || story.members.iter().filter_map(|&n| seen.deviations.get(n));
            let is_alarming = rows().any(|deviation| deviation.alarm >= ALARMING);
            let shared = (SHARED * (first.hosts.len() as f64).log2()).min(MOST_SHARED);
            let plain = if is_alarming { 0.0 } else { PLAIN };
            suspect.score += (story.score - shared - plain).max(0.0).powi(POWER);
            suspect.findings += 1;
        }
    }
    let mut suspects: Vec<_> = suspects.into_values().collect();
    let bits = |sum: f64| (sum.powf(1.0 / f64::from(POWER)) * 10.0).round() / 10.0;
    suspects.iter_mut().for_each(|suspect| suspect.score = bits(suspect.score));
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score));
    suspects
}

//! A deviation: one thing that some hosts have otherwise than they should, before it is scored and put in words.

use crate::finding::{Kind, Prevalence};
use crate::identity::{Compared, Counts, HostIdentities, Identities, IdentityId};
use crate::roster::{Asked, Roster};
use crate::surprise::{Fingerprint, SameThing, Surprise};
use herdiff_model::knowledge::{Knowledge, Sign};
use herdiff_model::pack::Query;
use herdiff_model::row::Row;
use std::collections::BTreeMap;

/// A host's place in the roster that is looked at.
pub(crate) type HostIndex = usize;

/// One thing on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) host: HostIndex,
    pub(crate) change: Change,
}

/// What happened, apart from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Added(IdentityId),
    Missing(IdentityId),
    Changed { from: IdentityId, to: IdentityId },
}

impl Change {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Added(_) => Kind::Added,
            Self::Missing(_) => Kind::Missing,
            Self::Changed { .. } => Kind::Changed,
        }
    }

    /// The identity that the finding shows: what is there, or what should be.
    pub(crate) fn shown(self) -> IdentityId {
        match self {
            Self::Added(id) | Self::Missing(id) | Self::Changed { to: id, .. } => id,
        }
    }
}

/// One query as it is compared: what was asked, who answered what, and what is known of its rows.
pub(crate) struct QueryView<'a> {
    pub(crate) query: &'a Query,
    pub(crate) knowledge: Knowledge,
    pub(crate) compared: Compared,
    pub(crate) identities: Identities,
    pub(crate) asked: Asked<'a>,
}

/// One thing on all the hosts that have it.
pub(crate) struct Deviation<'a> {
    /// The place of its query among the views.
    pub(crate) view: usize,
    pub(crate) change: Change,
    /// The rows that are one thing, but for what is different everywhere: that of `change` first. Usually one.
    pub(crate) members: Vec<IdentityId>,
    /// Stands for all of them, where there are several.
    pub(crate) family: Option<Fingerprint>,
    /// Ascending.
    pub(crate) hosts: Vec<HostIndex>,
    /// What the first of the hosts has; what the others have, where it is missing.
    pub(crate) row: Row<'a>,
    /// The rows of the other members.
    pub(crate) others: Vec<Row<'a>>,
    /// What the others have, where it is changed.
    pub(crate) before: Option<Row<'a>>,
    pub(crate) prevalence: Prevalence,
    /// Bit n: the row shows the n-th sign that is known for its query.
    pub(crate) signs: u64,
    /// In bits: what the herd itself does not explain.
    pub(crate) surprise: f64,
    pub(crate) score: f64,
}

impl Deviation<'_> {
    /// The signs that the row shows.
    pub(crate) fn shown_signs<'k>(&self, knowledge: &'k Knowledge) -> impl Iterator<Item = &'k Sign> {
        let shown = self.signs;
        knowledge
            .signs
            .iter()
            .take(64)
            .enumerate()
            .filter(move |(n, _)| shown >> n & 1 == 1)
            .map(|(_, sign)| sign)
    }
}

/// Which signs a row shows. What is missing is not dangerous for what it was.
fn signs(kind: Kind, row: Row<'_>, knowledge: &Knowledge) -> u64 {
    if kind == Kind::Missing {
        return 0;
    }
    let holds = |sign: &Sign| row.get(sign.column.as_str()).is_some_and(|cell| sign.test.holds(cell));
    let signs = knowledge.signs.iter().take(64).enumerate();
    signs.filter(|(_, sign)| holds(sign)).fold(0, |mask, (n, _)| mask | 1 << n)
}

/// Puts the events of all hosts together by what happened, with the rows that show it. `usual` finds the row that others
/// have instead: in the herd, or in the baseline.
pub(crate) fn gather<'a>(
    (view_index, view): (usize, &QueryView<'a>),
    hosts: &[HostIdentities],
    counts: &Counts,
    events: &[Event],
    surprise: &Surprise,
    usual: impl Fn(IdentityId) -> Option<Row<'a>>,
) -> Vec<Deviation<'a>> {
    let has =
        |host: HostIndex, id: IdentityId| hosts.get(host)?.row_of(id).and_then(|row| view.asked.row(row));
    let deviation = |thing: Thing| {
        let change = thing.change;
        let first = *thing.hosts.first()?;
        // Of several rows that are one thing, the one that the first host has is shown.
        let (row, before) = match change {
            Change::Added(_) => (thing.members.iter().find_map(|&id| has(first, id))?, None),
            Change::Missing(id) => (usual(id)?, None),
            Change::Changed { from, to } => (has(first, to)?, Some(usual(from)?)),
        };
        let shown = thing.members.iter().position(|&id| has(first, id).is_some());
        let others =
            thing.members.iter().enumerate().filter(|&(n, _)| Some(n) != shown && thing.members.len() > 1);
        let others =
            others.filter_map(|(_, &id)| thing.hosts.iter().find_map(|&host| has(host, id))).collect();
        let alone = counts.prevalence(change.shown());
        let told = f64::from(alone.present + alone.absent);
        let on = thing.hosts.len();
        let prevalence = if thing.members.len() > 1 { alone.with_present(on as u32) } else { alone };
        Some(Deviation {
            view: view_index,
            signs: signs(change.kind(), row, &view.knowledge),
            surprise: match change {
                Change::Missing(_) => (told.max(1.0) / on.max(1) as f64).log2().max(0.0),
                Change::Added(id) | Change::Changed { to: id, .. } => {
                    surprise.of(id, told, f64::from(prevalence.present))
                }
            },
            prevalence,
            score: 0.0,
            change,
            family: thing.family.filter(|_| thing.members.len() > 1).map(|family| family.form),
            members: thing.members,
            hosts: thing.hosts,
            row,
            others,
            before,
        })
    };
    things(events, surprise).into_iter().filter_map(deviation).collect()
}

/// What happened, with all hosts to which it happened.
struct Thing {
    change: Change,
    members: Vec<IdentityId>,
    family: Option<SameThing>,
    hosts: Vec<HostIndex>,
}

/// Puts the events of all hosts together by what happened; what is added and differs only in what is different
/// everywhere happened once.
fn things(events: &[Event], surprise: &Surprise) -> Vec<Thing> {
    let mut of_change: BTreeMap<Change, Vec<HostIndex>> = BTreeMap::new();
    for event in events {
        of_change.entry(event.change).or_default().push(event.host);
    }
    let mut things: Vec<Thing> = Vec::new();
    let mut place_of_family: BTreeMap<SameThing, usize> = BTreeMap::new();
    for (change, hosts) in of_change {
        let family = match change {
            Change::Added(id) => surprise.same_thing(id),
            Change::Missing(_) | Change::Changed { .. } => None,
        };
        let place =
            family.map_or(things.len(), |family| *place_of_family.entry(family).or_insert(things.len()));
        match things.get_mut(place) {
            Some(thing) => {
                thing.members.push(change.shown());
                thing.hosts.extend(hosts);
            }
            None => things.push(Thing { change, members: vec![change.shown()], family, hosts }),
        }
    }
    for thing in &mut things {
        thing.hosts.sort_unstable();
        thing.hosts.dedup();
    }
    things
}

/// Names of hosts, as the roster has them.
pub(crate) fn names(roster: &Roster<'_>, hosts: &[HostIndex]) -> Vec<herdiff_model::name::HostName> {
    hosts.iter().filter_map(|&host| roster.host(host)).map(|snapshot| snapshot.host.clone()).collect()
}

//! Puts the changes of all hosts together: what happened on many hosts, or many times on one, is one deviation.

use crate::deviation::{
    Change, Changes, Deviation, HostIndex, QueryView, signs_of_missing, signs_that_speak,
};
use crate::finding::{Kind, Prevalence};
use crate::identity::{Counts, HostIdentities, IdentityId};
use crate::lookalike;
use crate::reason::Worth;
use crate::split::is_part;
use crate::usual::{FamilyId, Look, Usual, bits};
use bstr::BStr;
use herdiff_model::row::Row;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What was found out about single changes.
#[derive(Default)]
pub(crate) struct Weighed {
    pub(crate) looks: HashMap<IdentityId, Look>,
    /// For what is missing: the surprise, and how many hosts have it.
    pub(crate) missing: HashMap<IdentityId, (f64, u32)>,
}

/// One query over all hosts of a roster.
pub(crate) struct Gathering<'v, 'a> {
    /// The place of the query among the views.
    pub(crate) place: usize,
    pub(crate) view: &'v QueryView<'a>,
    pub(crate) hosts: &'v [HostIdentities],
    pub(crate) counts: &'v Counts,
    pub(crate) usual: &'v Usual<'a>,
    pub(crate) weighed: &'v Weighed,
}

/// What makes several changes in the rows of one query one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Alike {
    /// They differ only in what is different everywhere, whichever hosts have them.
    Everywhere(FamilyId),
    /// The same, and only a part of the herd has any of the kind.
    InPart(FamilyId),
    /// They are of one family, and on the same hosts: a thousand of them on one host must not bury what others have.
    There(FamilyId, Vec<HostIndex>),
    /// Several hosts, and just these, have them all: one cause.
    Together(Vec<HostIndex>),
    /// The same hosts lack them all: who empties an answer must not bury it, either.
    Gone(Vec<HostIndex>),
    /// The same hosts have them all otherwise, as after an upgrade.
    Otherwise(Vec<HostIndex>),
}

/// That so many hosts have the same rows by chance is not to be expected.
const TOGETHER: usize = 3;

/// So many different rows that only one host has are read together.
const MANY: usize = 6;

/// What happened, with all hosts to which it happened.
struct Event {
    members: Vec<Change>,
    /// For each member, the first host that has it.
    first: Vec<HostIndex>,
    alike: Alike,
    /// Ascending.
    hosts: Vec<HostIndex>,
}

/// One change of an event, weighed.
struct Candidate<'a> {
    change: Change,
    row: Row<'a>,
    before: Option<Row<'a>>,
    signs: u64,
    prevalence: Prevalence,
    surprise: f64,
    /// Surprise and danger together.
    alarm: f64,
}

impl<'a> Gathering<'_, 'a> {
    /// The deviations behind the changes. `usual` finds the row that others have instead: in the herd, or in the baseline.
    pub(crate) fn deviations(
        &self,
        changes: Changes,
        usual: impl Fn(IdentityId) -> Option<Row<'a>>,
    ) -> Vec<Deviation<'a>> {
        self.events(changes).into_iter().filter_map(|event| self.deviation(event, &usual)).collect()
    }

    fn events(&self, changes: Changes) -> Vec<Event> {
        // Who has many odd rows of many kinds in one query has one finding there.
        let mut kinds: HashMap<&[HostIndex], usize> = HashMap::new();
        for (change, hosts) in &changes {
            if matches!(change, Change::Added(_)) {
                *kinds.entry(hosts).or_default() += 1;
            }
        }
        let many: HashSet<Vec<HostIndex>> =
            kinds.into_iter().filter(|&(_, rows)| rows >= MANY).map(|(hosts, _)| hosts.to_vec()).collect();
        let mut events: Vec<Event> = Vec::new();
        let mut place_of: HashMap<Alike, usize> = HashMap::new();
        for (change, hosts) in changes {
            let Some(&first) = hosts.first() else { continue };
            let alike = self.alike(change, &hosts, &many);
            let next = events.len();
            let place = *place_of.entry(alike.clone()).or_insert(next);
            match events.get_mut(place) {
                Some(event) => {
                    event.members.push(change);
                    event.first.push(first);
                    if matches!(event.alike, Alike::Everywhere(_) | Alike::InPart(_)) {
                        event.hosts.extend(hosts);
                    }
                }
                None => events.push(Event { members: vec![change], first: vec![first], alike, hosts }),
            }
        }
        for event in &mut events {
            event.hosts.sort_unstable();
            event.hosts.dedup();
        }
        events
    }

    fn alike(&self, change: Change, hosts: &[HostIndex], many: &HashSet<Vec<HostIndex>>) -> Alike {
        match change {
            Change::Missing(_) => Alike::Gone(hosts.to_vec()),
            Change::Changed { .. } => Alike::Otherwise(hosts.to_vec()),
            Change::Added(id) => {
                let family = self.weighed.looks.get(&id).and_then(|look| look.family);
                match family {
                    Some(family) if self.is_of_part(family) => Alike::InPart(family),
                    Some(family) => Alike::Everywhere(family),
                    None if hosts.len() >= TOGETHER || many.contains(hosts) => {
                        Alike::Together(hosts.to_vec())
                    }
                    None => Alike::There(self.usual.family(id), hosts.to_vec()),
                }
            }
        }
    }

    fn is_of_part(&self, family: FamilyId) -> bool {
        is_part(self.usual.hosts_with_family(family) as usize, self.hosts.len())
    }

    fn deviation(
        &self,
        event: Event,
        usual: impl Fn(IdentityId) -> Option<Row<'a>>,
    ) -> Option<Deviation<'a>> {
        let first = *event.hosts.first()?;
        let rows = |change: Change, host: HostIndex| match change {
            Change::Added(id) => Some((self.row(host, id)?, None)),
            Change::Missing(id) => Some((usual(id)?, None)),
            Change::Changed { from, to } => Some((self.row(host, to)?, Some(usual(from)?))),
        };
        // Of what the first host has, the most alarming stands for all; of equals the first.
        let there = event.members.iter().filter_map(|&change| {
            let (row, before) = rows(change, first)?;
            let signs = self.signs(change, row, before);
            let (prevalence, surprise) = self.weigh(change, &event);
            let alarm = surprise + self.danger(signs);
            Some(Candidate { change, row, before, signs, prevalence, surprise, alarm })
        });
        let lead = there.reduce(|best, other| if other.alarm > best.alarm { other } else { best })?;
        let others = event.members.iter().zip(&event.first).filter(|&(&other, _)| other != lead.change);
        let others = others.filter_map(|(&other, &host)| rows(other, host)).collect();
        let almost = (lead.change.kind() == Kind::Added).then(|| self.almost(lead.change.shown())).flatten();
        let almost = almost.map(BStr::to_owned);
        Some(Deviation {
            view: self.place,
            change: lead.change,
            baseline: None,
            several: (event.members.len() > 1).then_some(event.alike),
            hosts: event.hosts,
            row: lead.row,
            before: lead.before,
            others,
            prevalence: lead.prevalence,
            signs: lead.signs,
            surprise: lead.surprise,
            almost,
            all: event.members,
            is_explained: false,
            alarm: 0.0,
            danger: 0.0,
            score: 0.0,
            worth: Worth::default(),
        })
    }

    /// How common a change is, and how surprising.
    fn weigh(&self, change: Change, event: &Event) -> (Prevalence, f64) {
        let alone = self.counts.prevalence(change.shown());
        let several = event.members.len() > 1;
        match change {
            Change::Missing(id) => match self.weighed.missing.get(&id) {
                Some(&(surprise, present)) => (alone.with_present(present), surprise),
                None => (alone, bits(alone.present + alone.absent, event.hosts.len() as u32)),
            },
            Change::Added(id) | Change::Changed { to: id, .. } => {
                let told = alone.present + alone.absent;
                let known = self.weighed.looks.get(&id).copied();
                let look = known.unwrap_or_else(|| self.usual.look(id, told));
                let prevalence = match event.alike {
                    Alike::Everywhere(_) | Alike::InPart(_) if several => {
                        alone.with_present(event.hosts.len() as u32)
                    }
                    _ => alone,
                };
                (prevalence, look.surprise)
            }
        }
    }

    /// The name of something that everybody knows or at least half of the hosts have, where this is almost it.
    fn almost(&self, id: IdentityId) -> Option<&BStr> {
        let columns = self.view.compared.columns();
        let names =
            columns.iter().enumerate().filter(|(_, column)| self.view.compared.key().contains(column));
        let row = self.usual.columns.row(id)?;
        let well_known = &self.view.knowledge.well_known;
        names.into_iter().find_map(|(at, column)| {
            let own = lookalike::name(row.get(column.as_str())?);
            if well_known.iter().any(|name| name.as_bytes() == own) {
                return None;
            }
            let here = self.usual.common_values(at).iter().copied();
            let mut known = here.chain(well_known.iter().map(|name| name.as_str().into()));
            known.find(|value| lookalike::are_alike(own, lookalike::name(value)))
        })
    }

    fn row(&self, host: HostIndex, id: IdentityId) -> Option<Row<'a>> {
        self.hosts.get(host)?.row_of(id).and_then(|row| self.view.asked.row(row))
    }

    /// Which signs a row shows. What is missing is dangerous for other reasons than what is there.
    fn signs(&self, change: Change, row: Row<'_>, before: Option<Row<'_>>) -> u64 {
        let knowledge = &self.view.knowledge;
        match change.kind() {
            Kind::Missing => signs_of_missing(row, knowledge),
            _ => {
                let shown = self.usual.signs.get(change.shown().0 as usize).copied().unwrap_or_default();
                shown & signs_that_speak(row, before, knowledge)
            }
        }
    }

    fn danger(&self, signs: u64) -> f64 {
        let shown =
            self.view.knowledge.signs.iter().take(64).enumerate().filter(|(n, _)| signs >> n & 1 == 1);
        shown.map(|(_, sign)| sign.bits).sum()
    }
}

/// Changes with the hosts on which they are.
pub(crate) fn of_events(events: Vec<crate::deviation::Event>) -> Changes {
    let mut changes: Changes = BTreeMap::new();
    for event in events {
        changes.entry(event.change).or_default().push(event.host);
    }
    changes
}

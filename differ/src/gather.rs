//! Puts the events of all hosts together: what happened on many hosts, or many times on one, is one deviation.

use crate::deviation::{Change, Deviation, Event, HostIndex, QueryView, signs};
use crate::finding::{Kind, Prevalence};
use crate::identity::{Counts, HostIdentities, IdentityId};
use crate::surprise::{Fingerprint, Surprise};

use herdiff_model::row::Row;
use std::collections::BTreeMap;

/// One query over all hosts of a roster.
pub(crate) struct Gathering<'v, 'a> {
    /// The place of the query among the views.
    pub(crate) place: usize,
    pub(crate) view: &'v QueryView<'a>,
    pub(crate) hosts: &'v [HostIdentities],
    pub(crate) counts: &'v Counts,
    pub(crate) surprise: &'v Surprise,
}

/// What makes several changes in the rows of one query one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alike {
    /// They differ only in what is different everywhere, whichever hosts have them.
    Everywhere(Fingerprint),
    /// They are of one family, and on the same hosts: a thousand of them on one host must not bury what others have.
    There(Fingerprint, Vec<HostIndex>),
    /// The same hosts lack them all: who empties an answer must not bury it, either.
    Gone(Vec<HostIndex>),
    /// The same hosts have them all otherwise, as after an upgrade.
    Otherwise(Vec<HostIndex>),
}

/// What happened, with all hosts to which it happened.
struct Thing {
    members: Vec<Change>,
    alike: Option<Alike>,
    /// Ascending.
    hosts: Vec<HostIndex>,
}

/// One change of a thing, weighed.
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
    /// The deviations behind the events. `usual` finds the row that others have instead: in the herd, or in the baseline.
    pub(crate) fn deviations(
        &self,
        events: &[Event],
        usual: impl Fn(IdentityId) -> Option<Row<'a>>,
    ) -> Vec<Deviation<'a>> {
        self.things(events).into_iter().filter_map(|thing| self.deviation(thing, &usual)).collect()
    }

    fn things(&self, events: &[Event]) -> Vec<Thing> {
        let mut hosts_of: BTreeMap<Change, Vec<HostIndex>> = BTreeMap::new();
        for event in events {
            hosts_of.entry(event.change).or_default().push(event.host);
        }
        let mut things: Vec<Thing> = Vec::new();
        let mut place_of: BTreeMap<Alike, usize> = BTreeMap::new();
        for (change, mut hosts) in hosts_of {
            hosts.sort_unstable();
            let alike = self.alike(change, &hosts);
            let next = things.len();
            let place = alike.clone().map_or(next, |alike| *place_of.entry(alike).or_insert(next));
            match things.get_mut(place) {
                Some(thing) => {
                    thing.members.push(change);
                    thing.hosts.extend(hosts);
                }
                None => things.push(Thing { members: vec![change], alike, hosts }),
            }
        }
        for thing in &mut things {
            thing.hosts.sort_unstable();
            thing.hosts.dedup();
        }
        things
    }

    fn alike(&self, change: Change, hosts: &[HostIndex]) -> Option<Alike> {
        match change {
            Change::Missing(_) => Some(Alike::Gone(hosts.to_vec())),
            Change::Changed { .. } => Some(Alike::Otherwise(hosts.to_vec())),
            Change::Added(id) => self.surprise.family(id).map(|family| {
                if family.explains {
                    Alike::Everywhere(family.form)
                } else {
                    Alike::There(family.form, hosts.to_vec())
                }
            }),
        }
    }

    fn deviation(
        &self,
        thing: Thing,
        usual: impl Fn(IdentityId) -> Option<Row<'a>>,
    ) -> Option<Deviation<'a>> {
        let first = *thing.hosts.first()?;
        let rows = |change: Change, host: HostIndex| match change {
            Change::Added(id) => Some((self.row(host, id)?, None)),
            Change::Missing(id) => Some((usual(id)?, None)),
            Change::Changed { from, to } => Some((self.row(host, to)?, Some(usual(from)?))),
        };
        // Of what the first host has, the most alarming stands for all; of equals the first.
        let there = thing.members.iter().filter_map(|&change| {
            let (row, before) = rows(change, first)?;
            let signs = self.signs(change.kind(), row);
            let (prevalence, surprise) = self.weigh(change, &thing);
            let alarm = surprise + self.danger(signs);
            Some(Candidate { change, row, before, signs, prevalence, surprise, alarm })
        });
        let lead = there.reduce(|best, other| if other.alarm > best.alarm { other } else { best })?;
        let others = thing.members.iter().filter(|&&other| other != lead.change);
        let others =
            others.filter_map(|&other| thing.hosts.iter().find_map(|&host| rows(other, host))).collect();
        Some(Deviation {
            view: self.place,
            change: lead.change,
            members: thing.members.iter().map(|change| change.shown()).collect(),
            alike: thing.alike.filter(|_| thing.members.len() > 1),
            hosts: thing.hosts,
            row: lead.row,
            before: lead.before,
            others,
            prevalence: lead.prevalence,
            signs: lead.signs,
            surprise: lead.surprise,
            score: 0.0,
        })
    }

    /// How common a change of a thing is, and how surprising.
    fn weigh(&self, change: Change, thing: &Thing) -> (Prevalence, f64) {
        let on = thing.hosts.len();
        let alone = self.counts.prevalence(change.shown());
        let prevalence = match thing.alike {
            Some(Alike::Everywhere(_)) if thing.members.len() > 1 => alone.with_present(on as u32),
            _ => alone,
        };
        let told = f64::from(alone.present + alone.absent);
        let surprise = match change {
            Change::Missing(_) => (told.max(1.0) / on.max(1) as f64).log2().max(0.0),
            Change::Added(id) | Change::Changed { to: id, .. } => {
                self.surprise.of(id, told, f64::from(prevalence.present))
            }
        };
        (prevalence, surprise)
    }

    fn row(&self, host: HostIndex, id: IdentityId) -> Option<Row<'a>> {
        self.hosts.get(host)?.row_of(id).and_then(|row| self.view.asked.row(row))
    }

    /// Which signs a row shows. What is missing is not dangerous for what it was.
    fn signs(&self, kind: Kind, row: Row<'_>) -> u64 {
        if kind == Kind::Missing {
            return 0;
        }
        signs(row, &self.view.knowledge)
    }

    fn danger(&self, signs: u64) -> f64 {
        let shown =
            self.view.knowledge.signs.iter().take(64).enumerate().filter(|(n, _)| signs >> n & 1 == 1);
        shown.map(|(_, sign)| sign.bits).sum()
    }
}

//! Every host against its herd: what few have, what nearly all have and a few lack, and what a few have otherwise.

use crate::baseline::joined;
use crate::deviation::{Change, Changes, Deviation, HostIndex, QueryView, other_columns};
use crate::finding::Method;
use crate::gather::{Gathering, Weighed};
use crate::identity::{Compared, Counts, HostIdentities, Identities, IdentityId, Told};
use crate::roster::Roster;
use crate::side_by_side::side_by_side;
use crate::split::is_part;
use crate::usual::{FamilyId, ThingId, Usual, bits};
use crate::voices::Tail;
use herdiff_model::knowledge::Tables;
use std::collections::{BTreeMap, BTreeSet};

/// Of the hosts that could tell, at most this share has a thing that is odd. More, and the herd is of two minds.
const ODD_SHARE: f64 = 0.45;
/// At least this share has a thing that is usual, so that it can be missing.
const USUAL_SHARE: f64 = 0.75;
/// What is less surprising than this, in bits, is what most hosts have in some form, and is not looked at further.
const FLOOR: f64 = 0.7;

/// Looks at all queries of one herd.
pub(crate) fn deviations<'a>(
    roster: &Roster<'a>,
    tables: &Tables,
) -> (Vec<QueryView<'a>>, Vec<Deviation<'a>>) {
    let queries: Vec<_> = roster.bundle.pack.queries().iter().collect();
    let compared = side_by_side(&queries, |place, query| {
        let asked = roster.ask(query.name.as_str())?;
        let mut knowledge = tables.of_rows(query, asked.usual_shape());
        let compared = Compared::of(&[&asked], &knowledge);
        let (identities, sides) = Identities::of(&[&asked], &compared);
        let hosts = sides.into_iter().next()?;
        let usual = Usual::learn(&[(&asked, &hosts)], identities.len(), &compared, &knowledge);
        usual.weigh_signs(&[&hosts], &mut knowledge);
        let shared = usual.shared_values().collect();
        let view = QueryView {
            query,
            method: Method::Herd,
            other_columns: other_columns(&hosts),
            clean: None,
            knowledge,
            compared,
            identities,
            asked,
            shared,
        };
        let deviations = of_query(place, &view, &hosts, &usual);
        Some((view, deviations))
    });
    joined(compared)
}

fn of_query<'a>(
    place: usize,
    view: &QueryView<'a>,
    hosts: &[HostIdentities],
    usual: &Usual<'a>,
) -> Vec<Deviation<'a>> {
    let counts = Counts::of(hosts, view.identities.len());
    let mut weighed = Weighed::default();
    let mut changes = odd(view, hosts, usual, &counts, &mut weighed);
    changes.extend(missing(hosts, usual, &counts, &mut weighed));
    let gathering = Gathering { place, view, hosts, counts: &counts, usual, weighed: &weighed };
    gathering.deviations(changes, |id| usual.columns.row(id))
}

/// What few hosts have.
fn odd(
    view: &QueryView<'_>,
    hosts: &[HostIdentities],
    usual: &Usual<'_>,
    counts: &Counts,
    weighed: &mut Weighed,
) -> Changes {
    let mut change_of: Vec<Option<Change>> = vec![None; view.identities.len()];
    for (id, place) in (0..).map(IdentityId).zip(&mut change_of) {
        let prevalence = counts.prevalence(id);
        let told = prevalence.present + prevalence.absent;
        // With fewer than three hosts that could tell there is no majority to differ from.
        let is_odd = f64::from(prevalence.present) <= f64::from(told) * ODD_SHARE || prevalence.present == 1;
        if told < 3 || !is_odd {
            continue;
        }
        let look = usual.look(id, told);
        let on = look.family.map_or(prevalence.present, |family| usual.hosts_with_family(family));
        let is_of_part = is_part(on as usize, told as usize);
        if look.surprise < FLOOR && !is_of_part {
            continue;
        }
        let change = look.instead.map_or(Change::Added(id), |from| Change::Changed { from, to: id });
        weighed.looks.insert(id, look);
        *place = Some(change);
    }
    let mut changes = Changes::new();
    for (host, has) in hosts.iter().enumerate() {
        for change in has.rows.iter().filter_map(|(id, _)| change_of.get(id.0 as usize).copied().flatten()) {
            changes.entry(change).or_default().push(host);
        }
    }
    changes
}

/// What nearly all hosts have: a thing, or where the thing is another one everywhere, one of its family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entity {
    Thing(ThingId),
    Family(FamilyId),
}

/// What a few hosts lack.
fn missing(hosts: &[HostIdentities], usual: &Usual<'_>, counts: &Counts, weighed: &mut Weighed) -> Changes {
    let whole: Vec<(HostIndex, &HostIdentities)> =
        hosts.iter().enumerate().filter(|(_, host)| host.told == Told::Whole).collect();
    let told = whole.len() as f64;
    if told < 3.0 {
        return Changes::new();
    }
    let is_usual = |on: u32| f64::from(on) >= told * USUAL_SHARE || f64::from(on) >= told - 1.0;
    // Each entity is shown as the commonest of its rows.
    let mut shown: BTreeMap<Entity, IdentityId> = BTreeMap::new();
    let mut families_with_things = BTreeSet::new();
    let present = |id: IdentityId| counts.prevalence(id).present;
    for id in (0..counts.len() as u32).map(IdentityId) {
        let (thing, family) = (usual.thing(id), usual.family(id));
        let entity = if is_usual(usual.hosts_with(thing)) {
            families_with_things.insert(family);
            Entity::Thing(thing)
        } else if is_usual(usual.hosts_with_family(family)) {
            Entity::Family(family)
        } else {
            continue;
        };
        let best = shown.entry(entity).or_insert(id);
        if present(id) > present(*best) {
            *best = id;
        }
    }
    shown.retain(
        |entity, _| !matches!(entity, Entity::Family(family) if families_with_things.contains(family)),
    );
    let entities: Vec<Entity> = shown.keys().copied().collect();
    let mut lacking: Vec<(HostIndex, Vec<Entity>)> = Vec::new();
    let mut lack: BTreeMap<Entity, u32> = BTreeMap::new();
    for (host, has) in whole {
        let mut of_host: Vec<Entity> = has
            .rows
            .iter()
            .flat_map(|&(id, _)| [Entity::Thing(usual.thing(id)), Entity::Family(usual.family(id))])
            .collect();
        of_host.sort_unstable();
        let lacks: Vec<Entity> =
            entities.iter().filter(|entity| of_host.binary_search(entity).is_err()).copied().collect();
        lacks.iter().for_each(|entity| *lack.entry(*entity).or_default() += 1);
        if !lacks.is_empty() {
            lacking.push((host, lacks));
        }
    }
    let rarest =
        lacking.iter().filter_map(|(_, lacks)| lacks.iter().filter_map(|entity| lack.get(entity)).min());
    let tail = Tail::of(rarest.copied(), hosts.len());
    let mut changes = Changes::new();
    for (host, lacks) in lacking {
        for entity in lacks {
            let (Some(&id), Some(&on)) = (shown.get(&entity), lack.get(&entity)) else { continue };
            let surprise = bits(told as u32, tail.hosts(on));
            if surprise >= FLOOR {
                weighed.missing.insert(id, (surprise, told as u32 - on));
                changes.entry(Change::Missing(id)).or_default().push(host);
            }
        }
    }
    changes
}

/// Those of the ascending `usual` that the host is known not to have.
pub(crate) fn lacking(has: &HostIdentities, usual: &[IdentityId]) -> Vec<IdentityId> {
    if has.told != Told::Whole {
        return Vec::new();
    }
    let mut rows = has.rows.iter().map(|&(id, _)| id).peekable();
    let lacks = |id: &&IdentityId| {
        while rows.next_if(|row| row < *id).is_some() {}
        rows.peek() != Some(*id)
    };
    usual.iter().filter(lacks).copied().collect()
}

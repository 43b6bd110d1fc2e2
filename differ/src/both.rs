//! Hosts against baselines, and against their herd and baselines together: what is rare and new, what is rare and known to be
//! good, and what is new everywhere.

use crate::baseline;
use crate::deviation::{Baseline, Change, Deviation, HostIndex, QueryView};
use crate::finding::Kind;
use crate::identity::{IdentityHash, IdentityId};
use crate::nearest;
use crate::roster::Roster;
use herdiff_model::knowledge::Tables;
use herdiff_model::name::QueryName;
use std::collections::HashMap;

type Compared<'a> = (Vec<QueryView<'a>>, Vec<Deviation<'a>>);

/// Hosts that are held against one baseline.
struct Group {
    hosts: Vec<HostIndex>,
    /// The views of their queries, by name.
    views: HashMap<QueryName, usize>,
}

/// The hosts of a herd, held against the baselines that have clean hosts for it.
pub(crate) struct Held<'a> {
    pub(crate) views: Vec<QueryView<'a>>,
    pub(crate) deviations: Vec<Deviation<'a>>,
    groups: Vec<Group>,
    /// How many hosts are held against each of the baselines.
    pub(crate) hosts_of: Vec<usize>,
}

/// Compares each host with the baseline that it is most like.
pub(crate) fn held<'a>(
    references: &[(usize, Roster<'a>)],
    baselines: usize,
    roster: &Roster<'a>,
    tables: &Tables,
) -> Held<'a> {
    let mut held =
        Held { views: Vec::new(), deviations: Vec::new(), groups: Vec::new(), hosts_of: vec![0; baselines] };
    let groups = nearest::groups(references, roster, tables);
    for ((place, reference), hosts) in references.iter().zip(groups).filter(|(_, hosts)| !hosts.is_empty()) {
        let members = hosts.iter().filter_map(|&host| roster.host(host)).collect();
        let part = roster.part(members);
        let (views, deviations) = baseline::deviations(reference, &part, tables);
        let first = held.views.len();
        held.deviations.extend(deviations.into_iter().map(|mut deviation| {
            deviation.view += first;
            deviation.hosts = deviation.hosts.iter().filter_map(|&host| hosts.get(host)).copied().collect();
            deviation
        }));
        held.hosts_of.get_mut(*place).into_iter().for_each(|count| *count += hosts.len());
        let names = views.iter().zip(first..).map(|(view, n)| (view.query.name.clone(), n)).collect();
        held.groups.push(Group { hosts, views: names });
        held.views.extend(views);
    }
    held
}

/// What is odd in the herd, with what the baseline says of it; and what is new but not odd, as many hosts have it.
pub(crate) fn together<'a>(herd: Compared<'a>, held: Held<'a>) -> Compared<'a> {
    let (mut views, mut deviations) = herd;
    for deviation in &mut deviations {
        deviation.baseline = views.get(deviation.view).and_then(|view| verdict(deviation, view, &held));
    }
    let mut hosts_with: HashMap<Thing<'_>, Vec<&[HostIndex]>> = HashMap::new();
    for deviation in &deviations {
        let Some(view) = views.get(deviation.view) else { continue };
        for &change in &deviation.all {
            hosts_with.entry(thing(view, change)).or_default().push(&deviation.hosts);
        }
    }
    let is_known = |deviation: &Deviation<'_>| {
        let Some(view) = held.views.get(deviation.view) else { return false };
        let all_in =
            |hosts: &&&[HostIndex]| deviation.hosts.iter().all(|host| hosts.binary_search(host).is_ok());
        deviation.all.iter().all(|&change| {
            hosts_with.get(&thing(view, change)).is_some_and(|known| known.iter().any(|hosts| all_in(&hosts)))
        })
    };
    let keep: Vec<bool> = held.deviations.iter().map(|deviation| !is_known(deviation)).collect();
    drop(hosts_with);
    let first = views.len();
    let new = held.deviations.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(mut deviation, _)| {
        deviation.view += first;
        deviation
    });
    deviations.extend(new);
    views.extend(held.views);
    (views, deviations)
}

/// One change, whichever comparison found it.
type Thing<'v> = (&'v QueryName, Kind, IdentityHash);

fn thing<'v>(view: &'v QueryView<'_>, change: Change) -> Thing<'v> {
    (&view.query.name, change.kind(), view.identities.hash(change.shown()))
}

/// What the baselines of its hosts say, where all say the same.
fn verdict(deviation: &Deviation<'_>, view: &QueryView<'_>, held: &Held<'_>) -> Option<Baseline> {
    let mut verdicts = held.groups.iter().filter(|group| concerns(group, deviation)).flat_map(|group| {
        let clean = group.views.get(&view.query.name).and_then(|&n| held.views.get(n));
        deviation.all.iter().map(move |&change| clean.and_then(|clean| of_change(change, view, clean)))
    });
    let first = verdicts.next()??;
    verdicts.all(|verdict| verdict == Some(first)).then_some(first)
}

fn concerns(group: &Group, deviation: &Deviation<'_>) -> bool {
    deviation.hosts.iter().any(|host| group.hosts.binary_search(host).is_ok())
}

fn of_change(change: Change, view: &QueryView<'_>, clean: &QueryView<'_>) -> Option<Baseline> {
    // Rows of which other columns are compared have other hashes.
    if view.compared.columns() != clean.compared.columns() {
        return None;
    }
    let known = clean.clean.as_ref()?;
    let has = |id: IdentityId| match clean.identities.find(&view.identities.hash(id)) {
        Some(id) => known.has(id),
        None => known.tells.then_some(false),
    };
    let is_as_there = match change {
        Change::Added(id) | Change::Changed { to: id, .. } => has(id)?,
        Change::Missing(id) => !has(id)?,
    };
    Some(if is_as_there { Baseline::Has } else { Baseline::HasNot })
}

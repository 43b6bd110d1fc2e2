//! Turns what a host has too much and what it lacks into changes where both are about one thing.

use crate::deviation::{Change, Event, HostIndex};
use crate::identity::{Compared, HostIdentities, Identities, IdentityHash, IdentityId};
use std::collections::{BTreeMap, BTreeSet};

/// The events of one host. `lacking` are rows that it should have and has not; where it has another row about the same
/// thing that nobody finds odd, it does not lack it.
pub(crate) fn events(
    host: HostIndex,
    added: &[IdentityId],
    lacking: &[IdentityId],
    has: &HostIdentities,
    compared: &Compared,
    identities: &Identities,
) -> Vec<Event> {
    let event = |change| Event { host, change };
    if !compared.can_change() {
        let added = added.iter().map(|&id| event(Change::Added(id)));
        return added.chain(lacking.iter().map(|&id| event(Change::Missing(id)))).collect();
    }
    let mut lacking_by_key: BTreeMap<IdentityHash, Vec<IdentityId>> = BTreeMap::new();
    for &id in lacking.iter().rev() {
        lacking_by_key.entry(identities.key(id)).or_default().push(id);
    }
    let mut events = Vec::new();
    for &to in added {
        let from = lacking_by_key.get_mut(&identities.key(to)).and_then(Vec::pop);
        events.push(event(from.map_or(Change::Added(to), |from| Change::Changed { from, to })));
    }
    let odd: BTreeSet<IdentityId> = added.iter().copied().collect();
    let usual = has.rows.iter().map(|&(id, _)| id).filter(|id| !odd.contains(id));
    let variants: BTreeSet<IdentityHash> = if lacking_by_key.is_empty() {
        BTreeSet::new()
    } else {
        usual.map(|id| identities.key(id)).collect()
    };
    for (key, ids) in lacking_by_key {
        if !variants.contains(&key) {
            events.extend(ids.into_iter().rev().map(|id| event(Change::Missing(id))));
        }
    }
    events
}

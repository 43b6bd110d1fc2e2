//! Turns what a host has too much and what it lacks into changes where both are about one thing.

use crate::deviation::{Change, Event, HostIndex};
use crate::identity::{Compared, Identities, IdentityHash, IdentityId};
use std::collections::BTreeMap;

/// The events of one host, whose `added` rows are odd and which has none of the `lacking` ones that it should have.
pub(crate) fn events(
    host: HostIndex,
    added: &[IdentityId],
    lacking: &[IdentityId],
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
    let left = lacking_by_key.into_values().flat_map(|ids| ids.into_iter().rev());
    events.extend(left.map(|id| event(Change::Missing(id))));
    events
}

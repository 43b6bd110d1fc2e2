//! Which of several baselines a host is held against: one that has its herd, and of several the one that it is most like.

use crate::deviation::HostIndex;
use crate::identity::{Compared, Identities};
use crate::roster::Roster;
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use herdiff_model::name::HerdName;

/// For each baseline that has clean hosts for a herd: its place, and these hosts. Those that have hosts of that herd, or where none
/// has, all.
pub(crate) fn references<'a>(baselines: &[&'a Bundle], herd: &HerdName) -> Vec<(usize, Roster<'a>)> {
    let of_herd = baselines.iter().enumerate().filter_map(|(n, baseline)| {
        let (_, roster) = Roster::herds(baseline).into_iter().find(|(name, _)| name == herd)?;
        Some((n, roster))
    });
    let of_herd: Vec<_> = of_herd.collect();
    if of_herd.is_empty() {
        return baselines.iter().enumerate().map(|(n, baseline)| (n, Roster::everyone(baseline))).collect();
    }
    of_herd
}

/// For each reference, the hosts of the roster that are held against it, ascending.
pub(crate) fn groups(
    references: &[(usize, Roster<'_>)],
    roster: &Roster<'_>,
    tables: &Tables,
) -> Vec<Vec<HostIndex>> {
    let mut groups = vec![Vec::new(); references.len()];
    if let [all] = &mut *groups {
        all.extend(0..roster.hosts.len());
        return groups;
    }
    let likeness: Vec<Vec<f64>> =
        references.iter().map(|(_, reference)| likeness(reference, roster, tables)).collect();
    for host in 0..roster.hosts.len() {
        let of = |n: usize| likeness.get(n).and_then(|hosts| hosts.get(host)).copied().unwrap_or_default();
        // Of equals the first that was given.
        let nearest = (0..references.len()).reduce(|best, n| if of(n) > of(best) { n } else { best });
        nearest.and_then(|n| groups.get_mut(n)).into_iter().for_each(|group| group.push(host));
    }
    groups
}

/// How much of each host's rows the clean hosts have, query by query: a query with a thousand rows says no more than one with ten.
fn likeness(reference: &Roster<'_>, roster: &Roster<'_>, tables: &Tables) -> Vec<f64> {
    let mut likeness = vec![0.0; roster.hosts.len()];
    for query in roster.bundle.pack.queries() {
        let name = query.name.as_str();
        let (Some(clean), Some(asked)) = (reference.ask(name), roster.ask(name)) else { continue };
        let trusted = reference.bundle.pack.queries().iter().find(|known| known.name == query.name);
        let knowledge = tables.of_rows(trusted.unwrap_or(query), clean.usual_shape());
        let compared = Compared::of(&[&clean, &asked], &knowledge);
        let (identities, sides) = Identities::of(&[&clean, &asked], &compared);
        let [known, hosts] = &*sides else { continue };
        let mut is_known = vec![false; identities.len()];
        for &(id, _) in known.iter().flat_map(|host| &host.rows) {
            is_known.get_mut(id.0 as usize).into_iter().for_each(|known| *known = true);
        }
        let size = is_known.iter().filter(|known| **known).count();
        for (host, likeness) in hosts.iter().zip(&mut likeness) {
            let both = host.rows.iter().filter(|(id, _)| is_known.get(id.0 as usize) == Some(&true)).count();
            let either = size + host.rows.len() - both;
            if either > 0 {
                *likeness += both as f64 / either as f64;
            }
        }
    }
    likeness
}

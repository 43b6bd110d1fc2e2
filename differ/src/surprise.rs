//! How surprising a row is, in bits, when everything is counted that the herd itself explains.
//!
//! A row that only one host of 500 has looks like nine bits of surprise. But where every host has such a row with another
//! number in it, there is nothing to be surprised about. So a row is looked at as a member of its family, the rows with
//! its [template](crate::template): how few hosts have the family at all, and how far any of its values is from what is
//! usual there. In a column where every host has its own value, no value is far from that; in one where 499 hosts
//! have the same, the 500th is nine bits away.

use crate::identity::{Compared, HostIdentities, Identities, IdentityId};
use crate::roster::Asked;
use crate::template;
use herdiff_model::row::Row;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// A family smaller than this teaches nothing about what is usual in it.
const SMALLEST_FAMILY: u64 = 4;

/// A hash of a template, or of a value: with 64 bits, two of some millions are hardly ever equal, and if they were, one row's
/// score would be a little off.
pub(crate) type Fingerprint = u64;

#[derive(Default)]
struct Family {
    form: Fingerprint,
    /// Occurrences: of each row as often as there are hosts that have it.
    size: u64,
    /// Hosts that have a member.
    hosts: u64,
    last_host: Option<usize>,
    /// For each column, how often each value occurs.
    values: Vec<HashMap<Fingerprint, u64>>,
    /// For each column, how many bits a value of it has on average.
    entropy: Vec<f64>,
}

/// A value as near as this to what is usual is usual.
const NEAR: f64 = 1.0;

/// Stands for rows that are one thing on several hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SameThing {
    /// The same between runs.
    pub(crate) form: Fingerprint,
}

/// What one query's rows teach about each other.
pub(crate) struct Surprise {
    families: Vec<Family>,
    /// The family of each identity, and its values in the order of the compared columns.
    members: Vec<Option<Member>>,
    hosts: f64,
}

struct Member {
    form: Fingerprint,
    family: usize,
    values: Vec<Fingerprint>,
}

impl Surprise {
    /// Learns from the rows of all hosts, of one or two sides.
    pub(crate) fn learn(
        sides: &[(&Asked<'_>, &[HostIdentities])],
        identities: &Identities,
        compared: &Compared,
    ) -> Self {
        let mut surprise = Self { families: Vec::new(), members: Vec::new(), hosts: 0.0 };
        surprise.members.resize_with(identities.len(), || None);
        let mut families: HashMap<Fingerprint, usize> = HashMap::new();
        let mut scratch = Vec::new();
        let mut host_number = 0;
        for (asked, hosts) in sides {
            for host in *hosts {
                host_number += 1;
                for &(identity, row) in &host.rows {
                    surprise.take_in(
                        identity,
                        asked.row(row),
                        host_number,
                        compared,
                        &mut families,
                        &mut scratch,
                    );
                }
            }
        }
        surprise.hosts = host_number as f64;
        surprise.families.iter_mut().for_each(Family::settle);
        surprise
    }

    fn take_in(
        &mut self,
        identity: IdentityId,
        row: Option<Row<'_>>,
        host: usize,
        compared: &Compared,
        families: &mut HashMap<Fingerprint, usize>,
        scratch: &mut Vec<u8>,
    ) {
        let (Some(place), Some(row)) = (self.members.get_mut(identity.0 as usize), row) else { return };
        let member = place.get_or_insert_with(|| {
            let (form, values) = read(row, compared, scratch);
            let next = families.len();
            Member { form, family: *families.entry(form).or_insert(next), values }
        });
        if member.family == self.families.len() {
            let values = vec![HashMap::new(); member.values.len()];
            self.families.push(Family { form: member.form, values, ..Family::default() });
        }
        let Some(family) = self.families.get_mut(member.family) else { return };
        family.size += 1;
        if family.last_host != Some(host) {
            family.last_host = Some(host);
            family.hosts += 1;
        }
        for (values, value) in family.values.iter_mut().zip(&member.values) {
            *values.entry(*value).or_default() += 1;
        }
    }

    /// The surprise at a row, if the hosts in `told` could have had it. Not above that of a row that is looked at alone.
    pub(crate) fn of(&self, identity: IdentityId, told: f64, present: f64) -> f64 {
        let alone = (told / present.max(1.0)).log2().max(0.0);
        let Some(Some(member)) = self.members.get(identity.0 as usize) else { return alone };
        let Some(family) = self.families.get(member.family).filter(|family| family.size >= SMALLEST_FAMILY)
        else {
            return alone;
        };
        let rarity = (self.hosts / family.hosts.max(1) as f64).log2().max(0.0);
        (rarity + family.distance(member)).min(alone)
    }

    /// The family that stands for a row, where the row differs from the rest of it only in what is different
    /// everywhere: then they are one thing on several hosts.
    pub(crate) fn same_thing(&self, identity: IdentityId) -> Option<SameThing> {
        let member = self.members.get(identity.0 as usize)?.as_ref()?;
        let family = self.families.get(member.family)?;
        (family.size >= SMALLEST_FAMILY && family.distance(member) < NEAR)
            .then_some(SameThing { form: family.form })
    }
}

impl Family {
    /// How many bits the farthest of a member's values is from what is usual in the family.
    fn distance(&self, member: &Member) -> f64 {
        let size = self.size as f64;
        let distances =
            self.values.iter().zip(&self.entropy).zip(&member.values).map(|((values, entropy), value)| {
                let times = values.get(value).copied().unwrap_or(1).max(1) as f64;
                (size / times).log2() - entropy
            });
        distances.fold(0.0, f64::max)
    }

    fn settle(&mut self) {
        let size = self.size as f64;
        let entropy = |values: &HashMap<Fingerprint, u64>| {
            // In a fixed order: sums of floating-point numbers depend on it, and results must not.
            let mut times: Vec<u64> = values.values().copied().collect();
            times.sort_unstable();
            times.into_iter().map(|times| times as f64 / size).map(|share| -share * share.log2()).sum()
        };
        self.entropy = self.values.iter().map(entropy).collect();
    }
}

/// The fingerprints of a row's template, and of each of its compared values.
fn read(row: Row<'_>, compared: &Compared, scratch: &mut Vec<u8>) -> (Fingerprint, Vec<Fingerprint>) {
    scratch.clear();
    let mut values = Vec::with_capacity(compared.columns().len());
    for column in compared.columns() {
        let cell = row.get(column.as_str()).unwrap_or_default();
        values.push(fingerprint(cell));
        template::push(scratch, cell);
        // Cannot stand in a template otherwise: ends a cell.
        scratch.push(0);
    }
    (fingerprint(scratch), values)
}

/// The standard library's hasher with its fixed keys: the same in every run.
fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

//! How surprising a row is, in bits, when everything is counted that the herd itself explains.
//!
//! A row that only one host of 500 has looks like nine bits of surprise. But where every host has such a row with another
//! number in it, there is nothing to be surprised about. So a row is looked at as a member of its family, the rows with
//! its [template](crate::template): how few hosts have the family at all, and how far any of its values is from what is
//! usual there. In a column where every host has its own value, no value is far from that; in one where 499 hosts
//! have the same, the 500th is nine bits away.

use crate::deviation::signs;
use crate::identity::{Compared, HostIdentities, Identities, IdentityId};
use crate::roster::Asked;
use crate::template;
use herdiff_model::knowledge::Knowledge;
use herdiff_model::row::Row;
use std::collections::HashMap;

/// A family smaller than this teaches nothing about what is usual in it.
const SMALLEST_FAMILY: u64 = 4;

/// A hash of a template, or of a value: with 64 bits, two of some millions are hardly ever equal, and if they were, one row's
/// score would be a little off.
pub(crate) type Fingerprint = u64;

#[derive(Default)]
struct Family {
    form: Fingerprint,
    /// Different rows.
    rows: u64,
    /// Hosts that have a member.
    hosts: u64,
    /// For each column, how many hosts have each value. A host with several members is shared among them: who owns one
    /// host can have a thousand values there, and still has one voice in what is usual.
    values: Vec<HashMap<Fingerprint, f64>>,
    /// For each column, how many bits a value of it has on average.
    entropy: Vec<f64>,
}

/// A value as near as this to what is usual is usual.
const NEAR: f64 = 1.0;

/// What is known of a row by its family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilyOf {
    /// Stands for the family, also between runs.
    pub(crate) form: Fingerprint,
    /// Whether the row differs from the rest of it only in what is different everywhere.
    pub(crate) explains: bool,
}

/// What one query's rows teach about each other.
pub(crate) struct Surprise {
    families: Vec<Family>,
    /// The family of each identity, and its values in the order of the compared columns.
    members: Vec<Option<Member>>,
    hosts: f64,
}

struct Member {
    family: usize,
    values: Vec<Fingerprint>,
}

impl Surprise {
    /// Learns from the rows of all hosts, of one or two sides.
    pub(crate) fn learn(
        sides: &[(&Asked<'_>, &[HostIdentities])],
        identities: &Identities,
        compared: &Compared,
        knowledge: &Knowledge,
    ) -> Self {
        let mut surprise = Self { families: Vec::new(), members: Vec::new(), hosts: 0.0 };
        surprise.members.resize_with(identities.len(), || None);
        let mut of_form: HashMap<Fingerprint, usize> = HashMap::new();
        let mut scratch = Vec::new();
        for (asked, hosts) in sides {
            for host in *hosts {
                for &(identity, row) in &host.rows {
                    if let Some(row) = asked.row(row) {
                        surprise.enrol(identity, row, (compared, knowledge), &mut of_form, &mut scratch);
                    }
                }
                surprise.count(host);
                surprise.hosts += 1.0;
            }
        }
        surprise.families.iter_mut().for_each(Family::settle);
        surprise
    }

    /// Finds the family of a row that was not seen before.
    fn enrol(
        &mut self,
        identity: IdentityId,
        row: Row<'_>,
        known: (&Compared, &Knowledge),
        of_form: &mut HashMap<Fingerprint, usize>,
        scratch: &mut Vec<u8>,
    ) {
        let Some(place @ None) = self.members.get_mut(identity.0 as usize) else { return };
        let (form, values) = read(row, known, scratch);
        let family = *of_form.entry(form).or_insert(self.families.len());
        if family == self.families.len() {
            self.families.push(Family {
                form,
                values: vec![HashMap::new(); values.len()],
                ..Family::default()
            });
        }
        if let Some(family) = self.families.get_mut(family) {
            family.rows += 1;
        }
        *place = Some(Member { family, values });
    }

    /// Gives a host its one voice in each of its families.
    fn count(&mut self, host: &HostIdentities) {
        let members =
            || host.rows.iter().filter_map(|(identity, _)| self.members.get(identity.0 as usize)?.as_ref());
        let mut sizes: HashMap<usize, f64> = HashMap::new();
        members().for_each(|member| *sizes.entry(member.family).or_default() += 1.0);
        for member in members() {
            let (Some(family), Some(size)) =
                (self.families.get_mut(member.family), sizes.get(&member.family))
            else {
                continue;
            };
            for (values, value) in family.values.iter_mut().zip(&member.values) {
                *values.entry(*value).or_default() += 1.0 / size;
            }
        }
        for family in sizes.into_keys() {
            self.families.get_mut(family).into_iter().for_each(|family| family.hosts += 1);
        }
    }

    /// The surprise at a row, if the hosts in `told` could have had it. Not above that of a row that is looked at alone.
    pub(crate) fn of(&self, identity: IdentityId, told: f64, present: f64) -> f64 {
        let alone = (told / present.max(1.0)).log2().max(0.0);
        let Some(Some(member)) = self.members.get(identity.0 as usize) else { return alone };
        let Some(family) = self
            .families
            .get(member.family)
            .filter(|family| family.rows >= SMALLEST_FAMILY || family.hosts >= SMALLEST_FAMILY)
        else {
            return alone;
        };
        let rarity = (self.hosts / family.hosts.max(1) as f64).log2().max(0.0);
        (rarity + family.distance(member)).min(alone)
    }

    /// The family of a row.
    pub(crate) fn family(&self, identity: IdentityId) -> Option<FamilyOf> {
        let member = self.members.get(identity.0 as usize)?.as_ref()?;
        let family = self.families.get(member.family)?;
        let explains = family.rows >= SMALLEST_FAMILY && family.distance(member) < NEAR;
        Some(FamilyOf { form: family.form, explains })
    }
}

impl Family {
    /// How many bits the farthest of a member's values is from what is usual in the family.
    fn distance(&self, member: &Member) -> f64 {
        let hosts = self.hosts as f64;
        let distances =
            self.values.iter().zip(&self.entropy).zip(&member.values).map(|((values, entropy), value)| {
                let with_it = values.get(value).copied().unwrap_or(hosts);
                (hosts / with_it).log2() - entropy
            });
        distances.fold(0.0, f64::max)
    }

    fn settle(&mut self) {
        let hosts = self.hosts as f64;
        let entropy = |values: &HashMap<Fingerprint, f64>| {
            // In a fixed order: sums of floating-point numbers depend on it, and results must not.
            let mut counts: Vec<f64> = values.values().copied().collect();
            counts.sort_unstable_by(f64::total_cmp);
            counts.into_iter().map(|count| count / hosts).map(|share| -share * share.log2()).sum()
        };
        self.entropy = self.values.iter().map(entropy).collect();
    }
}

/// The fingerprints of a row's template, and of each of its compared values. What makes a row dangerous is part of its
/// template: the user with uid 0 is no member of the family of users with another number.
fn read(
    row: Row<'_>,
    (compared, knowledge): (&Compared, &Knowledge),
    scratch: &mut Vec<u8>,
) -> (Fingerprint, Vec<Fingerprint>) {
    scratch.clear();
    scratch.extend(signs(row, knowledge).to_le_bytes());
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

/// Cut from BLAKE3: with a weaker hash, who owns a host could make his row look like one of a family that all hosts have.
fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(bytes).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

//! What is usual among the rows of a query, and so how surprising each of them is, in bits.
//!
//! A row that one host of 500 has looks like nine bits of surprise. But where every host has such a row with another number in it,
//! there is nothing to be surprised about. So it is asked, for everything about a row that could be odd, on how many hosts
//! something is as rare as that: a value of a column, its template, an attribute of a thing that all have, the thing itself. Where
//! every host has a command line that no other has, one more says nothing; where one host in the herd has a kernel module that
//! no other has, that is all the bits there are. This is a p-value over hosts, so that bits mean the same for each kind of rows.

use crate::attribute::Attribute;
use crate::class::Classes;
use crate::columns::{Column, Columns, Numbers};
use crate::deviation::signs;
use crate::identity::{Compared, HostIdentities, IdentityId, Told};
use crate::names::HerdNames;
use crate::roster::Asked;
use crate::voices::{GroupTails, Rarest, Tail, Voices, numbered};
use bstr::BStr;
use herdiff_model::knowledge::Knowledge;
use std::collections::{BTreeMap, HashMap};

/// A thing that rows are about: all rows with its key. Without a key, each row is a thing of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ThingId(u32);

/// Things that are alike but for numbers and random names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FamilyId(pub(crate) u32);

/// How an identity differs from what is usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// In bits.
    pub(crate) surprise: f64,
    /// What most of the hosts with the same thing have instead.
    pub(crate) instead: Option<IdentityId>,
    /// The family, where more hosts have it than have this row, and the row is no odder than it.
    pub(crate) family: Option<FamilyId>,
}

/// What one query's rows teach.
pub(crate) struct Usual<'a> {
    pub(crate) columns: Columns<'a>,
    /// Which signs each identity shows.
    pub(crate) signs: Vec<u64>,
    /// The signs that speak of danger in a row by itself.
    alarming: u64,
    /// On how many hosts some row shows each sign.
    of_signs: [u32; 64],
    thing_of: Vec<ThingId>,
    family_of: Vec<FamilyId>,
    of_things: Voices,
    of_families: Voices,
    present: Vec<u32>,
    /// For each thing with several identities: the commonest, and how many hosts have it.
    common: BTreeMap<ThingId, (IdentityId, u32)>,
    attributes: HashMap<(ThingId, u32), Attribute>,
    /// The same of the forms of values, where values are many.
    attributes_of_forms: HashMap<(ThingId, u32), Attribute>,
    /// For each column, the values that at least half of the hosts have.
    common_values: Vec<Vec<&'a BStr>>,
    values: Vec<Voices>,
    templates: Vec<Voices>,
    template_tails: Vec<Tail>,
    /// For each column, the values within each family.
    within: Vec<Within>,
    classes: Option<Classes>,
    is_key: Vec<bool>,
    hosts: u32,
}

/// The values of one column within each family that has several rows.
struct Within {
    /// For each identity, the number of its value in its family; `u32::MAX` where the family has one row.
    value_of: Vec<u32>,
    voices: Voices,
    tails: GroupTails,
    /// For each family, how many bits a value has there on average.
    entropy: Vec<f64>,
}

impl<'a> Usual<'a> {
    /// Learns from the rows of all hosts, of one or two sides.
    pub(crate) fn learn(
        sides: &[(&Asked<'a>, &[HostIdentities])],
        identities: usize,
        compared: &Compared,
        knowledge: &Knowledge,
    ) -> Self {
        let mut columns = Columns::read(sides, identities, compared);
        let all: Vec<&[HostIdentities]> = sides.iter().map(|(_, hosts)| *hosts).collect();
        let names: Vec<&HerdNames> = sides.iter().map(|(asked, _)| &*asked.names).collect();
        columns.learn(&all, &names);
        let signs: Vec<u64> =
            columns.rows.iter().map(|row| row.map_or(0, |row| signs(row, knowledge))).collect();
        let is_key: Vec<bool> = compared
            .columns()
            .iter()
            .map(|column| !compared.can_change() || compared.key().contains(column))
            .collect();
        let mut usual = Self {
            signs,
            alarming: alarming(knowledge),
            of_signs: [0; 64],
            thing_of: Vec::with_capacity(identities),
            family_of: Vec::with_capacity(identities),
            of_things: Voices::new(0),
            of_families: Voices::new(0),
            present: vec![0; identities],
            common: BTreeMap::new(),
            attributes: HashMap::new(),
            attributes_of_forms: HashMap::new(),
            common_values: Vec::new(),
            values: columns.columns.iter().map(|column| Voices::new(column.values.len())).collect(),
            templates: columns.columns.iter().map(|column| Voices::new(column.templates_len)).collect(),
            template_tails: Vec::new(),
            within: Vec::new(),
            classes: None,
            is_key,
            hosts: numbered(&all).filter(|(_, host)| host.told != Told::Nothing).count() as u32,
            columns,
        };
        usual.number(identities);
        usual.count(&all);
        usual.find_common();
        usual.tails(&all);
        let first_key = compared
            .key()
            .first()
            .and_then(|first| compared.columns().iter().position(|column| column == first));
        usual.classes = Some(Classes::learn(
            &all,
            &usual.columns,
            &usual.is_key,
            first_key,
            &usual.family_of,
            &usual.of_families,
        ));
        if compared.can_change() {
            usual.changes(&all);
        }
        usual
    }

    /// Finds the thing and the family of each identity.
    fn number(&mut self, identities: usize) {
        let (mut things, mut families) = (Numbers::default(), Numbers::default());
        let (mut thing, mut family) = (Vec::new(), Vec::new());
        for id in (0..identities as u32).map(IdentityId) {
            thing.clear();
            family.clear();
            // What makes a row dangerous is part of its family: the user with uid 0 is none of the users with another number.
            let signs = self.signs.get(id.0 as usize).copied().unwrap_or_default();
            family.extend([signs as u32, (signs >> 32) as u32]);
            for ((&value, column), _) in self
                .columns
                .cells(id)
                .iter()
                .zip(&self.columns.columns)
                .zip(&self.is_key)
                .filter(|(_, is_key)| **is_key)
            {
                thing.push(value);
                family.push(column.template(value));
            }
            self.thing_of.push(ThingId(things.number(&thing)));
            self.family_of.push(FamilyId(families.number(&family)));
        }
        self.of_things = Voices::new(things.len());
        self.of_families = Voices::new(families.len());
    }

    fn count(&mut self, all: &[&[HostIdentities]]) {
        for (host, has) in numbered(all) {
            let mut shown = 0;
            for &(id, _) in &has.rows {
                shown |= self.signs.get(id.0 as usize).copied().unwrap_or_default();
                self.present.get_mut(id.0 as usize).into_iter().for_each(|hosts| *hosts += 1);
                self.of_things.count(self.thing(id).0, host);
                self.of_families.count(self.family(id).0, host);
                let cells = self.columns.cells(id).iter().zip(&self.columns.columns);
                for (((&value, column), values), templates) in
                    cells.zip(&mut self.values).zip(&mut self.templates)
                {
                    values.count(value, host);
                    templates.count(column.template(value), host);
                }
            }
            bits_of(shown).for_each(|n| self.of_signs.get_mut(n).into_iter().for_each(|hosts| *hosts += 1));
        }
        self.values.iter_mut().chain(&mut self.templates).for_each(Voices::settle);
        self.of_things.settle();
        self.of_families.settle();
    }

    fn tails(&mut self, all: &[&[HostIdentities]]) {
        let width = self.columns.columns.len();
        let mut rarest_template: Vec<Vec<u32>> = vec![Vec::new(); width];
        let mut rarest = vec![u32::MAX; width];
        let mut hosts = 0;
        for (_, has) in numbered(all) {
            rarest.fill(u32::MAX);
            for &(id, _) in &has.rows {
                let cells = self.columns.cells(id).iter().zip(&self.columns.columns);
                let counts = self.templates.iter().zip(&mut rarest);
                for ((&value, column), (templates, rarest)) in cells.zip(counts) {
                    *rarest = templates.hosts(column.template(value)).min(*rarest);
                }
            }
            hosts += 1;
            rarest_template.iter_mut().zip(&rarest).for_each(|(all, rarest)| all.push(*rarest));
        }
        let tail =
            |rarest: &[u32]| Tail::of(rarest.iter().copied().filter(|&count| count != u32::MAX), hosts);
        self.template_tails = rarest_template.iter().map(|rarest| tail(rarest)).collect();
        self.within = (0..width).map(|column| self.within(all, column)).collect();
    }

    fn within(&self, all: &[&[HostIdentities]], column: usize) -> Within {
        let mut rows_of = vec![0u32; self.of_families.len()];
        for family in &self.family_of {
            rows_of.get_mut(family.0 as usize).into_iter().for_each(|rows| *rows += 1);
        }
        let is_various = |family: FamilyId| rows_of.get(family.0 as usize).is_some_and(|&rows| rows > 1);
        let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
        let mut value_of = Vec::with_capacity(self.family_of.len());
        for (id, &family) in (0..).map(IdentityId).zip(&self.family_of) {
            let value = self.columns.cells(id).get(column).copied().filter(|_| is_various(family));
            let next = numbers.len() as u32;
            value_of.push(value.map_or(u32::MAX, |value| *numbers.entry((family.0, value)).or_insert(next)));
        }
        let number =
            |id: IdentityId| value_of.get(id.0 as usize).copied().filter(|&number| number != u32::MAX);
        let mut voices = Voices::new(numbers.len());
        for (host, has) in numbered(all) {
            has.rows.iter().filter_map(|&(id, _)| number(id)).for_each(|value| voices.count(value, host));
        }
        voices.settle();
        let mut seen = Rarest::new(self.of_families.len());
        let mut rarest = Vec::new();
        // In what is usual, a host with several rows of a family shares its voice among them.
        let mut shares = vec![0.0f64; numbers.len()];
        let mut rows: HashMap<FamilyId, f64> = HashMap::new();
        for (host, has) in numbered(all) {
            rows.clear();
            let known = || has.rows.iter().filter_map(|&(id, _)| Some((self.family(id), number(id)?)));
            for (family, value) in known() {
                seen.see(family.0, voices.hosts(value), host);
                *rows.entry(family).or_default() += 1.0;
            }
            for (family, value) in known() {
                let rows = rows.get(&family).copied().unwrap_or(1.0);
                shares.get_mut(value as usize).into_iter().for_each(|share| *share += 1.0 / rows);
            }
            rarest.extend(seen.drain());
        }
        let share = |number: u32| shares.get(number as usize).copied().unwrap_or_default();
        let mut totals = vec![0.0f64; self.of_families.len()];
        let mut entropy = vec![0.0f64; self.of_families.len()];
        let mut of_family: Vec<(u32, u32)> =
            numbers.iter().map(|(&(family, _), &number)| (family, number)).collect();
        // In a fixed order: sums of floating-point numbers depend on it, and results must not.
        of_family.sort_unstable();
        for &(family, number) in &of_family {
            let voices = share(number);
            totals.get_mut(family as usize).into_iter().for_each(|total| *total += voices);
        }
        for &(family, number) in &of_family {
            let share = share(number) / totals.get(family as usize).copied().unwrap_or(1.0).max(1e-9);
            entropy
                .get_mut(family as usize)
                .into_iter()
                .for_each(|bits| *bits -= share * share.max(1e-12).log2());
        }
        Within { value_of, voices, tails: GroupTails::of(rarest), entropy }
    }

    /// For things with several identities, which values they have otherwise.
    fn changes(&mut self, all: &[&[HostIdentities]]) {
        // Of a thing of which a host has several rows, these are not its changes.
        let mut rows_of_thing = vec![0u32; self.of_things_len()];
        for &(id, _) in all.iter().flat_map(|hosts| hosts.iter()).flat_map(|host| &host.rows) {
            rows_of_thing.get_mut(self.thing(id).0 as usize).into_iter().for_each(|rows| *rows += 1);
        }
        let is_one = |thing: ThingId| {
            let rows = rows_of_thing.get(thing.0 as usize).copied().unwrap_or_default();
            f64::from(rows) <= f64::from(self.hosts_with(thing)) * ROWS_OF_ONE
        };
        let mut identities_of = vec![0u32; self.of_things_len()];
        for thing in &self.thing_of {
            identities_of.get_mut(thing.0 as usize).into_iter().for_each(|count| *count += 1);
        }
        let mut common: BTreeMap<ThingId, (IdentityId, u32)> = BTreeMap::new();
        for (n, thing) in self.thing_of.iter().enumerate() {
            if is_one(*thing) && identities_of.get(thing.0 as usize).is_some_and(|&count| count > 1) {
                let present = self.present.get(n).copied().unwrap_or_default();
                let best = common.entry(*thing).or_insert((IdentityId(n as u32), present));
                if present > best.1 {
                    *best = (IdentityId(n as u32), present);
                }
            }
        }
        let mut attributes: HashMap<(ThingId, u32), BTreeMap<u32, f64>> = HashMap::new();
        let mut rows_of: HashMap<ThingId, f64> = HashMap::new();
        for (_, has) in numbered(all) {
            rows_of.clear();
            let changing = || {
                has.rows
                    .iter()
                    .map(|&(id, _)| (id, self.thing(id)))
                    .filter(|(_, thing)| common.contains_key(thing))
            };
            changing().for_each(|(_, thing)| *rows_of.entry(thing).or_default() += 1.0);
            for (id, thing) in changing() {
                // A host with several rows about one thing shares its voice among them.
                let voice = 1.0 / rows_of.get(&thing).copied().unwrap_or(1.0);
                for ((column, &value), _) in
                    (0..).zip(self.columns.cells(id)).zip(&self.is_key).filter(|(_, is_key)| !**is_key)
                {
                    *attributes.entry((thing, column)).or_default().entry(value).or_default() += voice;
                }
            }
        }
        self.attributes_of_forms = self.forms(all, &common, &attributes);
        self.common = common;
        self.attributes = attributes.into_iter().map(|(of, voices)| (of, Attribute::of(&voices))).collect();
    }

    /// Where most hosts have a value of their own, what forms these have: a log of no bytes is odd among those of many.
    fn forms(
        &self,
        all: &[&[HostIdentities]],
        common: &BTreeMap<ThingId, (IdentityId, u32)>,
        values: &HashMap<(ThingId, u32), BTreeMap<u32, f64>>,
    ) -> HashMap<(ThingId, u32), Attribute> {
        let is_own = |of: &(ThingId, u32)| values.get(of).is_some_and(|values| values.len() >= MANY_VALUES);
        let mut forms: HashMap<(ThingId, u32), BTreeMap<u32, f64>> = HashMap::new();
        for (_, has) in numbered(all) {
            let changing = has.rows.iter().map(|&(id, _)| (id, self.thing(id)));
            for (id, thing) in changing.filter(|(_, thing)| common.contains_key(thing)) {
                let cells = (0..).zip(self.columns.cells(id)).zip(&self.columns.columns);
                for ((at, &value), column) in cells.filter(|((at, _), _)| is_own(&(thing, *at))) {
                    *forms.entry((thing, at)).or_default().entry(column.template(value)).or_default() += 1.0;
                }
            }
        }
        forms.retain(|_, forms| forms.len() > 1);
        forms.into_iter().map(|(of, voices)| (of, Attribute::of(&voices))).collect()
    }

    fn of_things_len(&self) -> usize {
        self.thing_of.iter().map(|thing| thing.0 as usize + 1).max().unwrap_or_default()
    }

    pub(crate) fn thing(&self, id: IdentityId) -> ThingId {
        self.thing_of.get(id.0 as usize).copied().unwrap_or(ThingId(u32::MAX))
    }

    pub(crate) fn family(&self, id: IdentityId) -> FamilyId {
        self.family_of.get(id.0 as usize).copied().unwrap_or(FamilyId(u32::MAX))
    }

    /// On how many hosts a thing is.
    pub(crate) fn hosts_with(&self, thing: ThingId) -> u32 {
        self.of_things.hosts(thing.0)
    }

    /// On how many hosts a family is.
    pub(crate) fn hosts_with_family(&self, family: FamilyId) -> u32 {
        self.of_families.hosts(family.0)
    }

    /// Signs say the less, the more rows show them: in a list of `/tmp`, that a file is in `/tmp` says nothing. The host in the middle
    /// decides, so that a few can neither make a sign worthless nor save it.
    pub(crate) fn weigh_signs(&self, sides: &[&[HostIdentities]], knowledge: &mut Knowledge) {
        let mut shares: Vec<Vec<f64>> = vec![Vec::new(); knowledge.signs.len().min(64)];
        let mut showing = vec![0u32; shares.len()];
        for (_, has) in numbered(sides).filter(|(_, has)| has.told != Told::Nothing) {
            showing.fill(0);
            for &(id, _) in &has.rows {
                let shown = self.signs.get(id.0 as usize).copied().unwrap_or_default();
                bits_of(shown).for_each(|n| showing.get_mut(n).into_iter().for_each(|rows| *rows += 1));
            }
            for (shares, &rows) in shares.iter_mut().zip(&showing) {
                // One row, as root among those with its rights, is no rule yet.
                let is_rule = (f64::from(rows) / RULE).min(1.0);
                shares.push(f64::from(rows) / has.rows.len().max(1) as f64 * is_rule);
            }
        }
        // Those that speak of changes say nothing about rows that did not change.
        // And what is harmless does not become less so by being usual.
        let weighed = knowledge.signs.iter_mut().zip(shares);
        for (sign, mut shares) in weighed.filter(|(sign, _)| !sign.changed && sign.bits > 0.0) {
            shares.sort_by(f64::total_cmp);
            sign.bits *= 1.0 - shares.get(shares.len() / 2).copied().unwrap_or_default();
        }
    }

    /// How an identity looks, if `told` hosts could have had it.
    pub(crate) fn look(&self, id: IdentityId, told: u32) -> Look {
        let present = self.present.get(id.0 as usize).copied().unwrap_or_default();
        let alone = bits(told, present);
        let thing = self.thing(id);
        let with_thing = self.hosts_with(thing);
        if let Some(&(common, on)) = self.common.get(&thing)
            && common != id
            && on > present
        {
            let surprise = self.attribute_surprise(id, thing, with_thing);
            // Among few hosts with the thing, none of its values is odd; that they have it at all may be.
            let surprise = surprise.max(self.surprise_of_new(id).min(bits(self.hosts, with_thing)));
            let surprise = surprise.max(self.surprise_at_signs(id));
            return Look { surprise: surprise.min(alone), instead: Some(common), family: None };
        }
        let surprise = self.surprise_of_new(id).max(self.surprise_at_signs(id)).min(alone);
        let family = self.family(id);
        let is_wider =
            self.hosts_with_family(family) > present && surprise <= self.family_surprise(family) + NEAR;
        Look { surprise, instead: None, family: is_wider.then_some(family) }
    }

    /// Where few hosts have anything that shows a sign of danger, it is odd to show it, however unlike each other such rows are.
    fn surprise_at_signs(&self, id: IdentityId) -> f64 {
        let shown = self.signs.get(id.0 as usize).copied().unwrap_or_default() & self.alarming;
        let hosts = bits_of(shown).filter_map(|n| self.of_signs.get(n));
        hosts.map(|&hosts| bits(self.hosts, hosts)).fold(0.0, f64::max)
    }

    /// How far the oddest attribute is from those that others have.
    fn attribute_surprise(&self, id: IdentityId, thing: ThingId, with_thing: u32) -> f64 {
        let columns = (0..).zip(self.columns.cells(id)).zip(&self.is_key).filter(|(_, is_key)| !**is_key);
        let surprises = columns.filter_map(|((column, &value), _)| {
            let odd = |attribute: &Attribute, value: u32| {
                let rare = (f64::from(with_thing) / attribute.as_rare_as(value).max(1e-9)).log2();
                rare.min(attribute.beyond_usual(value))
            };
            let of_value = self.attributes.get(&(thing, column)).map(|attribute| odd(attribute, value))?;
            let of_form = self.attributes_of_forms.get(&(thing, column)).map_or(0.0, |attribute| {
                let form =
                    self.columns.columns.get(column as usize).map_or(0, |column| column.template(value));
                odd(attribute, form)
            });
            Some(of_value.max(of_form))
        });
        surprises.fold(0.0, f64::max)
    }

    /// How odd a thing is that is not one that others have otherwise: its family, or a value among those of its family, or the
    /// form of a value among those of its column.
    fn surprise_of_new(&self, id: IdentityId) -> f64 {
        let family = self.family(id);
        let with_family = self.hosts_with_family(family);
        let within = self.within.iter().filter_map(|within| {
            let value = within.value_of.get(id.0 as usize).copied().filter(|&value| value != u32::MAX)?;
            let with_value = within.voices.hosts(value);
            // Where all values are rare, that one of them is says little.
            let usual = within.entropy.get(family.0 as usize).copied().unwrap_or_default();
            let own = (bits(with_family, with_value) - usual).max(0.0);
            Some(bits(with_family, within.tails.hosts(family.0, with_value)).min(own))
        });
        let of_family = self.family_surprise(family) + within.fold(0.0, f64::max);
        let cells = self.columns.cells(id).iter().zip(&self.columns.columns);
        let learned = self.templates.iter().zip(&self.template_tails);
        let of_columns = cells.zip(learned).map(|((&value, column), (templates, tail))| {
            bits(self.hosts, tail.hosts(templates.hosts(column.template(value))))
        });
        of_columns.fold(of_family, f64::max)
    }

    fn family_surprise(&self, family: FamilyId) -> f64 {
        self.classes.as_ref().map_or(0.0, |classes| classes.surprise(family))
    }

    /// The values of a column that at least half of the hosts have.
    pub(crate) fn common_values(&self, column: usize) -> &[&'a BStr] {
        self.common_values.get(column).map_or(&[], Vec::as_slice)
    }

    fn find_common(&mut self) {
        let of_column = |(column, voices): (&Column<'a>, &Voices)| {
            let common = (0..).zip(&column.values).filter(|&(n, _)| voices.hosts(n) * 2 >= self.hosts);
            common.map(|(_, &value)| value).collect()
        };
        self.common_values = self.columns.columns.iter().zip(&self.values).map(of_column).collect();
    }

    /// The values that several hosts have, with how many.
    pub(crate) fn shared_values(&self) -> impl Iterator<Item = (&'a BStr, u32)> {
        self.columns.columns.iter().zip(&self.values).flat_map(|(column, voices)| {
            (0..)
                .zip(&column.values)
                .map(|(n, &value)| (value, voices.hosts(n)))
                .filter(|&(_, hosts)| hosts > 1)
        })
    }
}

/// The signs that make a row odd by itself: those of danger that need not be compared with anything.
fn alarming(knowledge: &Knowledge) -> u64 {
    let signs = knowledge.signs.iter().take(64).enumerate();
    let own = signs.filter(|(_, sign)| sign.bits >= ALARMING && !sign.changed && !sign.missing);
    own.fold(0, |mask, (n, _)| mask | 1 << n)
}

/// So many rows of one host that show a sign are the rule there.
const RULE: f64 = 5.0;

/// From so many bits on a sign speaks of danger.
const ALARMING: f64 = 2.0;

/// The places of the bits that are set.
fn bits_of(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |n| mask >> n & 1 == 1)
}

/// From so many values on, a thing has another one on each host.
const MANY_VALUES: usize = 5;

/// Rows about one thing that hosts have on average, where the key is one.
const ROWS_OF_ONE: f64 = 1.5;

/// A row that is at most this much odder than its family is one of it.
const NEAR: f64 = 1.0;

/// The surprise at something that `some` of `all` hosts have.
pub(crate) fn bits(all: u32, some: u32) -> f64 {
    (f64::from(all) / f64::from(some.max(1))).log2().max(0.0)
}

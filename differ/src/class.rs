//! Kinds of rows within a query, and how quiet each of them is: the files of one directory, the processes of one program.
//!
//! Where every host has a file of its own in `/tmp`, one more there says nothing; one more in `/etc/profile.d` says as much as ever. So it
//! is asked first how odd something is among its kind, and then how many hosts have anything as odd among its kind.

use crate::columns::{Column, Columns};
use crate::identity::{HostIdentities, IdentityId};
use crate::usual::{FamilyId, bits};
use crate::voices::{GroupTails, Rarest, Tail, Voices, numbered};
use bstr::ByteSlice;
use std::collections::HashMap;

/// How odd families are among their kind.
pub(crate) struct Classes {
    /// For each family, in bits: among its kind, and its kind among all.
    among_kind: Vec<f64>,
    /// For each host, the oddest that it has, ascending.
    oddest: Vec<f64>,
}

impl Classes {
    /// `of_families` counts the hosts of each family. The kind is that of the first of the key's columns: its template, or where it
    /// is the only one, the directory that its value is in.
    pub(crate) fn learn(
        all: &[&[HostIdentities]],
        columns: &Columns<'_>,
        is_key: &[bool],
        first_key: Option<usize>,
        family_of: &[FamilyId],
        of_families: &Voices,
    ) -> Self {
        let is_alone = is_key.iter().filter(|is_key| **is_key).count() == 1;
        let mut directories = Directories::default();
        let mut class_of = vec![0u32; of_families.len()];
        let mut classes = 1;
        if let Some((at, column)) = first_key.and_then(|at| Some((at, columns.columns.get(at)?))) {
            for (id, family) in (0..).map(IdentityId).zip(family_of) {
                let Some(&value) = columns.cells(id).get(at) else { continue };
                let class = if is_alone { directories.of(column, value) } else { column.template(value) };
                class_of.get_mut(family.0 as usize).into_iter().for_each(|of_family| *of_family = class);
                classes = classes.max(class as usize + 1);
            }
        }
        let class = |family: FamilyId| class_of.get(family.0 as usize).copied().unwrap_or_default();
        let family = |id: IdentityId| family_of.get(id.0 as usize).copied();
        let mut of_classes = Voices::new(classes);
        for (host, has) in numbered(all) {
            let families = has.rows.iter().filter_map(|&(id, _)| family(id));
            families.for_each(|family| of_classes.count(class(family), host));
        }
        of_classes.settle();
        let mut seen = Rarest::new(classes);
        let (mut rarest, mut rarest_class) = (Vec::new(), Vec::new());
        for (host, has) in numbered(all) {
            let mut of_host = u32::MAX;
            for family in has.rows.iter().filter_map(|&(id, _)| family(id)) {
                seen.see(class(family), of_families.hosts(family.0), host);
                of_host = of_host.min(of_classes.hosts(class(family)));
            }
            rarest.extend(seen.drain());
            rarest_class.push(of_host);
        }
        let within = GroupTails::of(rarest);
        let hosts = rarest_class.len();
        let among = Tail::of(rarest_class.into_iter().filter(|&count| count != u32::MAX), hosts);
        let among_kind = (0..of_families.len() as u32).map(|n| {
            let (class, count) = (class(FamilyId(n)), of_families.hosts(n));
            let with_class = of_classes.hosts(class);
            bits(hosts as u32, among.hosts(with_class)) + bits(with_class, within.hosts(class, count))
        });
        let among_kind: Vec<f64> = among_kind.collect();
        let of_family = |family: FamilyId| among_kind.get(family.0 as usize).copied().unwrap_or_default();
        let mut oddest: Vec<f64> = numbered(all)
            .filter(|(_, has)| !has.rows.is_empty())
            .map(|(_, has)| {
                has.rows.iter().filter_map(|&(id, _)| family(id)).map(of_family).fold(0.0, f64::max)
            })
            .collect();
        oddest.sort_by(f64::total_cmp);
        Self { among_kind, oddest }
    }

    /// How surprising a family is, in bits: how few hosts have anything as odd among its kind.
    pub(crate) fn surprise(&self, family: FamilyId) -> f64 {
        let own = self.among_kind.get(family.0 as usize).copied().unwrap_or_default();
        let less_odd = self.oddest.partition_point(|&bits| bits < own - 1e-9);
        bits(self.oddest.len() as u32, (self.oddest.len() - less_odd) as u32).min(own)
    }
}

/// Numbers for the directories that values are in, numbers and random names left out.
#[derive(Default)]
struct Directories {
    of_template: HashMap<u32, u32>,
    numbers: HashMap<Vec<u8>, u32>,
}

impl Directories {
    fn of(&mut self, column: &Column<'_>, value: u32) -> u32 {
        let template = column.template(value);
        if let Some(&known) = self.of_template.get(&template) {
            return known;
        }
        let text = column.values.get(value as usize).copied().unwrap_or_default();
        let end = text.rfind_byte(b'/').unwrap_or_default();
        let mut directory = Vec::new();
        crate::template::push(&mut directory, text.get(..end).unwrap_or_default());
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(directory).or_insert(next);
        self.of_template.insert(template, number);
        number
    }
}

//! What the herd itself shows to be different everywhere: the names of its hosts, and names that are random without looking so.

use crate::columns::Columns;
use crate::identity::HostIdentities;
use crate::names::HerdNames;
use crate::template;
use crate::voices::{Voices, numbered};
use std::collections::{HashMap, HashSet};

/// Random names are on at least this share of the hosts, and on so many.
const RANDOM_SHARE: f64 = 0.15;
const FEWEST_RANDOM: usize = 6;
/// And so many of those hosts have one of their own.
const OWN_VALUES: f64 = 0.5;

/// What more hosts have than this share of all is usual as it is, whoever's name is in it.
const UNUSUAL_SHARE: f64 = 0.25;

/// And from this share on, a form is usual.
const USUAL_SHARE: f64 = 0.5;

impl Columns<'_> {
    /// Learns from all hosts, of one or two sides.
    pub(crate) fn learn(&mut self, all: &[&[HostIdentities]], names: &[&HerdNames]) {
        let hosts = numbered(all).count();
        for at in 0..self.columns.len() {
            for names in names.iter().filter(|names| !names.is_empty()) {
                let named = self.named_hosts(at, all, hosts, names);
                self.set(at, named);
            }
            let digits = self.identifiers_of_digits(at, all, hosts);
            self.set_known(at, digits);
            let random = self.random_names(at, all, hosts);
            self.set(at, random);
        }
    }

    /// The values of a column that have the name of a host in them, without it.
    fn named_hosts(
        &self,
        at: usize,
        all: &[&[HostIdentities]],
        hosts: usize,
        names: &HerdNames,
    ) -> Vec<(usize, Vec<u8>)> {
        let Some(column) = self.columns.get(at) else { return Vec::new() };
        let mut voices = Voices::new(column.values.len());
        for (host, has) in numbered(all) {
            self.of_host(has, at).for_each(|value| voices.count(value, host));
        }
        let is_unusual =
            |value: u32| f64::from(voices.hosts(value)) <= (hosts as f64 * UNUSUAL_SHARE).max(1.0);
        let unusual = (0..).zip(&column.values).filter(|&(value, _)| is_unusual(value));
        unusual.filter_map(|(value, text)| Some((value as usize, names.template(text)?))).collect()
    }

    /// Values in which an identifier happens to have no letter, so that it looks like a number: each with the template that most hosts
    /// have there.
    fn identifiers_of_digits(&self, at: usize, all: &[&[HostIdentities]], hosts: usize) -> Vec<(usize, u32)> {
        let Some(column) = self.columns.get(at) else { return Vec::new() };
        let mut templates = Voices::new(column.templates_len);
        for (host, has) in numbered(all) {
            self.of_host(has, at).for_each(|value| templates.count(column.template(value), host));
        }
        let is_usual = |template: u32| f64::from(templates.hosts(template)) >= hosts as f64 * USUAL_SHARE;
        let mut usual: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut done = HashSet::new();
        for (text, &template) in column.values.iter().zip(&column.template_of) {
            if is_usual(template) && done.insert(template) {
                let mut form = Vec::new();
                template::push(&mut form, text);
                let numbers = template::as_numbers(&form);
                if numbers != form {
                    usual.insert(numbers, template);
                }
            }
        }
        if usual.is_empty() {
            return Vec::new();
        }
        let others = column.values.iter().zip(&column.template_of).enumerate();
        let others = others.filter(|(_, (_, template))| !is_usual(**template));
        let known = others.filter_map(|(value, (text, _))| {
            let mut form = Vec::new();
            template::push(&mut form, text);
            Some((value, *usual.get(&template::as_numbers(&form))?))
        });
        known.collect()
    }

    /// Names that are random without looking so: where most hosts have, in one place, a value of its own with one outline, the outline
    /// is the template.
    fn random_names(&self, at: usize, all: &[&[HostIdentities]], hosts: usize) -> Vec<(usize, Vec<u8>)> {
        let Some(column) = self.columns.get(at) else { return Vec::new() };
        let rare = (hosts / 50).max(1) as u32;
        let mut templates = Voices::new(column.templates_len);
        for (host, has) in numbered(all) {
            self.of_host(has, at).for_each(|value| templates.count(column.template(value), host));
        }
        let mut shapes: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut shape_of: Vec<u32> = vec![u32::MAX; column.values.len()];
        for ((value, &template), place) in column.values.iter().zip(&column.template_of).zip(&mut shape_of) {
            if templates.hosts(template) <= rare
                && let Some(outline) = template::outline(value)
            {
                let next = shapes.len() as u32;
                *place = *shapes.entry(outline).or_insert(next);
            }
        }
        let mut values_of = vec![0usize; shapes.len()];
        for &shape in &shape_of {
            values_of.get_mut(shape as usize).into_iter().for_each(|values| *values += 1);
        }
        let mut outlines = Voices::new(shapes.len());
        for (host, has) in numbered(all) {
            let shapes = self.of_host(has, at).filter_map(|value| shape_of.get(value as usize).copied());
            shapes.for_each(|shape| outlines.count(shape, host));
        }
        let is_random = |shape: u32| {
            let values = values_of.get(shape as usize).copied().unwrap_or_default();
            outlines.hosts(shape) as usize >= FEWEST_RANDOM
                && values as f64 >= f64::from(outlines.hosts(shape)) * OWN_VALUES
                && f64::from(outlines.hosts(shape)) >= hosts as f64 * RANDOM_SHARE
        };
        let random: HashMap<u32, Vec<u8>> = shapes
            .into_iter()
            .filter(|&(_, shape)| is_random(shape))
            .map(|(form, shape)| (shape, form))
            .collect();
        let values = shape_of.iter().enumerate();
        values.filter_map(|(value, shape)| Some((value, random.get(shape)?.clone()))).collect()
    }

    /// Gives values of a column templates that others have.
    fn set_known(&mut self, at: usize, templates: Vec<(usize, u32)>) {
        let Some(column) = self.columns.get_mut(at) else { return };
        for (value, known) in templates {
            column.template_of.get_mut(value).into_iter().for_each(|template| *template = known);
        }
    }

    /// Gives values of a column templates that the herd taught.
    fn set(&mut self, at: usize, forms: Vec<(usize, Vec<u8>)>) {
        let Some(column) = self.columns.get_mut(at) else { return };
        let mut numbers: HashMap<Vec<u8>, u32> = HashMap::new();
        for (value, form) in forms {
            let next = (column.templates_len + numbers.len()) as u32;
            let number = *numbers.entry(form).or_insert(next);
            column.template_of.get_mut(value).into_iter().for_each(|template| *template = number);
        }
        column.templates_len += numbers.len();
        column.learned.extend(numbers.into_iter().map(|(form, number)| (number, form)));
    }
}

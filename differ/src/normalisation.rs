//! Shows what comparisons do with the rows of a herd: which columns are compared, what rows are told apart by, and what of their
//! values is taken to be different everywhere.

use crate::columns::Columns;
use crate::identity::{Compared, Identities};
use crate::roster::Roster;
use crate::template;
use crate::voices::{Voices, numbered};
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use herdiff_model::name::{ColumnName, HerdName, QueryName, TableName};
use serde::Serialize;
use std::collections::BTreeMap;

/// How the rows of one query are compared in one herd.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Normalisation {
    /// The herd.
    pub herd: HerdName,
    /// The query.
    pub query: QueryName,
    /// Which of osquery's tables the rows are about, by their statement or by their columns.
    pub table: Option<TableName>,
    /// What rows are about: those with one key are one thing. Empty where each row is a thing of its own.
    pub key: Vec<ColumnName>,
    /// The columns that are compared, with what is masked in them.
    pub compared: Vec<Masked>,
    /// Columns that differ without meaning anything, as osquery's tables or the pack have it.
    pub volatile: Vec<ColumnName>,
    /// Columns that too few of the hosts have.
    pub not_shared: Vec<ColumnName>,
}

/// What is taken to be different everywhere in one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Masked {
    /// The column.
    pub column: ColumnName,
    /// How many values it has over all hosts.
    pub values: usize,
    /// How many there are when numbers and random names are left out.
    pub forms: usize,
    /// The forms that stand for most values, for several each.
    pub masks: Vec<Mask>,
}

/// A form that stands for several values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mask {
    /// `#` stands for a number, `#x` for hexadecimal digits, `#r` and a run of `w` for random names, `#host` for
    /// the name of one of the herd's hosts.
    pub form: String,
    /// Whether the herd taught it: one by one the names do not look random.
    pub learned: bool,
    /// How many values have it.
    pub values: usize,
    /// How many hosts have one of them.
    pub hosts: u32,
    /// One of them, the first by name.
    pub example: String,
}

/// More forms are counted.
const MOST_MASKS: usize = 5;

/// Looks at all queries of all herds.
pub fn normalisation(bundle: &Bundle, tables: &Tables) -> Vec<Normalisation> {
    let mut all = Vec::new();
    for (herd, roster) in Roster::herds(bundle) {
        let of_query = |query: &herdiff_model::pack::Query| {
            let asked = roster.ask(query.name.as_str())?;
            let knowledge = tables.of_rows(query, asked.usual_shape());
            let compared = Compared::of(&[&asked], &knowledge);
            let (identities, sides) = Identities::of(&[&asked], &compared);
            let hosts = sides.into_iter().next()?;
            let mut columns = Columns::read(&[(&asked, &hosts)], identities.len(), &compared);
            columns.learn(&[&hosts], &[&asked.names]);
            let masked = compared.columns().iter().enumerate().map(|(at, name)| {
                let mut voices =
                    Voices::new(columns.columns.get(at).map_or(0, |column| column.templates_len));
                for (host, has) in numbered(&[&hosts]) {
                    for value in columns.of_host(has, at) {
                        let column = columns.columns.get(at);
                        column.into_iter().for_each(|column| voices.count(column.template(value), host));
                    }
                }
                masked(name, &columns, at, &voices)
            });
            let there = asked.usual_shape().iter().flat_map(|shape| shape.iter());
            let unused: Vec<&ColumnName> =
                there.filter(|column| !compared.columns().contains(column)).collect();
            let is_volatile = |column: &&&ColumnName| knowledge.volatile.contains(column);
            Some(Normalisation {
                herd: herd.clone(),
                query: query.name.clone(),
                table: knowledge.table.clone(),
                key: compared.key().to_vec(),
                compared: masked.collect(),
                volatile: unused.iter().filter(is_volatile).map(|&column| column.clone()).collect(),
                not_shared: unused
                    .iter()
                    .filter(|column| !is_volatile(column))
                    .map(|&column| column.clone())
                    .collect(),
            })
        };
        all.extend(roster.bundle.pack.queries().iter().filter_map(of_query));
    }
    all
}

fn masked(name: &ColumnName, columns: &Columns<'_>, at: usize, voices: &Voices) -> Masked {
    let Some(column) = columns.columns.get(at) else {
        return Masked { column: name.clone(), values: 0, forms: 0, masks: Vec::new() };
    };
    let mut values_of: BTreeMap<u32, Vec<&bstr::BStr>> = BTreeMap::new();
    for (&value, &form) in column.values.iter().zip(&column.template_of) {
        values_of.entry(form).or_default().push(value);
    }
    let forms = values_of.len();
    let several = values_of.into_iter().filter(|(_, values)| values.len() > 1);
    let mut masks: Vec<Mask> = several
        .filter_map(|(form, values)| {
            let example = values.iter().min()?;
            let learned = column.learned.get(&form);
            let mut text = Vec::new();
            match learned {
                // In an outline, the zero byte stands between the place and the name.
                Some(form) => text.extend(form.iter().filter(|&&byte| byte != 0)),
                None => template::push(&mut text, example),
            }
            Some(Mask {
                form: String::from_utf8_lossy(&text).into_owned(),
                learned: learned.is_some(),
                values: values.len(),
                hosts: voices.hosts(form),
                example: String::from_utf8_lossy(example).into_owned(),
            })
        })
        .collect();
    masks.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.form.cmp(&b.form)));
    masks.truncate(MOST_MASKS);
    Masked { column: name.clone(), values: column.values.len(), forms, masks }
}

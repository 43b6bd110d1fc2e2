//! What is known beforehand of osquery's tables: which columns say what a row is about, which mean nothing, and
//! what makes a row dangerous. The data is `model/tables/tables.json`; a pack's annotations beat it.

mod sign;
mod sql;

pub use sign::{Condition, Sign, Test};
pub use sql::tables as tables_of;

use crate::name::{ColumnName, TableName};
use crate::pack::Query;
use crate::row::Columns;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const TABLES: &str = include_str!("../../tables/tables.json");

/// An ATT&CK technique, as in `T1053.003`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attack(pub String);

/// What is known of the rows of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knowledge {
    /// A name for one row, as in "listener".
    pub noun: String,
    /// How a row is named in a sentence: text with `{column}` in it; empty where nothing is known.
    pub label: String,
    /// The columns that say which thing a row is about; empty where the whole row does.
    pub key: Vec<ColumnName>,
    /// The columns that differ without meaning anything.
    pub volatile: Vec<ColumnName>,
    /// Bits added to the surprise of a difference.
    pub weight: f64,
    /// The ATT&CK techniques that a difference may be.
    pub attack: Vec<Attack>,
    /// What makes a row dangerous.
    pub signs: Vec<Sign>,
    /// Names that impostors come near to, whether the hosts have them or not.
    pub well_known: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    noun: String,
    label: String,
    key: Vec<ColumnName>,
    volatile: Vec<ColumnName>,
    weight: f64,
    attack: Vec<Attack>,
    signs: Vec<Sign>,
    well_known: Vec<String>,
}

impl Table {
    /// The columns that are spoken of, some more than once.
    fn mentions(&self) -> impl Iterator<Item = &ColumnName> {
        let own = self.volatile.iter().filter(|column| !EVERYWHERE.contains(&column.as_str()));
        self.key.iter().chain(own).chain(self.signs.iter().map(|sign| &sign.when.column))
    }
}

/// Columns that tell nothing about which table they are of.
const EVERYWHERE: &[&str] = &["pid_with_namespace", "mtime", "ctime", "atime", "time", "uid", "gid"];

/// Tables that share less with a query's columns are not meant.
const LIKENESS: f64 = 0.5;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    /// Columns that are volatile in whatever table they stand.
    volatile: Vec<ColumnName>,
    tables: BTreeMap<TableName, Table>,
}

/// What is known of all tables.
#[derive(Clone, Debug)]
pub struct Tables(Catalogue);

impl Tables {
    /// The knowledge that is built in.
    pub fn builtin() -> Result<Self, serde_json::Error> {
        serde_json::from_str(TABLES).map(Self)
    }

    /// What is known of a query's rows: of the tables that its statement names (or, without a statement, the table of
    /// its name), and then what the pack says.
    pub fn of_query(&self, query: &Query) -> Knowledge {
        self.of_tables(query, self.named(query))
    }

    /// The same, where neither statement nor name need be known: then the columns speak for themselves.
    pub fn of_rows(&self, query: &Query, shapes: &[Columns]) -> Knowledge {
        let named = self.named(query);
        match shapes.iter().max_by_key(|shape| shape.len()) {
            Some(shape) if named.is_empty() => {
                self.of_tables(query, Vec::from_iter(self.guess(query, shape)))
            }
            Some(shape) if named.len() > 1 => {
                let mut named = named;
                let share = |table: &Table| {
                    let there = table.key.iter().filter(|column| shape.position(column.as_str()).is_some());
                    // Of equals the one with the longer key says more.
                    (there.count() * 100 / table.key.len().max(1), table.key.len())
                };
                named.sort_by_key(|table| std::cmp::Reverse(share(table)));
                self.of_tables(query, named)
            }
            _ => self.of_tables(query, named),
        }
    }

    /// The tables that the statement names, or the name. Of several, the first is the one that the columns are most of.
    fn named(&self, query: &Query) -> Vec<&Table> {
        match &query.sql {
            Some(sql) => {
                let mut names = sql::tables(sql);
                // Per-user tables are asked as `users CROSS JOIN x`: the rows are about x.
                if names.len() > 1 && names.first().is_some_and(|name| name.as_str() == "users") {
                    names.rotate_left(1);
                }
                names.into_iter().filter_map(|name| self.0.tables.get(name.as_str())).collect()
            }
            None => Vec::from_iter(self.0.tables.get(query.name.as_str())),
        }
    }

    /// The table whose columns these are: it must have all that its key needs, and the more of its columns are there that
    /// few other tables have, the better. A name that ends with the table's decides.
    fn guess(&self, query: &Query, shape: &Columns) -> Option<&Table> {
        let known_by = |column: &ColumnName| {
            self.0.tables.values().filter(|table| table.mentions().any(|known| known == column)).count()
                as f64
        };
        let fits = |table: &Table| {
            !table.key.is_empty() && table.key.iter().all(|column| shape.position(column.as_str()).is_some())
        };
        let likeness = |name: &TableName, table: &Table| -> f64 {
            let shared: BTreeSet<&ColumnName> =
                table.mentions().filter(|column| shape.position(column.as_str()).is_some()).collect();
            let named = if query.name.as_str().ends_with(name.as_str()) { 10.0 } else { 0.0 };
            named + shared.into_iter().map(|column| 1.0 / known_by(column).max(1.0)).sum::<f64>()
        };
        let fitting = self.0.tables.iter().filter(|(_, table)| fits(table));
        let best = fitting.map(|(name, table)| (likeness(name, table), table));
        best.filter(|(likeness, _)| *likeness >= LIKENESS)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, table)| table)
    }

    fn of_tables(&self, query: &Query, named: Vec<&Table>) -> Knowledge {
        let first = named.first().copied();
        let said = &query.annotation;
        let volatile = || {
            let of_tables = named.iter().flat_map(|table| &table.volatile);
            self.0.volatile.iter().chain(of_tables).cloned().collect()
        };
        Knowledge {
            noun: said.noun.clone().or_else(|| first.map(|t| t.noun.clone())).unwrap_or_else(|| "row".into()),
            label: said.label.clone().or_else(|| first.map(|t| t.label.clone())).unwrap_or_default(),
            key: said.key.clone().or_else(|| first.map(|t| t.key.clone())).unwrap_or_default(),
            volatile: said.volatile.clone().unwrap_or_else(volatile),
            weight: said.weight.or_else(|| first.map(|t| t.weight)).unwrap_or_default(),
            attack: said.attack.clone().or_else(|| first.map(|t| t.attack.clone())).unwrap_or_default(),
            signs: said.signs.clone().or_else(|| first.map(|t| t.signs.clone())).unwrap_or_default(),
            well_known: first.map(|t| t.well_known.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Pack;

    fn knowledge(pack: &str) -> Knowledge {
        Tables::builtin().unwrap().of_query(&Pack::parse(pack).unwrap().queries()[0])
    }

    #[test]
    fn a_statement_brings_the_knowledge_of_its_tables() {
        let known = knowledge(
            r#"{"queries":{"x":{"query":"SELECT p.name FROM processes p JOIN hash h USING (path)"}}}"#,
        );
        assert_eq!(known.noun, "process");
        assert!(known.volatile.contains(&"pid".into()));
    }

    #[test]
    fn the_name_speaks_where_there_is_no_statement() {
        assert_eq!(knowledge(r#"{"queries":{"crontab":{}}}"#).noun, "cron job");
        assert_eq!(knowledge(r#"{"queries":{"mystery":{}}}"#).noun, "row");
    }

    #[test]
    fn the_pack_beats_what_is_built_in() {
        let known = knowledge(
            r#"{"queries":{"x":{"query":"SELECT * FROM users","herdiff":{"volatile":[],"weight":9}}}}"#,
        );
        assert!(known.volatile.is_empty());
        assert_eq!(known.weight, 9.0);
        assert_eq!(known.noun, "user");
    }
}

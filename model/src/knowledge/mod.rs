//! What is known beforehand of osquery's tables: which columns say what a row is about, which mean nothing, and
//! what makes a row dangerous. The data is in `model/tables`; a pack's annotations beat it.

mod catalogue;
mod recognise;
mod sign;
mod sql;

pub use sign::{Condition, Sign, Test};
pub use sql::tables as tables_of;

use crate::name::{ColumnName, TableName};
use crate::pack::Query;
use crate::row::Columns;
use catalogue::{Catalogue, Table};
use recognise::recognise;
use serde::{Deserialize, Serialize};

/// An ATT&CK technique, as in `T1053.003`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attack(pub String);

/// What is known of the rows of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knowledge {
    /// Which of osquery's tables its rows are about, where that is known.
    pub table: Option<TableName>,
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

/// What is known of all tables.
#[derive(Clone, Debug)]
pub struct Tables(Catalogue);

impl Tables {
    /// The knowledge that is built in.
    pub fn builtin() -> Result<Self, serde_json::Error> {
        Catalogue::builtin().map(Self)
    }

    /// What is known of a query's rows: of the tables that its statement names (or, without a statement, the table of
    /// its name), and then what the pack says.
    pub fn of_query(&self, query: &Query) -> Knowledge {
        self.of_tables(query, &self.named(query))
    }

    /// The same, where the columns of the rows are known: they tell which of several tables the rows are about, and speak for
    /// themselves where neither the statement nor the name does.
    pub fn of_rows(&self, query: &Query, shapes: &[Columns]) -> Knowledge {
        let Some(shape) = shapes.iter().max_by_key(|shape| shape.len()) else {
            return self.of_query(query);
        };
        let mut knowledge = self.of_tables(query, &recognise(&self.0, query, shape, self.named(query)));
        // What speaks of columns that are not there never holds.
        knowledge.signs.retain(|sign| shape.position(sign.when.column.as_str()).is_some());
        knowledge
    }

    /// The tables that the statement names, or the name.
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

    /// The first of the tables is what the rows are about.
    fn of_tables(&self, query: &Query, named: &[&Table]) -> Knowledge {
        let first = named.first().copied();
        let said = &query.annotation;
        let volatile = || {
            let of_tables = named.iter().flat_map(|table| &table.volatile);
            self.0.volatile.iter().chain(of_tables).cloned().collect()
        };
        let signs = || {
            let others = named.iter().skip(1).filter(|table| table.joined);
            let mut signs: Vec<Sign> = Vec::new();
            let of_others = others
                .flat_map(|table| &table.signs)
                .filter(|sign| first.is_none_or(|first| !first.has(sign.when.column.as_str())));
            for sign in first.iter().flat_map(|table| &table.signs).chain(of_others) {
                if !signs.iter().any(|known| known.when.column == sign.when.column && known.say == sign.say) {
                    signs.push(sign.clone());
                }
            }
            signs
        };
        Knowledge {
            table: first.and_then(|table| table.name.clone()),
            noun: said.noun.clone().or_else(|| first.map(|t| t.noun.clone())).unwrap_or_else(|| "row".into()),
            label: said.label.clone().or_else(|| first.map(|t| t.label.clone())).unwrap_or_default(),
            key: said.key.clone().or_else(|| first.map(|t| t.key.clone())).unwrap_or_default(),
            volatile: said.volatile.clone().unwrap_or_else(volatile),
            weight: said.weight.or_else(|| first.map(|t| t.weight)).unwrap_or_default(),
            attack: said.attack.clone().or_else(|| first.map(|t| t.attack.clone())).unwrap_or_default(),
            signs: said.signs.clone().unwrap_or_else(signs),
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

//! Reads what is known of osquery's tables: `tables/tables.json` says it table by table, `tables/signs.json` has the signs that several
//! tables share and the lists that signs name as `$list`.

use super::{Attack, Sign};
use crate::name::{ColumnName, TableName};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const TABLES: &str = include_str!("../../tables/tables.json");
const SIGNS: &str = include_str!("../../tables/signs.json");

/// What is known of one table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    /// Its key in the catalogue.
    #[serde(skip)]
    pub(super) name: Option<TableName>,
    pub(super) noun: String,
    pub(super) label: String,
    /// All columns, as osquery has them on Linux.
    pub(super) columns: Vec<ColumnName>,
    pub(super) key: Vec<ColumnName>,
    pub(super) volatile: Vec<ColumnName>,
    pub(super) weight: f64,
    pub(super) attack: Vec<Attack>,
    pub(super) signs: Vec<Sign>,
    pub(super) well_known: Vec<String>,
    /// Whether others are joined with it for what it says, so that its signs count beside theirs.
    pub(super) joined: bool,
    /// Groups of signs that it shares with other tables.
    uses: Vec<String>,
}

impl Table {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known.as_str() == column)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    /// Columns that are volatile in whatever table they stand.
    pub(super) volatile: Vec<ColumnName>,
    pub(super) tables: BTreeMap<TableName, Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    lists: BTreeMap<String, Vec<String>>,
    groups: BTreeMap<String, Value>,
}

impl Catalogue {
    /// # Errors
    /// Where the data that is built in is malformed, or names a list or a group that is not there.
    pub(super) fn builtin() -> Result<Self, serde_json::Error> {
        let shared: Shared = serde_json::from_str(SIGNS)?;
        let mut catalogue: Value = serde_json::from_str(TABLES)?;
        let tables = catalogue.get_mut("tables").and_then(Value::as_object_mut);
        for table in tables.into_iter().flat_map(Map::values_mut) {
            if let Some(signs) = table.get_mut("signs") {
                *signs = shared.expand(signs)?;
            }
        }
        let mut catalogue: Self = serde_json::from_value(catalogue)?;
        for (name, table) in &mut catalogue.tables {
            table.name = Some(name.clone());
            for group in &table.uses {
                let signs = shared.groups.get(group).ok_or_else(|| unknown("group", group))?;
                let signs: Vec<Sign> = serde_json::from_value(shared.expand(signs)?)?;
                table.signs.extend(signs);
            }
        }
        Ok(catalogue)
    }
}

impl Shared {
    /// Signs with their lists in place, one for each of the columns that a sign speaks of.
    fn expand(&self, signs: &Value) -> Result<Value, serde_json::Error> {
        let mut expanded = Vec::new();
        for sign in signs.as_array().into_iter().flatten() {
            let sign = self.resolve(sign)?;
            let Some(columns) = sign.get("column").and_then(Value::as_array) else {
                expanded.push(sign);
                continue;
            };
            for column in columns {
                let mut of_column = sign.clone();
                if let Some(fields) = of_column.as_object_mut() {
                    fields.insert("column".to_owned(), column.clone());
                }
                expanded.push(of_column);
            }
        }
        Ok(Value::Array(expanded))
    }

    /// The value with the items of lists in place of their names.
    fn resolve(&self, value: &Value) -> Result<Value, serde_json::Error> {
        let list = |name: &str| self.lists.get(name).ok_or_else(|| unknown("list", name));
        Ok(match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) => Value::from(list(name)?.clone()),
                None => value.clone(),
            },
            Value::Array(items) => {
                let mut all = Vec::new();
                for item in items {
                    match self.resolve(item)? {
                        Value::Array(several) => all.extend(several),
                        one => all.push(one),
                    }
                }
                Value::Array(all)
            }
            Value::Object(fields) => {
                let resolved = fields.iter().map(|(name, field)| Ok((name.clone(), self.resolve(field)?)));
                Value::Object(resolved.collect::<Result<_, serde_json::Error>>()?)
            }
            other => other.clone(),
        })
    }
}

fn unknown(what: &str, name: &str) -> serde_json::Error {
    serde::de::Error::custom(format!("there is no {what} of signs called {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_holds_together() {
        let catalogue = Catalogue::builtin().unwrap();
        for (name, table) in &catalogue.tables {
            for column in &table.key {
                assert!(table.has(column.as_str()), "{} has no {column}", name.as_str());
            }
            assert!(table.signs.len() <= 64, "{}: a mask of signs has 64 bits", name.as_str());
        }
        let processes = &catalogue.tables["processes"];
        let of_service =
            processes.signs.iter().find(|sign| sign.when.column.as_str() == "process_path").unwrap();
        assert!(!of_service.say.is_empty(), "a sign of a group, for each of its columns");
        let text = format!("{:?}", catalogue.tables);
        assert!(text.contains("/busybox") && !text.contains("\"$"), "lists are in place");
    }
}

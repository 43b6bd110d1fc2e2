//! Packs: named SQL statements in osquery's own format, with Herdiff's annotations under one key.

mod built_in;
mod syntax;

pub use built_in::BuiltIn;

use crate::knowledge::{Attack, Sign};
use crate::name::{ColumnName, QueryName};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A pack as it was written, and what was understood of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    text: String,
    queries: Vec<Query>,
}

/// One statement of a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Its name in the pack.
    pub name: QueryName,
    /// The statement; `None` where rows were imported without their pack.
    pub sql: Option<String>,
    /// False where the pack asks it on other platforms only.
    pub for_linux: bool,
    /// What the pack says about comparing its rows.
    pub annotation: Annotation,
}

/// The value of the key `herdiff` of a query: it beats what is known of the tables.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Annotation {
    /// A name for one row, as in "a listener".
    pub noun: Option<String>,
    /// How a row is named in a sentence: text with `{column}` in it.
    pub label: Option<String>,
    /// The columns that say which thing a row is about.
    pub key: Option<Vec<ColumnName>>,
    /// The columns that differ without meaning anything.
    pub volatile: Option<Vec<ColumnName>>,
    /// How much a difference in these rows matters, in bits added to its surprise.
    pub weight: Option<f64>,
    /// The ATT&CK techniques that a difference may be.
    pub attack: Option<Vec<Attack>>,
    /// What makes a row dangerous.
    pub signs: Option<Vec<Sign>>,
}

/// A pack that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Packs that are asked together have a query of the same name.
    #[error("two packs have a query {name:?}")]
    Twice {
        /// The name.
        name: String,
    },
    /// Not JSON, even with comments allowed.
    #[error("the pack is not JSON as osquery packs are: {0}")]
    Syntax(serde_json::Error),
    /// JSON of another form.
    #[error("the pack has no \"queries\" object")]
    NoQueries,
    /// A query that cannot be run.
    #[error("query {name:?} of the pack: {why}")]
    Query {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Pack {
    /// Understands a pack file. Keys that are not ours stay in the text and are never an error.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        let document = document(text)?;
        let Some(Value::Object(entries)) = document.get("queries") else { return Err(PackError::NoQueries) };
        let inherited = document.get("platform").and_then(Value::as_str);
        let queries = entries
            .iter()
            .map(|(name, entry)| {
                parse_query(name, entry, inherited)
                    .map_err(|why| PackError::Query { name: name.clone(), why })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), queries })
    }

    /// Several packs as one, so that one visit answers them all. One alone stays as it was written; of several the
    /// queries are kept, with the platform that a pack gives to all of its own.
    ///
    /// # Errors
    /// Where two have a query of the same name: its rows could not be told apart.
    pub fn join(packs: &[Self]) -> Result<Self, PackError> {
        if let [alone] = packs {
            return Ok(alone.clone());
        }
        let mut queries = Map::new();
        for pack in packs {
            let mut document = document(&pack.text)?;
            let platform = document.remove("platform");
            let Some(Value::Object(entries)) = document.remove("queries") else { continue };
            for (name, mut entry) in entries {
                if let (Some(platform), Some(entry)) = (&platform, entry.as_object_mut()) {
                    entry.entry("platform").or_insert_with(|| platform.clone());
                }
                if queries.insert(name.clone(), entry).is_some() {
                    return Err(PackError::Twice { name });
                }
            }
        }
        Self::parse(&format!("{:#}\n", Value::from(Map::from_iter([("queries".into(), queries.into())]))))
    }

    /// A pack for rows that came without one: names, and no statements.
    pub fn of_names(names: impl IntoIterator<Item = QueryName>) -> Self {
        let queries: Vec<_> = names
            .into_iter()
            .map(|name| Query { name, sql: None, for_linux: true, annotation: Annotation::default() })
            .collect();
        let entries = queries.iter().map(|query| (query.name.to_string(), Value::Object(Map::new())));
        let text = serde_json::json!({ "queries": entries.collect::<Map<_, _>>() }).to_string();
        Self { text, queries }
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its queries, in the order of the file.
    pub fn queries(&self) -> &[Query] {
        &self.queries
    }
}

fn document(text: &str) -> Result<Map<String, Value>, PackError> {
    serde_json::from_str(&syntax::to_json(text)).map_err(PackError::Syntax)
}

/// No weight and no sign says more: a pack must not be able to drown or hide rows.
const MOST_BITS: f64 = 64.0;

fn parse_query(name: &str, entry: &Value, inherited: Option<&str>) -> Result<Query, String> {
    let entry = entry.as_object().ok_or("it is not an object")?;
    let sql = match entry.get("query") {
        None => None,
        Some(Value::String(sql)) if !sql.trim().is_empty() => Some(sql.clone()),
        Some(_) => return Err("\"query\" is not an SQL statement".into()),
    };
    let annotation = entry.get("herdiff").map(Annotation::deserialize).transpose();
    let annotation = annotation.map_err(|error| format!("its \"herdiff\" key: {error}"))?.unwrap_or_default();
    let bits = annotation.signs.iter().flatten().map(|sign| sign.bits).chain(annotation.weight);
    if let Some(odd) = bits.into_iter().find(|bits| !(0.0..=MOST_BITS).contains(bits)) {
        return Err(format!("its \"herdiff\" key: {odd} bits are not between 0 and {MOST_BITS}"));
    }
    let platform = entry.get("platform").and_then(Value::as_str).or(inherited);
    Ok(Query { name: name.into(), sql, for_linux: platform.is_none_or(asks_linux), annotation })
}

/// osquery's platform names that include Linux; several may stand in one string.
fn asks_linux(platforms: &str) -> bool {
    platforms
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|name| matches!(name, "linux" | "posix" | "all" | "any"))
        || platforms.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_as_osquery_users_write_it() {
        let pack = Pack::parse(
            "# ours\n{\n  // the usual\n  \"queries\": {\n    \"z\": {\"query\": \"SELECT 1 \\\n   FROM x\", \"interval\": 60, \
             \"herdiff\": {\"key\": [\"a\"], \"weight\": 2.5}},\n    \"a\": {\"query\": \"SELECT 2\", \"platform\": \"darwin\"}\n  }\n}\n",
        )
        .unwrap();
        let [z, a] = pack.queries() else { panic!("two queries") };
        assert_eq!(z.name.as_str(), "z", "the order of the file is kept");
        assert_eq!(z.sql.as_deref(), Some("SELECT 1    FROM x"));
        assert_eq!(z.annotation.key.as_deref(), Some(&["a".into()][..]));
        assert_eq!(z.annotation.weight, Some(2.5));
        assert!(z.for_linux && !a.for_linux);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text| Pack::parse(text).unwrap_err().to_string();
        assert!(error("[]").contains("not JSON as osquery"));
        assert_eq!(error("{}"), "the pack has no \"queries\" object");
        assert!(error(r#"{"queries":{"q":{"query":3}}}"#).contains("query \"q\""));
        assert!(
            error(r#"{"queries":{"q":{"query":"x","herdiff":{"keys":[]}}}}"#)
                .contains("unknown field `keys`")
        );
    }

    #[test]
    fn several_packs_are_asked_as_one() {
        let ours = Pack::parse(r#"{"queries": {"b": {"query": "SELECT 1"}}}"#).unwrap();
        let theirs = r#"{"platform": "windows", "queries": {"a": {"query": "SELECT 2"}, "c": {"query": "SELECT 3", "platform": "linux"}}}"#;
        let theirs = Pack::parse(theirs).unwrap();
        assert_eq!(Pack::join(std::slice::from_ref(&ours)).unwrap(), ours, "one alone is as it was written");
        let both = Pack::join(&[ours.clone(), theirs]).unwrap();
        let asked: Vec<_> =
            both.queries().iter().map(|query| (query.name.as_str(), query.for_linux)).collect();
        assert_eq!(asked, [("b", true), ("a", false), ("c", true)]);
        let twice = Pack::join(&[ours.clone(), ours]).unwrap_err();
        assert_eq!(twice.to_string(), "two packs have a query \"b\"");
    }

    #[test]
    fn a_pack_of_names_can_be_read_again() {
        let pack = Pack::of_names(["users".into(), "crontab".into()]);
        assert_eq!(Pack::parse(pack.text()).unwrap(), pack);
    }
}

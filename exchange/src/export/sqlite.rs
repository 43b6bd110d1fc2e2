//! SQLite: one database with a table for each query, `hosts`, `outcomes`, and the findings where there are some.
//!
//! A cell that SQLite would change (text in a column of numbers that it takes for one, as `007`) or that is not UTF-8
//! is stored as a blob of exactly its bytes.

use super::{ExportError, Job, Tables, each_table};
use crate::layout::Relation;
use crate::stored::Stored;
use crate::value::{Kind, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::vtab::escape_double_quote;
use rusqlite::{Connection, Statement, params_from_iter};
use serde_json::Value as Json;
use std::path::Path;

pub(super) fn write(stored: &Stored, path: &Path, job: &Job<'_>) -> Result<(), ExportError> {
    let connection = Connection::open(path)?;
    // The file gets its name when it is whole, so nothing has to be undone in it.
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; BEGIN",
    )?;
    let mut database = Database { connection: &connection, insert: None };
    each_table(stored, job, &mut database)?;
    drop(database);
    if let Some(text) = job.findings {
        findings(&connection, text, stored)?;
    }
    connection.execute_batch("COMMIT")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

struct Database<'a> {
    connection: &'a Connection,
    insert: Option<Statement<'a>>,
}

impl Tables for Database<'_> {
    fn start(&mut self, relation: &Relation) -> Result<(), ExportError> {
        let table = escape_double_quote(&relation.name);
        let declared = relation
            .columns
            .iter()
            .map(|column| format!("\"{}\" {}", escape_double_quote(&column.name), column.kind.sql()));
        let declared = declared.collect::<Vec<_>>().join(", ");
        self.connection.execute_batch(&format!("CREATE TABLE \"{table}\" ({declared})"))?;
        let places = vec!["?"; relation.columns.len()].join(", ");
        self.insert = Some(self.connection.prepare(&format!("INSERT INTO \"{table}\" VALUES ({places})"))?);
        Ok(())
    }

    fn row(&mut self, relation: &Relation, values: &[Value<'_>]) -> Result<(), ExportError> {
        let kinds = relation.columns.iter().map(|column| column.kind);
        let values = kinds.zip(values).map(|(kind, value)| stored_as(kind, value));
        if let Some(insert) = &mut self.insert {
            insert.execute(params_from_iter(values))?;
        }
        Ok(())
    }

    fn end(&mut self, _: &Relation) -> Result<(), ExportError> {
        self.insert = None;
        Ok(())
    }
}

fn stored_as<'a>(kind: Kind, value: &'a Value<'_>) -> ToSqlOutput<'a> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Real(number) => ValueRef::Real(*number),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if kind == Kind::Text || text.trim().parse::<f64>().is_err() => ValueRef::Text(bytes),
            _ => ValueRef::Blob(bytes),
        },
    })
}

/// What a finding has, in the order of the columns.
const FINDING: [(&str, &str); 12] = [
    ("id", "TEXT"),
    ("host", "TEXT"),
    ("hosts", "TEXT"),
    ("herd", "TEXT"),
    ("query", "TEXT"),
    ("kind", "TEXT"),
    ("row", "TEXT"),
    ("before", "TEXT"),
    ("score", "REAL"),
    ("prevalence", "TEXT"),
    ("why", "TEXT"),
    ("attack", "TEXT"),
];

/// Lines as `herdiff outliers --format ndjson` writes them: lists and objects stay JSON.
fn findings(connection: &Connection, text: &str, stored: &Stored) -> Result<(), ExportError> {
    // A query may be called like this table.
    let taken =
        stored.pack().queries().iter().any(|query| query.name.as_str().eq_ignore_ascii_case("findings"));
    let table = if taken { "herdiff_findings" } else { "findings" };
    let columns = FINDING.map(|(name, kind)| format!("\"{name}\" {kind}")).join(", ");
    connection.execute_batch(&format!("CREATE TABLE {table} ({columns})"))?;
    let mut insert =
        connection.prepare(&format!("INSERT INTO {table} VALUES ({})", FINDING.map(|_| "?").join(", ")))?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: String| ExportError::Findings { line: number + 1, why };
        let finding: Json = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if !(finding.get("kind").is_some_and(Json::is_string)
            && finding.get("host").is_some_and(Json::is_string))
        {
            return Err(wrong("it has no host and kind".into()));
        }
        let values = FINDING.map(|(name, _)| match finding.get(name) {
            None | Some(Json::Null) => rusqlite::types::Value::Null,
            Some(Json::String(text)) => text.clone().into(),
            Some(Json::Number(number)) => number.as_f64().map_or(rusqlite::types::Value::Null, Into::into),
            Some(other) => other.to_string().into(),
        });
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}

//! One line of osqueryd's results or snapshots log, in each of the forms that osqueryd writes.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) struct LogLine {
    pub(super) host: String,
    /// As the schedule calls it: with the prefix of its pack, where it has one.
    pub(super) name: String,
    pub(super) time: u64,
    /// The run that the line belongs to: 0 is the first of an epoch and tells everything.
    pub(super) run: Option<Run>,
    pub(super) change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) epoch: u64,
    pub(super) counter: u64,
}

/// Rows are JSON objects of strings with sorted names.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// Everything there is.
    Snapshot(Vec<Vec<u8>>),
    /// One of the rows of a snapshot that came one a line.
    SnapshotRow(Vec<u8>),
    /// What came and went since the run before.
    Difference { added: Vec<Vec<u8>>, removed: Vec<Vec<u8>> },
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    #[serde(rename = "hostIdentifier", alias = "host_identifier", alias = "hostname")]
    host: Option<String>,
    #[serde(rename = "unixTime", alias = "unix_time", default)]
    time: Value,
    epoch: Option<Value>,
    counter: Option<Value>,
    action: Option<String>,
    columns: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "some_rows")]
    snapshot: Option<Vec<Map<String, Value>>>,
    #[serde(rename = "diffResults", alias = "diff_results")]
    difference: Option<Difference>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Difference {
    #[serde(deserialize_with = "rows_of_list")]
    added: Vec<Map<String, Value>>,
    #[serde(deserialize_with = "rows_of_list")]
    removed: Vec<Map<String, Value>>,
}

/// A list of rows. Versions of osquery before 3.2 write an empty one as an empty text: the property trees of Boost, which wrote their
/// logs, do not tell the two apart.
#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Rows(Vec<Map<String, Value>>),
    Text(String),
}

fn rows_of_list<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<Map<String, Value>>, D::Error> {
    match List::deserialize(source)? {
        List::Rows(rows) => Ok(rows),
        List::Text(text) if text.is_empty() => Ok(Vec::new()),
        List::Text(_) => Err(serde::de::Error::custom("a list of rows is a text")),
    }
}

fn some_rows<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<Map<String, Value>>>, D::Error> {
    rows_of_list(source).map(Some)
}

/// Understands a line; the error says what is odd about it. The flag tells whether bytes had to be replaced.
pub(super) fn parse(line: &[u8]) -> (Result<LogLine, String>, bool) {
    let text = String::from_utf8_lossy(line);
    let replaced = matches!(text, Cow::Owned(_));
    (understand(&text), replaced)
}

fn understand(text: &str) -> Result<LogLine, String> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let host = raw.host.filter(|host| !host.is_empty()).ok_or("it names no host")?;
    let rows = |rows: Vec<Map<String, Value>>| rows.into_iter().map(row).collect::<Result<Vec<_>, _>>();
    let change = match (raw.action.as_deref(), raw.columns, raw.snapshot, raw.difference) {
        (Some("snapshot") | None, None, Some(snapshot), _) => Change::Snapshot(rows(snapshot)?),
        (Some("snapshot"), Some(columns), None, _) => Change::SnapshotRow(row(columns)?),
        (Some("added"), Some(columns), ..) => {
            Change::Difference { added: vec![row(columns)?], removed: Vec::new() }
        }
        (Some("removed"), Some(columns), ..) => {
            Change::Difference { added: Vec::new(), removed: vec![row(columns)?] }
        }
        (_, None, None, Some(difference)) => {
            Change::Difference { added: rows(difference.added)?, removed: rows(difference.removed)? }
        }
        _ => return Err("it has neither a snapshot nor rows that were added or removed".into()),
    };
    let epoch = raw.epoch.as_ref().and_then(number).unwrap_or(0);
    let run = raw.counter.as_ref().and_then(number).map(|counter| Run { epoch, counter });
    Ok(LogLine { host, name: raw.name, time: number(&raw.time).unwrap_or(0), run, change })
}

/// Numbers are written as such or as text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A row as osqueryi would print it, whatever its order was: with `--logger_numerics` numbers come as numbers.
fn row(columns: Map<String, Value>) -> Result<Vec<u8>, String> {
    let mut cells: Vec<(String, String)> = Vec::with_capacity(columns.len());
    for (column, value) in columns {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null => String::new(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(format!("the column {column:?} is neither text nor a number"));
            }
        };
        cells.push((column, text));
    }
    cells.sort();
    let object: Map<String, Value> = cells.into_iter().map(|(column, text)| (column, text.into())).collect();
    Ok(Value::Object(object).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Change {
        parse(line.as_bytes()).0.unwrap().change
    }

    #[test]
    fn every_form_that_osqueryd_writes() {
        let added = |row: &str| Change::Difference { added: vec![row.as_bytes().to_vec()], removed: vec![] };
        assert_eq!(
            change(
                r#"{"name":"q","hostIdentifier":"h","calendarTime":"x","unixTime":7,"epoch":0,"counter":0,"numerics":false,"columns":{"b":"2","a":"1"},"action":"added"}"#
            ),
            added(r#"{"a":"1","b":"2"}"#)
        );
        assert_eq!(
            change(
                r#"{"name":"q","hostname":"h","unixTime":"7","diffResults":{"removed":[],"added":[{"a":1,"b":0.5,"c":null}]}}"#
            ),
            added(r#"{"a":"1","b":"0.5","c":""}"#)
        );
        assert_eq!(
            change(
                r#"{"action":"snapshot","snapshot":[{"a":"1"},{"a":"1"}],"name":"q","hostIdentifier":"h","unixTime":7}"#
            ),
            Change::Snapshot(vec![br#"{"a":"1"}"#.to_vec(), br#"{"a":"1"}"#.to_vec()])
        );
        assert_eq!(
            change(
                r#"{"action":"snapshot","columns":{"a":"1"},"name":"q","hostIdentifier":"h","unixTime":7,"counter":3}"#
            ),
            Change::SnapshotRow(br#"{"a":"1"}"#.to_vec())
        );
        // Decorations are not the query's, whether they stand apart or not.
        assert_eq!(
            change(
                r#"{"name":"q","hostIdentifier":"h","unixTime":7,"decorations":{"a":"9"},"team":"red","columns":{"a":"1"},"action":"added"}"#
            ),
            added(r#"{"a":"1"}"#)
        );
    }

    #[test]
    fn nothing_is_a_list_too_as_versions_before_3_2_write_it() {
        let line =
            |rest: &str| change(&format!(r#"{{"name":"q","hostIdentifier":"h","unixTime":7,{rest}}}"#));
        assert_eq!(line(r#""action":"snapshot","snapshot":"""#), Change::Snapshot(Vec::new()));
        assert_eq!(line(r#""action":"snapshot","snapshot":[]"#), Change::Snapshot(Vec::new()));
        let row = || vec![br#"{"a":"1"}"#.to_vec()];
        let (gone, came) = ((Vec::new(), row()), (row(), Vec::new()));
        let difference = |(added, removed)| Change::Difference { added, removed };
        assert_eq!(line(r#""diffResults":{"added":"","removed":[{"a":"1"}]}"#), difference(gone));
        // And their numbers as texts.
        assert_eq!(
            line(r#""diffResults":{"removed":"","added":[{"a":"1"}]},"epoch":"0","counter":"7""#),
            difference(came)
        );
        let other = r#"{"name":"q","hostIdentifier":"h","action":"snapshot","snapshot":"x"}"#;
        assert!(parse(other.as_bytes()).0.is_err());
    }

    #[test]
    fn what_is_odd_is_named() {
        for (line, odd) in [
            ("", "EOF"),
            ("[]", "expected"),
            (r#"{"name":"q","action":"added","columns":{}}"#, "names no host"),
            (r#"{"name":"q","hostIdentifier":"h","action":"added"}"#, "neither a snapshot"),
            (r#"{"name":"q","hostIdentifier":"h","action":"burnt","columns":{}}"#, "neither a snapshot"),
            (r#"{"name":"q","hostIdentifier":"h","action":"added","columns":{"a":[1]}}"#, "neither text nor"),
        ] {
            let error = parse(line.as_bytes()).0.unwrap_err();
            assert!(error.contains(odd), "{line}: {error}");
        }
        assert!(parse(b"\xff").1);
    }
}

//! Cells with types: what osquery declares as a number is one wherever the cell says exactly one.
//!
//! Engines print every value as text. Which columns are numbers is known from osquery's schema
//! (`data/numbers.json`); a cell becomes a number only when writing that number gives the cell's bytes again, so nothing
//! is lost, and what is odd stays text.

use herdiff_model::knowledge::tables_of;
use herdiff_model::pack::Query;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

const NUMBERS: &str = include_str!("../data/numbers.json");

/// The declared type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, and whatever is not known to be a number.
    Text,
    /// osquery's INTEGER, BIGINT and UNSIGNED BIGINT.
    Integer,
    /// osquery's DOUBLE.
    Real,
}

impl Kind {
    /// As SQL declares it.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
        }
    }

    /// What a cell says in a column of this type. An empty cell of a number is NULL, as engines print NULL so; a column
    /// that the row does not have is NULL, too.
    pub(crate) fn value(self, cell: Option<&[u8]>) -> Value<'_> {
        let Some(cell) = cell else { return Value::Null };
        let number = match self {
            Self::Text => None,
            _ if cell.is_empty() => return Value::Null,
            Self::Integer => whole(cell).map(Value::Integer),
            Self::Real => real(cell).map(Value::Real),
        };
        number.unwrap_or(Value::Text(Cow::Borrowed(cell)))
    }
}

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing is known, or there is no such column.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text as the host sent it, which may not be UTF-8.
    Text(Cow<'a, [u8]>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A number that would be written exactly as the cell is.
fn whole(cell: &[u8]) -> Option<i64> {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    let plain = match digits {
        [b'0'] => digits.len() == cell.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse().ok()
}

fn real(cell: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(cell).ok()?;
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && herdiff_sql::real_text(number) == text).then_some(number)
}

/// Which columns of osquery's tables are numbers.
#[derive(Debug, Deserialize)]
pub(crate) struct Numbers {
    integer: BTreeSet<String>,
    real: BTreeSet<String>,
    /// Numbers in these tables, text in others.
    integer_only_in: BTreeMap<String, BTreeSet<String>>,
    /// Text in these tables, numbers in others.
    integer_but_in: BTreeMap<String, BTreeSet<String>>,
}

impl Numbers {
    /// What is built in.
    pub(crate) fn builtin() -> Result<Self, serde_json::Error> {
        serde_json::from_str(NUMBERS)
    }

    /// The type of a column of a query, by the tables that its statement names, or by the query's own name.
    pub(crate) fn kind(&self, query: &Query, column: &str) -> Kind {
        if self.real.contains(column) {
            return Kind::Real;
        }
        let named = || match &query.sql {
            Some(sql) => tables_of(sql),
            None => vec![query.name.to_string()],
        };
        let whole = self.integer.contains(column)
            || self
                .integer_only_in
                .get(column)
                .is_some_and(|tables| named().iter().any(|t| tables.contains(t)))
            || self
                .integer_but_in
                .get(column)
                .is_some_and(|tables| !named().iter().any(|t| tables.contains(t)));
        if whole { Kind::Integer } else { Kind::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herdiff_model::pack::Pack;

    #[test]
    fn only_what_would_be_written_the_same_way_is_a_number() {
        for (cell, number) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-0", None),
            ("007", None),
            ("+1", None),
            (" 1", None),
            ("0x50", None),
            ("1e3", None),
            ("-", None),
        ] {
            let expected = number.map_or(Value::from(cell), Value::Integer);
            assert_eq!(Kind::Integer.value(Some(cell.as_bytes())), expected, "{cell}");
            assert_eq!(Kind::Text.value(Some(cell.as_bytes())), Value::from(cell));
        }
        assert_eq!(Kind::Real.value(Some(b"0.25")), Value::Real(0.25));
        for odd in ["0.250", "1", "inf", "NaN"] {
            assert_eq!(Kind::Real.value(Some(odd.as_bytes())), Value::from(odd));
        }
    }

    #[test]
    fn an_empty_number_is_null_and_an_empty_text_is_not() {
        assert_eq!(Kind::Integer.value(Some(b"")), Value::Null);
        assert_eq!(Kind::Text.value(Some(b"")), Value::from(""));
        assert_eq!(Kind::Text.value(None), Value::Null);
    }

    #[test]
    fn types_follow_the_tables_that_a_statement_names() {
        let pack = Pack::parse(
            r#"{"queries": {
                "a": {"query": "SELECT * FROM users"},
                "b": {"query": "SELECT type FROM interface_details"},
                "c": {"query": "SELECT type FROM file"},
                "process_file_events": {}}}"#,
        )
        .unwrap();
        let numbers = Numbers::builtin().unwrap();
        let kind = |query: usize, column| numbers.kind(&pack.queries()[query], column);
        assert_eq!([kind(0, "uid"), kind(0, "username")], [Kind::Integer, Kind::Text]);
        assert_eq!([kind(1, "type"), kind(2, "type")], [Kind::Integer, Kind::Text]);
        assert_eq!([kind(3, "gid"), kind(3, "pid")], [Kind::Text, Kind::Integer]);
    }
}

//! Text: splitting and regular expressions.

use std::cell::RefCell;

use regex_lite::Regex;
use rusqlite::functions::Context;
use rusqlite::types::Value;
use rusqlite::{Connection, Error, Result};

use super::{index, pure, string};

/// Expressions that are kept compiled; a query has one or two.
const KEPT: usize = 16;

thread_local! {
    static COMPILED: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn register(connection: &Connection) -> Result<()> {
    pure(connection, "split", 3, |c| {
        let (Some(text), Some(delimiters), Some(place)) = (string(c, 0), string(c, 1), index(c, 2)) else {
            return Ok(None);
        };
        let mut parts = text.split(|letter| delimiters.contains(letter)).filter(|part| !part.is_empty());
        Ok(parts.nth(place).map(|part| Value::Text(part.to_owned())))
    })?;
    pure(connection, "regex_match", 3, |c| {
        with_regex(c, |text, regex, place| {
            let found = regex.captures(text)?;
            Some(found.get(place)?.as_str().to_owned())
        })
    })?;
    pure(connection, "regex_split", 3, |c| {
        with_regex(c, |text, regex, place| regex.split(text).nth(place).map(str::to_owned))
    })?;
    pure(connection, "reverse", 1, |c| Ok(string(c, 0).map(|text| Value::Text(text.chars().rev().collect()))))
}

/// Text, expression, place: what all of these take.
fn with_regex(
    context: &Context<'_>,
    find: impl Fn(&str, &Regex, usize) -> Option<String>,
) -> Result<Option<Value>> {
    let (Some(text), Some(pattern), Some(place)) =
        (string(context, 0), string(context, 1), index(context, 2))
    else {
        return Ok(None);
    };
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.iter().any(|(known, _)| *known == pattern) {
            let regex = Regex::new(&pattern)
                .map_err(|error| Error::UserFunctionError(format!("Invalid regex: {error}").into()))?;
            compiled.truncate(KEPT - 1);
            compiled.insert(0, (pattern.clone(), regex));
        }
        let regex = compiled.iter().find(|(known, _)| *known == pattern).map(|(_, regex)| regex);
        Ok(regex.and_then(|regex| find(&text, regex, place)).map(Value::Text))
    })
}

//! osquery's own SQL functions and collations for SQLite: the probe has them on a host, and queries of stored rows have
//! the very same ones, so that a statement means one thing in both places.
//!
//! Pure functions only: what has to look at a host is the probe's. `concat`, `concat_ws` and JSON are SQLite's already.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};

mod encoding;
mod math;
mod network;
mod number;
mod path;
mod text;
mod version;

pub use encoding::{from_base64, hex, to_base64};
pub use number::real_text;

const PURE: FunctionFlags = FunctionFlags::SQLITE_UTF8
    .union(FunctionFlags::SQLITE_DETERMINISTIC)
    .union(FunctionFlags::SQLITE_INNOCUOUS);

/// Makes them known to a connection.
///
/// # Errors
/// When SQLite has no memory.
pub fn register(connection: &Connection) -> Result<()> {
    encoding::register(connection)?;
    math::register(connection)?;
    network::register(connection)?;
    path::register(connection)?;
    text::register(connection)?;
    version::register(connection)
}

/// Makes one pure function known.
fn pure<F>(connection: &Connection, name: &str, arguments: i32, function: F) -> Result<()>
where
    F: Fn(&Context<'_>) -> Result<Option<Value>> + Send + 'static,
{
    connection.create_scalar_function(name, arguments, PURE, move |context| {
        function(context).map(|value| ToSqlOutput::Owned(value.unwrap_or(Value::Null)))
    })
}

/// An argument as text: numbers are written out, NULL is nothing. Bytes that are no UTF-8 stay.
fn bytes(context: &Context<'_>, place: usize) -> Option<Vec<u8>> {
    if place >= context.len() {
        return None;
    }
    match context.get_raw(place) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(real) => Some(real_text(real).into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}

/// As [`bytes`], with what is no UTF-8 replaced.
fn string(context: &Context<'_>, place: usize) -> Option<String> {
    bytes(context, place).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// An argument as a number.
fn real(context: &Context<'_>, place: usize) -> Option<f64> {
    if place >= context.len() {
        return None;
    }
    match context.get_raw(place) {
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(real) => Some(real),
        ValueRef::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

/// An argument as a whole number.
fn index(context: &Context<'_>, place: usize) -> Option<usize> {
    let number = real(context, place)?;
    (number >= 0.0).then_some(number as usize)
}

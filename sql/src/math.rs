//! Numbers. `ceil` and `floor` give whole numbers, as they do in osquery.

use rusqlite::types::Value;
use rusqlite::{Connection, Result};

use super::{pure, real};

pub(super) fn register(connection: &Connection) -> Result<()> {
    for (name, function) in [
        ("sqrt", f64::sqrt as fn(f64) -> f64),
        ("log", f64::ln),
        ("log10", f64::log10),
        ("exp", f64::exp),
        ("sin", f64::sin),
        ("cos", f64::cos),
        ("tan", f64::tan),
        ("cot", |x| 1.0 / x.tan()),
        ("asin", f64::asin),
        ("acos", f64::acos),
        ("atan", f64::atan),
        ("radians", f64::to_radians),
        ("degrees", f64::to_degrees),
        ("square", |x| x * x),
    ] {
        pure(connection, name, 1, move |c| Ok(real(c, 0).and_then(|x| finite(function(x)))))?;
    }
    for name in ["power", "pow"] {
        pure(connection, name, 2, |c| {
            Ok(real(c, 0).zip(real(c, 1)).and_then(|(base, exponent)| finite(base.powf(exponent))))
        })?;
    }
    pure(connection, "atan2", 2, |c| Ok(real(c, 0).zip(real(c, 1)).map(|(y, x)| Value::Real(y.atan2(x)))))?;
    for name in ["ceil", "ceiling"] {
        pure(connection, name, 1, |c| Ok(real(c, 0).map(|x| Value::Integer(x.ceil() as i64))))?;
    }
    pure(connection, "floor", 1, |c| Ok(real(c, 0).map(|x| Value::Integer(x.floor() as i64))))?;
    pure(connection, "pi", 0, |_| Ok(Some(Value::Real(std::f64::consts::PI))))
}

/// A result that is no number is NULL.
fn finite(value: f64) -> Option<Value> {
    value.is_finite().then_some(Value::Real(value))
}

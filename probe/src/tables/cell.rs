//! One value of a row, and osquery's way from text to numbers.

use std::borrow::Cow;

use super::ColumnType;

/// A row: one cell for each declared column, in that order.
pub(crate) type Row = Vec<Cell>;

/// One value. Text is bytes: hosts hold names that are no UTF-8, and these must arrive as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Cell {
    #[default]
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'static, [u8]>),
}

impl Cell {
    /// The value as its column's type demands: a missing text is empty, a text in a number's column is read as
    /// osquery reads it, an INTEGER has 32 bits.
    pub(crate) fn typed(&self, kind: ColumnType) -> Cell {
        match (kind, self) {
            (ColumnType::Text, Cell::Null) => Cell::Text(Cow::Borrowed(b"")),
            (ColumnType::Text, Cell::Integer(number)) => Cell::from(number.to_string()),
            (ColumnType::Integer, Cell::Integer(number)) => Cell::Integer(cut(*number)),
            (ColumnType::Integer, Cell::Text(text)) => {
                parse_integer(text).map_or(Cell::Null, |number| Cell::Integer(cut(number)))
            }
            (ColumnType::BigInt | ColumnType::Unsigned, Cell::Text(text)) => {
                parse_integer(text).map_or(Cell::Null, Cell::Integer)
            }
            _ => self.clone(),
        }
    }

    /// The bytes, when this is text.
    pub(crate) fn as_text(&self) -> Option<&[u8]> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when this is one or a text that reads as one.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Cell::Integer(number) => Some(*number),
            Cell::Text(text) => parse_integer(text),
            // A pid that is compared with 1.0.
            Cell::Real(real) if real.fract() == 0.0 && real.abs() < 9e15 => Some(*real as i64),
            _ => None,
        }
    }
}

fn cut(number: i64) -> i64 {
    i64::from(number as i32)
}

/// `strtol` with base 0: leading blanks, a sign, `0x` and `0` prefixes, and anything after the digits is ignored.
/// `None` when there is no digit at all. What is too large saturates.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', next, ..] if next.is_ascii_hexdigit() => (16, digits.get(2..)?),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let mut value: i64 = 0;
    let mut any = false;
    for byte in digits {
        let Some(digit) = char::from(*byte).to_digit(base) else { break };
        any = true;
        let digit = i64::from(digit);
        value = value.saturating_mul(i64::from(base));
        value = if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) };
    }
    any.then_some(value)
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Cell::Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Cell {
    fn from(text: Vec<u8>) -> Self {
        Cell::Text(Cow::Owned(text))
    }
}

impl From<&[u8]> for Cell {
    fn from(text: &[u8]) -> Self {
        Cell::Text(Cow::Owned(text.to_vec()))
    }
}

impl From<&Vec<u8>> for Cell {
    fn from(text: &Vec<u8>) -> Self {
        Cell::Text(Cow::Owned(text.clone()))
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Cell::Text(Cow::Owned(text.clone().into_bytes()))
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Integer(number)
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        Cell::Integer(i64::from(number))
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Cell::Integer(i64::from(number))
    }
}

impl From<u64> for Cell {
    /// Numbers beyond SQLite's become negative, as they do in osquery's UNSIGNED BIGINT.
    fn from(number: u64) -> Self {
        Cell::Integer(number as i64)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Cell::Integer(number as i64)
    }
}

impl From<bool> for Cell {
    fn from(truth: bool) -> Self {
        Cell::Integer(i64::from(truth))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_strtol_reads_them() {
        for (text, number) in [
            ("0x50", Some(80)),
            ("6000-6010", Some(6000)),
            ("010", Some(8)),
            ("0x", Some(0)),
            ("09", Some(0)),
            (" -12 ", Some(-12)),
            ("+7", Some(7)),
            ("x", None),
            ("", None),
            ("-", None),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
        ] {
            assert_eq!(parse_integer(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn cells_take_the_type_of_their_column() {
        assert_eq!(Cell::Null.typed(ColumnType::Text), Cell::from(""));
        assert_eq!(Cell::Null.typed(ColumnType::BigInt), Cell::Null);
        assert_eq!(Cell::from("4294967296").typed(ColumnType::Integer), Cell::Integer(0));
        assert_eq!(Cell::from("4294967296").typed(ColumnType::BigInt), Cell::Integer(4_294_967_296));
        assert_eq!(Cell::from("x").typed(ColumnType::Integer), Cell::Null);
        assert_eq!(Cell::from(7).typed(ColumnType::Text), Cell::from("7"));
    }
}

//! Rows as osqueryi prints them.

use std::collections::BTreeMap;

/// A row: every value is text, columns are sorted.
pub type Row = BTreeMap<&'static str, String>;
/// The rows of a query.
pub type Rows = Vec<Row>;

/// A row from its cells.
pub(super) fn row<const N: usize>(cells: [(&'static str, String); N]) -> Row {
    cells.into_iter().collect()
}

/// As `osqueryi --json` prints them: one row a line, keys sorted, an empty line where there are none.
pub(super) fn osqueryi(rows: &[Row]) -> String {
    let mut text = String::with_capacity(rows.len() * 120 + 8);
    text.push_str("[\n");
    for (place, row) in rows.iter().enumerate() {
        text.push_str(if place == 0 { "  {" } else { ",\n  {" });
        for (place, (column, value)) in row.iter().enumerate() {
            text.push_str(if place == 0 { "\"" } else { ",\"" });
            text.push_str(column);
            text.push_str("\":\"");
            escape(value, &mut text);
            text.push('"');
        }
        text.push('}');
    }
    text.push_str("\n]\n");
    text
}

fn escape(value: &str, text: &mut String) {
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control.is_control() && control.is_ascii() => {
                text.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_printed_as_osqueryi_prints_them() {
        assert_eq!(osqueryi(&[]), "[\n\n]\n");
        let rows = [
            row([("b", "1".to_owned()), ("a", "say \"x\"\t\u{1b}".to_owned())]),
            row([("a", String::new())]),
        ];
        assert_eq!(
            osqueryi(&rows),
            "[\n  {\"a\":\"say \\\"x\\\"\\t\\u001B\",\"b\":\"1\"},\n  {\"a\":\"\"}\n]\n"
        );
    }
}

//! CSV for spreadsheets, which run what looks like a formula: such cells get a quote in front.

use crate::screen::escape::{escape, is_harmful};
use std::io;

/// A header and rows.
pub(crate) fn document<'a>(
    header: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item = Vec<Vec<u8>>>,
) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.into_iter().map(|name| harmless(name.as_bytes().to_vec())))?;
    for row in rows {
        writer.write_record(row.into_iter().map(harmless))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// Characters that could act on a terminal are spelled out, but for line breaks and tabs, which CSV has room for.
fn harmless(cell: Vec<u8>) -> Vec<u8> {
    let acts = |c: char| is_harmful(c) && !matches!(c, '\n' | '\t');
    let mut text = String::from_utf8_lossy(&cell).into_owned();
    if text.contains(acts) {
        text = text.chars().map(|c| if acts(c) { escape(c.to_string()) } else { c.to_string() }).collect();
    }
    match text.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{text}").into_bytes(),
        _ => text.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_formula_becomes_text() {
        let rows = [
            vec![b"=cmd|' /C calc'!A0".to_vec(), b"a,\"b\"".to_vec()],
            vec![b" @x".to_vec(), b"\x1b[2J\xe2\x80\xae".to_vec()],
        ];
        let text = String::from_utf8(super::document(["x", "y"], rows).unwrap()).unwrap();
        assert_eq!(text, "x,y\n'=cmd|' /C calc'!A0,\"a,\"\"b\"\"\"\n' @x,\\u{1b}[2J\\u{202e}\n");
    }
}

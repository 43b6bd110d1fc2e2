//! CSV for spreadsheets, which run what looks like a formula: such cells get a quote in front.

use herdiff_exchange::text::spreadsheet_cell;
use std::io;

/// A header and rows.
pub(crate) fn document<'a>(
    header: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item = Vec<Vec<u8>>>,
) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.into_iter().map(|name| spreadsheet_cell(name.as_bytes())))?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| spreadsheet_cell(cell)))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// One row.
pub(crate) fn record(cells: impl IntoIterator<Item = Vec<u8>>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells.into_iter().map(|cell| spreadsheet_cell(&cell)))?;
    writer.into_inner().map_err(|error| error.into_error())
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

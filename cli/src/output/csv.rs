//! CSV for spreadsheets, which run what looks like a formula: such cells get a quote in front.

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

fn harmless(cell: Vec<u8>) -> Vec<u8> {
    match cell.first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => [b"'", cell.as_slice()].concat(),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_formula_becomes_text() {
        let rows = [vec![b"=cmd|' /C calc'!A0".to_vec(), b"a,\"b\"".to_vec()]];
        let text = String::from_utf8(super::document(["x", "y"], rows).unwrap()).unwrap();
        assert_eq!(text, "x,y\n'=cmd|' /C calc'!A0,\"a,\"\"b\"\"\"\n");
    }
}

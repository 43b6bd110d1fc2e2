//! `etc_hosts`: names that are answered without asking anybody.

use crate::tables::{Failure, Rows, Scan, Table, all, each_line, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "etc_hosts",
    about: "Names with fixed addresses.",
    sources: "/etc/hosts",
    differences: "",
    columns: &[text("address"), text("hostnames"), integer("pid_with_namespace").hidden()],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let Some(content) = scan.host.read("/etc/hosts") else { return Ok(crate::tables::none()) };
    let mut rows = Vec::new();
    each_line(&scan.host, "/etc/hosts", &content, |line| {
        let Some((address, names)) = parse_line(line) else { return false };
        // A row as in osquery; but an address without a name says nothing to anybody.
        let named = !names.is_empty();
        rows.push(row![address, names, 0]);
        named
    });
    Ok(all(rows))
}

/// The address, and the names with one blank between. A word that begins with `#` begins a comment.
pub(crate) fn parse_line(line: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let address = words.next().filter(|address| !address.starts_with(b"#"))?;
    let names: Vec<&[u8]> = words.take_while(|word| !word.starts_with(b"#")).collect();
    Some((address, names.join(b" ".as_slice())))
}

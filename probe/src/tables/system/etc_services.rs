//! `etc_services` and `etc_protocols`: names of ports and protocols.

use crate::tables::{Failure, Rows, Scan, Table, all, integer, row, text};

pub(crate) static ETC_SERVICES: Table = Table {
    name: "etc_services",
    about: "Names of ports.",
    sources: "/etc/services",
    differences: "",
    columns: &[
        text("name"),
        integer("port"),
        text("protocol"),
        text("aliases"),
        text("comment"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows: services,
};

pub(crate) static ETC_PROTOCOLS: Table = Table {
    name: "etc_protocols",
    about: "Names of protocols.",
    sources: "/etc/protocols",
    differences: "",
    columns: &[
        text("name"),
        integer("number"),
        text("alias"),
        text("comment"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows: protocols,
};

/// The words of each line, and its comment.
fn lines(content: &[u8]) -> impl Iterator<Item = (Vec<&[u8]>, &[u8])> {
    content.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
        let (fields, comment) = line.split_at_checked(at)?;
        let words: Vec<&[u8]> =
            fields.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let comment = comment.strip_prefix(b"#").unwrap_or_default().trim_ascii();
        (!words.is_empty()).then_some((words, comment))
    })
}

fn services(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/etc/services").unwrap_or_default();
    let mut rows = Vec::new();
    for (words, comment) in lines(&content) {
        let [name, place, aliases @ ..] = words.as_slice() else { continue };
        let mut parts = place.split(|byte| *byte == b'/');
        let (Some(port), Some(protocol), None) = (parts.next(), parts.next(), parts.next()) else { continue };
        rows.push(row![*name, port, protocol, aliases.join(b" ".as_slice()), comment, 0]);
    }
    Ok(all(rows))
}

fn protocols(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/etc/protocols").unwrap_or_default();
    let mut rows = Vec::new();
    for (words, comment) in lines(&content) {
        let [name, number, aliases @ ..] = words.as_slice() else { continue };
        // Only the first other name, as in osquery.
        let alias = aliases.first().copied().unwrap_or_default();
        rows.push(row![*name, *number, alias, comment, 0]);
    }
    Ok(all(rows))
}

//! `etc_services` and `etc_protocols`: names of ports and protocols.

use crate::tables::{Failure, Rows, Scan, Table, all, each_line, integer, row, text};

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

/// The words of a line, and its comment.
fn words(line: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let at = line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
    let (fields, comment) = line.split_at_checked(at).unwrap_or((line, b""));
    let words = fields.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    (words, comment.strip_prefix(b"#").unwrap_or_default().trim_ascii())
}

fn services(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/etc/services").unwrap_or_default();
    let mut rows = Vec::new();
    each_line(&scan.host, "/etc/services", &content, |line| {
        let (words, comment) = words(line);
        let [name, place, aliases @ ..] = words.as_slice() else { return false };
        let mut parts = place.split(|byte| *byte == b'/');
        let (Some(port), Some(protocol), None) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        rows.push(row![*name, port, protocol, aliases.join(b" ".as_slice()), comment, 0]);
        true
    });
    Ok(all(rows))
}

fn protocols(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/etc/protocols").unwrap_or_default();
    let mut rows = Vec::new();
    each_line(&scan.host, "/etc/protocols", &content, |line| {
        let (words, comment) = words(line);
        let [name, number, aliases @ ..] = words.as_slice() else { return false };
        // Only the first other name, as in osquery.
        let alias = aliases.first().copied().unwrap_or_default();
        rows.push(row![*name, *number, alias, comment, 0]);
        true
    });
    Ok(all(rows))
}

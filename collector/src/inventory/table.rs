//! Tables: CSV with a header, as exports of asset databases and clouds have it.

use super::LineError;
use super::document::{Document, HostLine, Place, Var, check_group};
use super::host::parse as parse_host;

/// What a column may be called, and what it means.
const COLUMNS: &[(&str, &[&str])] = &[
    ("name", &["host", "hostname", "name", "inventory_hostname", "fqdn"]),
    ("ansible_host", &["address", "ip", "ip_address", "ansible_host"]),
    ("ansible_port", &["port", "ssh_port", "ansible_port"]),
    ("ansible_user", &["user", "ssh_user", "ansible_user"]),
    ("ansible_ssh_private_key_file", &["identity", "key", "key_file", "ansible_ssh_private_key_file"]),
    ("group", &["herd", "group", "groups", "role"]),
];

fn meaning(column: &str) -> Option<&'static str> {
    let column = column.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    COLUMNS.iter().find(|(_, names)| names.contains(&column.as_str())).map(|(meaning, _)| *meaning)
}

/// Whether a line is the header of such a table.
pub(super) fn is_header(line: &str) -> bool {
    line.contains(',') && line.split(',').any(|column| meaning(column.trim_matches('"')) == Some("name"))
}

pub(super) fn read(document: &mut Document, file: usize, text: &str) -> Result<(), LineError> {
    let mut table =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        LineError::new(Place::new(file, usize::try_from(line).unwrap_or(0)), format!("not CSV: {error}"))
    };
    let header = table.headers().map_err(unreadable)?.clone();
    let columns: Vec<Option<&str>> = header.iter().map(meaning).collect();
    let odd: Vec<&str> =
        header.iter().zip(&columns).filter(|(_, meaning)| meaning.is_none()).map(|(name, _)| name).collect();
    if !odd.is_empty() {
        let name = document.name(Place::new(file, 1));
        document.notes.push(format!("{name}: columns that are not used: {}", odd.join(", ")));
    }
    for record in table.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let line = Place::new(file, usize::try_from(line).unwrap_or(0));
        let fail = |why: String| LineError::new(line, why);
        let (mut host, mut vars, mut groups) = (None, Vec::new(), Vec::new());
        for (value, column) in record.iter().zip(&columns).filter(|(value, _)| !value.is_empty()) {
            match column {
                Some("name") => host = Some(value),
                Some("group") => {
                    groups.extend(value.split([';', ' ', '|']).filter(|group| !group.is_empty()))
                }
                Some(name) => {
                    vars.push(Var { line, name: (*name).to_owned(), value: value.to_owned() });
                }
                None => {}
            }
        }
        if host.is_none() && vars.is_empty() && groups.is_empty() {
            continue;
        }
        let host = host.ok_or_else(|| fail("the row names no host".into()))?;
        let word = parse_host(host).map_err(fail)?;
        let mut of = Vec::new();
        for group in groups {
            check_group(group).map_err(fail)?;
            let place = document.group(group);
            document.group_mut(place, |group| group.defined = true);
            of.push(Some(place));
        }
        if of.is_empty() {
            of.push(None);
        }
        for group in of {
            document.hosts.push(HostLine { line, group, word: word.clone(), vars: vars.clone() });
        }
    }
    Ok(())
}

//! The names in OpenSSH's configuration as an inventory: every `Host` line without wildcards. What stands below them is for
//! `ssh -G` to say.

use super::LineError;
use super::document::{Document, HostLine, Place};
use super::host::parse as parse_host;

/// Whether a text's first line that says anything is one of OpenSSH's configuration.
pub(super) fn is_first(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
    let value = words.next().unwrap_or_default();
    matches!(keyword.as_str(), "host" | "match" | "include") && !value.is_empty() && !value.contains('=')
}

pub(super) fn read(document: &mut Document, file: usize, text: &str) -> Result<(), LineError> {
    let name = document.files.get(file).cloned().unwrap_or_default();
    if !name.ends_with(".ssh/config") && name != "/etc/ssh/ssh_config" {
        document.notes.push(format!(
            "{name}: hosts of an OpenSSH configuration; what it says of them counts with -F {name}"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let (keyword, names) = line.split_once(|c: char| c.is_whitespace() || c == '=').unwrap_or((line, ""));
        if !keyword.eq_ignore_ascii_case("host") {
            continue;
        }
        let place = Place::new(file, number + 1);
        for name in names.split_ascii_whitespace().map(|name| name.trim_matches('"')) {
            if name.contains(['*', '?', '!', '[']) || name.starts_with('#') {
                continue;
            }
            let word = parse_host(name).map_err(|why| LineError::new(place, why))?;
            document.hosts.push(HostLine { line: place, group: None, word, vars: Vec::new() });
        }
    }
    Ok(())
}

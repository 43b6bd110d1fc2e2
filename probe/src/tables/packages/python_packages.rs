//! `python_packages`: what pip and its like have installed.

use super::super::accounts::{own_or_asked, passwd, users_asked_for};
use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "python_packages",
    about: "Python packages of the system, and of accounts.",
    sources: "{dist,site}-packages below /usr/lib, /usr/local/lib, ~/.local/lib, ~/.pyenv/versions",
    differences: "",
    columns: &[
        text("name"),
        bigint("uid").pushed(),
        text("version"),
        text("summary"),
        text("author"),
        text("license"),
        text("path"),
        text("directory").pushed(),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: true,
    rows,
};

const MAX_DEPTH: usize = 32;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    let mut rows = Vec::new();
    let named = scan.equal_texts("directory");
    if !named.is_empty() {
        for directory in named {
            walk(host, &directory, &directory, 0, 0, &mut rows);
        }
        return Ok(all(rows));
    }
    if own_or_asked(scan).contains(&0) {
        for base in ["/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"] {
            for python in pythons(host, base.as_bytes()) {
                for kind in ["dist-packages/", "site-packages/"] {
                    let directory = [&python, b"/".as_slice(), kind.as_bytes()].concat();
                    walk(host, &directory, &directory, 0, 0, &mut rows);
                }
            }
        }
    }
    for user in users_asked_for(scan) {
        of_user(host, &user, &mut rows);
    }
    Ok(all(rows))
}

fn of_user(host: &Host, user: &passwd::User, rows: &mut Vec<Row>) {
    let local = [&user.directory, b"/.local/lib".as_slice()].concat();
    for mut python in pythons(host, &local) {
        python.push(b'/');
        walk(host, &python, &python, user.uid, 0, rows);
    }
    let versions = [&user.directory, b"/.pyenv/versions".as_slice()].concat();
    for version in host.list_sorted(&versions) {
        let library = [&versions, b"/".as_slice(), &version.name, b"/lib"].concat();
        for python in pythons(host, &library) {
            let directory = [&python, b"/site-packages/".as_slice()].concat();
            walk(host, &directory, &directory, user.uid, 0, rows);
        }
    }
}

/// `base/python3.11` and its like.
fn pythons(host: &Host, base: &[u8]) -> Vec<Vec<u8>> {
    let found = host.list_sorted(base).into_iter().filter(|entry| entry.name.starts_with(b"python"));
    found.map(|entry| [base, b"/", &entry.name].concat()).collect()
}

fn walk(host: &Host, directory: &[u8], place: &[u8], uid: u32, depth: usize, rows: &mut Vec<Row>) {
    if depth > MAX_DEPTH {
        // Only what is there is not looked into.
        if host.is_directory(place) {
            host.note_too_deep(place);
        }
        return;
    }
    if host.expired() {
        return;
    }
    let separator: &[u8] = if place.ends_with(b"/") { b"" } else { b"/" };
    for entry in host.list_sorted(place) {
        if !entry.kind.is_dir() {
            continue;
        }
        let path = [place, separator, &entry.name].concat();
        let file = if entry.name.ends_with(b".dist-info") {
            "/METADATA"
        } else if entry.name.ends_with(b".egg-info") {
            "/PKG-INFO"
        } else {
            walk(host, directory, &path, uid, depth + 1, rows);
            continue;
        };
        let content = host.read([&path, file.as_bytes()].concat()).unwrap_or_default();
        let [name, version, summary, author, license] = metadata(&content);
        rows.push(row![name, uid, version, summary, author, license, path, directory, 0]);
    }
}

/// Name, version, summary, author, license. As osquery reads it: a line with two colons is none, the last value
/// wins, and the license ends it.
pub(crate) fn metadata(content: &[u8]) -> [Vec<u8>; 5] {
    let mut values = [const { Vec::new() }; 5];
    let keys: [&[u8]; 5] = [b"Name", b"Version", b"Summary", b"Author", b"License"];
    for line in content.split(|byte| *byte == b'\n') {
        let mut parts = line.split(|byte| *byte == b':');
        let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) else { continue };
        let Some(at) = keys.iter().position(|known| *known == key.trim_ascii()) else { continue };
        if let Some(slot) = values.get_mut(at) {
            *slot = value.trim_ascii().to_vec();
        }
        if at == 4 {
            break;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_ends_at_the_license() {
        let [name, version, summary, ..] = metadata(b"Name: a\r\nSummary: x: y\nLicense: MIT\nVersion: 9\n");
        assert_eq!(
            (name.as_slice(), version.as_slice(), summary.as_slice()),
            (b"a".as_slice(), b"".as_slice(), b"".as_slice())
        );
    }
}

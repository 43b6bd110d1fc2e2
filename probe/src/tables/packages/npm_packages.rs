//! `npm_packages`: what npm has installed for the whole system.

use serde_json::Value;

use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, integer, note_malformed, row, text};

pub(crate) static TABLE: Table = Table {
    name: "npm_packages",
    about: "Packages of npm below the usual directories and those of nvm.",
    sources: "node_modules below /usr/lib, /usr/local/lib, /opt/homebrew/lib, ~/.npm-global/lib, ~/.nvm/versions/node/*/lib",
    differences: "",
    columns: &[
        text("name"),
        text("version"),
        text("description"),
        text("author"),
        text("license"),
        text("homepage"),
        text("path"),
        text("directory").pushed(),
        integer("depth"),
        integer("pid_with_namespace").hidden(),
        text("mount_namespace_id").hidden(),
    ],
    per_user: false,
    rows,
};

const MAX_DEPTH: usize = 64;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    let mut directories = scan.equal_texts("directory");
    if directories.is_empty() {
        for fixed in ["/usr/lib/", "/usr/local/lib/", "/opt/homebrew/lib/"] {
            directories.push(fixed.as_bytes().to_vec());
        }
        let mut homes: Vec<Vec<u8>> =
            super::super::accounts::passwd::users(host).iter().map(|user| user.directory.clone()).collect();
        homes.sort();
        homes.dedup();
        for home in homes {
            directories.push([&home, b"/.npm-global/lib/".as_slice()].concat());
            let versions = [&home, b"/.nvm/versions/node".as_slice()].concat();
            for version in host.list_sorted(&versions) {
                directories.push([&versions, b"/".as_slice(), &version.name, b"/lib/"].concat());
            }
        }
    }
    let mut rows = Vec::new();
    for directory in directories {
        let separator: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
        let modules = [&directory, separator, b"node_modules"].concat();
        walk(host, &directory, &modules, 0, &mut rows);
    }
    Ok(all(rows))
}

fn walk(host: &Host, directory: &[u8], modules: &[u8], depth: usize, rows: &mut Vec<Row>) {
    if depth > MAX_DEPTH {
        // Only what is there is not looked into.
        if host.is_directory(modules) {
            host.note_too_deep(modules);
        }
        return;
    }
    if host.expired() {
        return;
    }
    for entry in host.list_sorted(modules) {
        let path = [modules, b"/", &entry.name].concat();
        if entry.kind.is_file() {
            continue;
        }
        if entry.name.starts_with(b"@") {
            for scoped in host.list_sorted(&path) {
                package(host, directory, &[&path, b"/".as_slice(), &scoped.name].concat(), depth, rows);
            }
        } else {
            package(host, directory, &path, depth, rows);
        }
    }
}

fn package(host: &Host, directory: &[u8], path: &[u8], depth: usize, rows: &mut Vec<Row>) {
    let file = [path, b"/package.json"].concat();
    if let Some(content) = host.read(&file) {
        let manifest = manifest(&content);
        note_malformed(host, &file, u64::from(manifest.is_none()));
        let [name, version, description, author, license, homepage] = manifest.unwrap_or_default();
        rows.push(row![name, version, description, author, license, homepage, file, directory, depth, 0, ""]);
    }
    walk(host, directory, &[path, b"/node_modules"].concat(), depth + 1, rows);
}

/// Name, version, description, author, license, homepage. `None` when it is no manifest; what is missing or of another kind is empty.
pub(crate) fn manifest(content: &[u8]) -> Option<[String; 6]> {
    let json: Value = serde_json::from_slice(content).ok().filter(Value::is_object)?;
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let inner = |key: &str, part: &str| {
        json.get(key).and_then(|value| value.get(part)).and_then(Value::as_str).map(str::to_owned)
    };
    Some([
        text("name"),
        text("version"),
        text("description"),
        inner("author", "name").unwrap_or_else(|| text("author")),
        inner("license", "url").unwrap_or_else(|| text("license")),
        text("homepage"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_manifest_is_none() {
        assert_eq!(manifest(b"{\"name\": "), None);
        assert_eq!(manifest(b"[1]"), None);
        assert_eq!(manifest(br#"{"name":"a","author":{"name":"b"}}"#).unwrap()[..4], ["a", "", "", "b"]);
    }
}

//! `deb_packages`: what dpkg knows to be installed.

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, note_malformed, row, text};

const ADMINDIR: &[u8] = b"/var/lib/dpkg";

pub(crate) static DEB_PACKAGES: Table = Table {
    name: "deb_packages",
    about: "Packages that dpkg knows, with their state.",
    sources: "/var/lib/dpkg/status",
    differences: "Packages of /var/lib/dpkg/status.d (distroless images) are read as well.",
    columns: &[
        text("name"),
        text("version").collate("VERSION_DPKG"),
        text("source"),
        bigint("size"),
        text("arch"),
        text("revision"),
        text("status"),
        text("maintainer"),
        text("section"),
        text("priority"),
        text("admindir").pushed(),
        integer("pid_with_namespace").hidden(),
        text("mount_namespace_id").hidden(),
    ],
    per_user: false,
    rows,
};

/// The fields of one package that the table shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Package<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) version: &'a [u8],
    pub(crate) source: &'a [u8],
    pub(crate) size: &'a [u8],
    pub(crate) arch: &'a [u8],
    pub(crate) status: &'a [u8],
    pub(crate) maintainer: &'a [u8],
    pub(crate) section: &'a [u8],
    pub(crate) priority: &'a [u8],
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let asked = scan.equal_texts("admindir");
    let directories = if asked.is_empty() { vec![ADMINDIR.to_vec()] } else { asked };
    let mut rows = Vec::new();
    for directory in directories {
        let mut files = vec![[&directory, b"/status".as_slice()].concat()];
        let parts = [&directory, b"/status.d".as_slice()].concat();
        for entry in scan.host.list_sorted(&parts) {
            if !entry.name.ends_with(b".md5sums") {
                files.push([&parts, b"/".as_slice(), &entry.name].concat());
            }
        }
        for file in files {
            let Some(content) = scan.host.read(&file) else { continue };
            let (packages, malformed) = parse_status(&content);
            note_malformed(&scan.host, &file, malformed);
            for package in packages {
                rows.push(row![
                    package.name,
                    package.version,
                    package.source,
                    package.size,
                    package.arch,
                    revision(package.version),
                    package.status,
                    package.maintainer,
                    package.section,
                    package.priority,
                    &directory,
                    0,
                    ""
                ]);
            }
        }
    }
    Ok(all(rows))
}

/// What follows the last hyphen.
fn revision(version: &[u8]) -> &[u8] {
    match version.iter().rposition(|byte| *byte == b'-') {
        Some(at) => version.get(at + 1..).unwrap_or_default(),
        None => b"",
    }
}

/// Packages of a status file that are there in any way, and how many paragraphs say that something is there without a
/// name or a version, or break off.
pub(crate) fn parse_status(content: &[u8]) -> (Vec<Package<'_>>, u64) {
    let mut packages = Vec::new();
    let mut package = Package::default();
    let (mut malformed, mut begun) = (0, false);
    for line in content.split(|byte| *byte == b'\n').chain([b"".as_slice()]) {
        if line.trim_ascii().is_empty() {
            let done = std::mem::take(&mut package);
            let absent = done.status.ends_with(b" not-installed");
            if !done.name.is_empty() && !done.version.is_empty() && !absent {
                packages.push(done);
            } else if begun && !absent {
                malformed += 1;
            }
            begun = false;
            continue;
        }
        begun = true;
        // A continuation of a field that the table does not show.
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        match line.get(..at).unwrap_or_default() {
            b"Package" => package.name = value,
            b"Version" => package.version = value,
            b"Source" => package.source = value,
            b"Installed-Size" => package.size = value,
            b"Architecture" => package.arch = value,
            b"Status" => package.status = value,
            b"Maintainer" => package.maintainer = value,
            b"Section" => package.section = value,
            b"Priority" => package.priority = value,
            _ => {}
        }
    }
    (packages, malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_status_keeps_what_is_whole() {
        let (packages, malformed) =
            parse_status(b"Package: a\nVersion: 1-2\nStatus: install ok installed\n\nPackage: b\nVers");
        assert_eq!((packages.len(), malformed), (1, 1));
        assert_eq!(revision(packages[0].version), b"2");
    }

    #[test]
    fn what_is_not_installed_is_no_package() {
        let status = b"Package: a\nVersion: 1\nStatus: purge ok not-installed\n\n\n";
        assert_eq!(parse_status(status), (vec![], 0));
    }
}

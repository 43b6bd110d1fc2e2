//! `rpm_packages` and `rpm_package_files`: what rpm knows to be installed.

mod database;
pub(crate) mod header;
pub(crate) mod old;

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};
use header::{Header, Tag};

pub(crate) static RPM_PACKAGES: Table = Table {
    name: "rpm_packages",
    about: "Packages that rpm knows.",
    sources: "rpmdb.sqlite, Packages (Berkeley DB) or Packages.db (ndb) in /usr/lib/sysimage/rpm or /var/lib/rpm",
    differences: "What a writer has not folded into rpmdb.sqlite yet is counted as unread.",
    columns: &[
        text("name").pushed(),
        text("version").collate("VERSION_RHEL"),
        text("release"),
        text("source"),
        bigint("size"),
        text("sha1"),
        text("arch"),
        integer("epoch"),
        integer("install_time"),
        text("vendor"),
        text("package_group"),
        integer("pid_with_namespace").hidden(),
        text("mount_namespace_id").hidden(),
    ],
    per_user: false,
    rows: packages,
};

fn packages(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    database::each(&scan.host, &scan.equal_texts("name"), &mut |bytes| {
        let Some(header) = Header::parse(bytes) else { return false };
        rows.push(row![
            header.text(Tag::NAME),
            header.text(Tag::VERSION),
            header.text(Tag::RELEASE),
            header.text(Tag::SOURCE),
            header.number(Tag::LONG_SIZE).or_else(|| header.number(Tag::SIZE)),
            header.text(Tag::SHA1),
            header.text(Tag::ARCH),
            header.number(Tag::EPOCH).unwrap_or(0),
            header.number(Tag::INSTALL_TIME),
            header.text(Tag::VENDOR),
            header.text(Tag::GROUP),
            0,
            ""
        ]);
        true
    });
    Ok(all(rows))
}

pub(crate) static RPM_PACKAGE_FILES: Table = Table {
    name: "rpm_package_files",
    about: "Files that rpm installed, with the owner, mode and digest that they should have.",
    sources: "as rpm_packages",
    differences: "As rpm_packages.",
    columns: &[
        text("package").pushed(),
        text("path"),
        text("username"),
        text("groupname"),
        text("mode"),
        bigint("size"),
        text("sha256"),
    ],
    per_user: false,
    rows: files,
};

fn files(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    database::each(&scan.host, &scan.equal_texts("package"), &mut |bytes| {
        let Some(header) = Header::parse(bytes) else { return false };
        let package = header.text(Tag::NAME);
        let directories = header.texts(Tag::DIRECTORIES);
        let places = header.numbers(Tag::DIRECTORY_INDEXES);
        let (users, groups) = (header.texts(Tag::FILE_USERS), header.texts(Tag::FILE_GROUPS));
        let (modes, sizes) = (header.numbers(Tag::FILE_MODES), header.numbers(Tag::FILE_SIZES));
        let digests = header.texts(Tag::FILE_DIGESTS);
        for (place, name) in header.texts(Tag::BASE_NAMES).into_iter().enumerate() {
            let directory = places.get(place).and_then(|at| directories.get(usize::try_from(*at).ok()?));
            let path = [directory.map(Vec::as_slice).unwrap_or_default(), &name].concat();
            let mode = modes.get(place).map(|mode| format!("{:04o}", mode & 0o7777));
            rows.push(row![
                &package,
                path,
                users.get(place).cloned(),
                groups.get(place).cloned(),
                mode,
                sizes.get(place).copied(),
                digests.get(place).cloned()
            ]);
        }
        true
    });
    Ok(all(rows))
}

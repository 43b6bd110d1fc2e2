//! `os_version`: the distribution and its version.

use std::collections::HashMap;

use super::unquoted;
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "os_version",
    about: "The distribution and its version.",
    sources: "/etc/os-release, /usr/lib/os-release, /etc/redhat-release, uname",
    differences: "Of a tree without /proc the `arch` is empty: the machine that reads it need not be the one that ran it.",
    columns: &[
        text("name"),
        text("version"),
        integer("major"),
        integer("minor"),
        integer("patch"),
        text("build"),
        text("platform"),
        text("platform_like"),
        text("codename"),
        text("arch"),
        integer("pid_with_namespace").hidden(),
        text("mount_namespace_id").hidden(),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    let content = host.read("/etc/os-release").or_else(|| host.read("/usr/lib/os-release"));
    // Of a disk image nobody knows on which machine it ran.
    let machine = || rustix::system::uname().machine().to_bytes().to_vec();
    let arch = host.kernel().map(|()| machine()).unwrap_or_default();
    let Some(content) = content else {
        let Some(old) = host.read_line("/etc/redhat-release") else { return Ok(crate::tables::none()) };
        // `CentOS release 6.10 (Final)`
        let version =
            old.split_ascii_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let [major, minor, patch] = numbers(version.unwrap_or_default());
        let name = old.split(" release").next().unwrap_or_default().to_owned();
        return Ok(all(vec![row![name, &old, major, minor, patch, "", "rhel", "rhel", "", arch, 0, ""]]));
    };
    let mut values = HashMap::new();
    for line in content.split(|byte| *byte == b'\n') {
        if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            let (key, value) = line.split_at(at);
            values.insert(key.trim_ascii(), unquoted(value.get(1..).unwrap_or_default()));
        }
    }
    let value = |key: &str| values.get(key.as_bytes()).copied().unwrap_or_default();
    let [major, minor, patch] = numbers(&String::from_utf8_lossy(value("VERSION_ID")));
    Ok(all(vec![row![
        value("NAME"),
        if value("VERSION").is_empty() { value("VERSION_ID") } else { value("VERSION") },
        major,
        minor,
        patch,
        value("BUILD_ID"),
        value("ID"),
        value("ID_LIKE"),
        value("VERSION_CODENAME"),
        arch,
        0,
        ""
    ]]))
}

/// Three numbers of a version; missing ones are 0.
fn numbers(version: &str) -> [Cell; 3] {
    let mut parts = version.split('.').map(|part| part.parse::<i64>().unwrap_or(0));
    [(); 3].map(|()| Cell::Integer(parts.next().unwrap_or(0)))
}

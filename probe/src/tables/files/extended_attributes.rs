//! `extended_attributes`: what file systems keep beside a file, such as capabilities.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use herdiff_sql::to_base64;
use rustix::fs::{OFlags, getxattr, listxattr};

use super::file::split;
use super::pattern::asked_for;
use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "extended_attributes",
    about: "Attributes beside files: capabilities, labels, access lists.",
    sources: "listxattr, getxattr",
    differences: "Values of `security.capability` are shown as they are, in base64.",
    columns: &[
        text("path").required(),
        text("directory").required(),
        text("key"),
        text("value"),
        integer("base64"),
    ],
    per_user: false,
    rows,
};

/// The kernel's limits.
const LIST_BYTES: usize = 64 << 10;
const VALUE_BYTES: usize = 64 << 10;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = Arc::clone(&scan.host);
    Ok(Box::new(asked_for(scan).flat_map(move |found| {
        let directory = found.directory.unwrap_or_else(|| split(&found.path).0.to_vec());
        attributes(&host, &found.path, &directory)
    })))
}

fn attributes(host: &Host, path: &[u8], directory: &[u8]) -> Vec<Row> {
    let Ok(handle) = host.open_with(path, OFlags::PATH) else { return Vec::new() };
    // A handle of a path has no attributes of its own, but its name below /proc has.
    let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let mut names = vec![0_u8; LIST_BYTES];
    let length = match listxattr(name.as_str(), names.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Vec::new(),
        Err(errno) => {
            host.note(path, &crate::host::os_words(errno));
            return Vec::new();
        }
    };
    let keys = names.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|key| !key.is_empty());
    keys.filter_map(|key| {
        let mut value = vec![0_u8; VALUE_BYTES];
        let length = getxattr(name.as_str(), key, value.as_mut_slice()).ok()?;
        value.truncate(length);
        let plain = value.iter().all(|byte| (0x20..0x7f).contains(byte));
        let shown = if plain { value } else { to_base64(&value).into_bytes() };
        Some(row![path, directory, key, shown, !plain])
    })
    .collect()
}

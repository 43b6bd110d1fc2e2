//! Programs with their owner's rights anywhere on local file systems, which `suid_bin` does not look at.

use rustix::fs::{FileType, Mode};

use super::Hidden;
use crate::host::Host;
use crate::tables::system::mounts::mounts;

/// File systems of local disks and memory. Others may wait for a server.
const LOCAL: [&[u8]; 12] = [
    b"ext2",
    b"ext3",
    b"ext4",
    b"xfs",
    b"btrfs",
    b"tmpfs",
    b"overlay",
    b"zfs",
    b"f2fs",
    b"jfs",
    b"reiserfs",
    b"vfat",
];
/// Where `suid_bin` looks.
const LOOKED_AT: [&[u8]; 7] =
    [b"/bin/", b"/sbin/", b"/usr/bin/", b"/usr/sbin/", b"/usr/local/bin/", b"/usr/local/sbin/", b"/tmp/"];
const MAX_DEPTH: usize = 128;

pub(super) fn hidden(host: &Host) -> Vec<Hidden> {
    let mut starts: Vec<Vec<u8>> = mounts(host)
        .into_iter()
        .filter(|mount| LOCAL.contains(&mount.kind.as_slice()))
        .map(|mount| mount.path)
        .collect();
    if starts.is_empty() || !host.is_live() {
        starts = vec![b"/".to_vec()];
    }
    starts.sort();
    starts.dedup();
    let mut found = Vec::new();
    for start in starts {
        walk(host, &start, &mut found);
    }
    found
}

/// Stays on one file system: what is mounted below has a walk of its own.
fn walk(host: &Host, start: &[u8], found: &mut Vec<Hidden>) {
    let Ok(top) = host.stat(start, true) else { return };
    let mut open = vec![(start.to_vec(), 0_usize)];
    while let Some((directory, depth)) = open.pop() {
        if host.expired() {
            return;
        }
        let separator: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
        for entry in host.list(&directory) {
            if entry.kind.is_symlink() {
                continue;
            }
            let path = [&directory, separator, &entry.name].concat();
            let Some(stat) = host.look(&path, false) else { continue };
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind.is_dir() {
                if depth >= MAX_DEPTH {
                    host.note_too_deep(&path);
                } else if stat.st_dev == top.st_dev {
                    open.push((path, depth + 1));
                }
                continue;
            }
            let mode = Mode::from_raw_mode(stat.st_mode);
            let lends = kind.is_file() && mode.intersects(Mode::SUID | Mode::SGID);
            if lends && !LOOKED_AT.iter().any(|place| path.starts_with(place)) {
                found.push(Hidden {
                    kind: "setuid",
                    id: path,
                    seen_by: "walk of the file system",
                    not_seen_by: "suid_bin",
                    detail: format!(
                        "mode {:04o}, owner {}:{}",
                        stat.st_mode & 0o7777,
                        stat.st_uid,
                        stat.st_gid
                    ),
                });
            }
        }
    }
}

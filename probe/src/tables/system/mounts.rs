//! `mounts`: file systems and where they hang.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::OFlags;

use crate::host::Host;
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, each_line, row, text};

pub(crate) static TABLE: Table = Table {
    name: "mounts",
    about: "File systems and where they are mounted.",
    sources: "/proc/mounts, statfs",
    differences: "A network file system that does not answer is not asked for its sizes: they are NULL, and the \
                  sweep goes on.",
    columns: &[
        text("device"),
        text("device_alias"),
        text("path"),
        text("type"),
        bigint("blocks_size"),
        bigint("blocks"),
        bigint("blocks_free"),
        bigint("blocks_available"),
        bigint("inodes"),
        bigint("inodes_free"),
        text("flags"),
    ],
    per_user: false,
    rows,
};

/// Asking these may wait for a server, or start a daemon.
const REMOTE: [&[u8]; 10] =
    [b"nfs", b"nfs4", b"cifs", b"smb3", b"smbfs", b"afs", b"ceph", b"9p", b"autofs", b"glusterfs"];

/// One line of the mount table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) device: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Vec<u8>,
    pub(crate) flags: Vec<u8>,
}

/// The mount table of this process, or of the first one of another root.
pub(crate) fn mounts(host: &Host) -> Vec<Mount> {
    let content = if host.is_live() {
        host.read("/proc/self/mounts")
    } else {
        // `/proc/mounts` of a copied tree may be a link to `self/mounts` that leads nowhere.
        host.read("/proc/mounts").or_else(|| host.read("/proc/1/mounts"))
    };
    let mut mounts = Vec::new();
    each_line(host, "/proc/mounts", &content.unwrap_or_default(), |line| {
        let mount = parse_line(line);
        let makes_sense = mount.is_some();
        mounts.extend(mount);
        makes_sense
    });
    mounts
}

pub(crate) fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ').map(unescaped);
    Some(Mount { device: words.next()?, path: words.next()?, kind: words.next()?, flags: words.next()? })
}

/// Blanks and backslashes stand as three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let sizes_wanted =
        scan.uses_any(&["blocks_size", "blocks", "blocks_free", "blocks_available", "inodes", "inodes_free"]);
    let mut rows = Vec::new();
    for mount in mounts(&scan.host) {
        let sizes = if sizes_wanted { sizes(&scan.host, &mount) } else { Default::default() };
        let [size, blocks, free, available, inodes, inodes_free] = sizes;
        let alias = alias(&scan.host, &mount.device);
        rows.push(row![
            mount.device,
            alias,
            mount.path,
            mount.kind,
            size,
            blocks,
            free,
            available,
            inodes,
            inodes_free,
            mount.flags
        ]);
    }
    Ok(all(rows))
}

fn sizes(host: &Host, mount: &Mount) -> [Cell; 6] {
    let remote = REMOTE.contains(&mount.kind.as_slice()) || mount.kind.starts_with(b"fuse");
    if !host.is_live() || remote {
        return Default::default();
    }
    match rustix::fs::statfs(OsStr::from_bytes(&mount.path)) {
        Ok(stat) => [
            Cell::from(stat.f_bsize),
            Cell::from(stat.f_blocks),
            Cell::from(stat.f_bfree),
            Cell::from(stat.f_bavail),
            Cell::from(stat.f_files),
            Cell::from(stat.f_ffree),
        ],
        Err(errno) => {
            host.note(&mount.path, &crate::host::os_words(errno));
            Default::default()
        }
    }
}

/// What a device is called without links, as `/dev/mapper/root` is `/dev/dm-0`.
fn alias(host: &Host, device: &[u8]) -> Vec<u8> {
    if !device.starts_with(b"/") || host.open_with(device, OFlags::PATH | OFlags::NOFOLLOW).is_err() {
        return device.to_vec();
    }
    if host.is_live() {
        let real = std::fs::canonicalize(OsStr::from_bytes(device));
        return real.map_or_else(|_| device.to_vec(), |real| real.as_os_str().as_bytes().to_vec());
    }
    host.read_link(device).unwrap_or_else(|_| device.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_blanks_become_blanks() {
        let mount = parse_line(b"/dev/sda1 /mnt/a\\040b\\134 ext4 rw 0 0").unwrap();
        assert_eq!(mount.path, b"/mnt/a b\\");
        assert_eq!(parse_line(b"half a"), None);
        assert_eq!(unescaped(b"\\"), b"\\");
        assert_eq!(unescaped(b"\\999"), b"\\999");
    }
}

//! `file`: what is at a path.

use std::sync::Arc;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::pattern::{Found, asked_for};
use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "file",
    about: "What is at a path: owner, mode, times, type. Through symbolic links, as osquery does it.",
    sources: "stat, lstat, readlink",
    differences: "`btime` is 0, as it is in osquery on Linux.",
    columns: &[
        text("path").required(),
        text("directory").required(),
        text("filename"),
        bigint("inode"),
        bigint("uid"),
        bigint("gid"),
        text("mode"),
        bigint("device"),
        bigint("size"),
        integer("block_size"),
        bigint("atime"),
        bigint("mtime"),
        bigint("ctime"),
        bigint("btime"),
        integer("hard_links"),
        integer("symlink"),
        text("type"),
        text("symlink_target_path"),
        integer("pid_with_namespace").hidden(),
        text("mount_namespace_id").hidden(),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = Arc::clone(&scan.host);
    Ok(Box::new(asked_for(scan).filter_map(move |found| file_row(&host, found))))
}

fn file_row(host: &Host, found: Found) -> Option<Row> {
    let link = host.look(&found.path, false)?;
    let is_link = FileType::from_raw_mode(link.st_mode).is_symlink();
    let target = if is_link { host.stat(&found.path, true) } else { Ok(link) };
    // What a link that leads nowhere says of itself is all that there is to say.
    let stat = *target.as_ref().unwrap_or(&link);
    let to = if is_link { host.read_link(&found.path).unwrap_or_default() } else { Vec::new() };
    let (directory, name) = split(&found.path);
    let directory = found.directory.unwrap_or_else(|| directory.to_vec());
    Some(row![
        &found.path,
        directory,
        name,
        stat.st_ino,
        stat.st_uid,
        stat.st_gid,
        format!("{:04o}", stat.st_mode & 0o7777),
        stat.st_rdev,
        stat.st_size,
        i64::from(stat.st_blksize as i32),
        seconds(stat.st_atime),
        seconds(stat.st_mtime),
        seconds(stat.st_ctime),
        0,
        u64::from(stat.st_nlink as u32),
        is_link,
        kind(&target),
        to,
        0,
        ""
    ])
}

/// Seconds since 1970. 32-bit systems have their own type for it.
#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
fn seconds(time: impl TryInto<i64>) -> i64 {
    time.try_into().unwrap_or(i64::MAX)
}

/// The directory and the last part. A path that ends in a slash is its own directory, and its name is `.`.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        None => (b"", path),
        Some(0) if path.len() == 1 => (b"/", b"/"),
        Some(at) => {
            let name = path.get(at + 1..).unwrap_or_default();
            let directory = path.get(..at.max(1)).unwrap_or_default();
            (directory, if name.is_empty() { b"." } else { name })
        }
    }
}

fn kind(target: &Result<Stat, Errno>) -> &'static str {
    match target {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => "regular",
            FileType::Directory => "directory",
            FileType::Symlink => "symlink",
            FileType::BlockDevice => "block",
            FileType::CharacterDevice => "character",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            FileType::Unknown => "unknown",
        },
        Err(Errno::NOENT) => "unknown",
        Err(_) => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_as_boost_splits_them() {
        for (path, directory, name) in [
            ("/etc/passwd", "/etc", "passwd"),
            ("/etc", "/", "etc"),
            ("/", "/", "/"),
            ("/opt/files/", "/opt/files", "."),
            ("//etc//group", "//etc/", "group"),
            ("x", "", "x"),
        ] {
            let (d, n) = split(path.as_bytes());
            assert_eq!((d, n), (directory.as_bytes(), name.as_bytes()), "{path}");
        }
    }
}

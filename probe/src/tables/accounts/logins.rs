//! `last` and `logged_in_users`: who came and who is here, as the login programs wrote it down.

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, note_malformed, row, text};

pub(crate) static LAST: Table = Table {
    name: "last",
    about: "Logins and logouts.",
    sources: "/var/log/wtmp",
    differences: "",
    columns: &[
        text("username"),
        text("tty"),
        integer("pid"),
        integer("type"),
        text("type_name"),
        integer("time"),
        text("host"),
    ],
    per_user: false,
    rows: last,
};

pub(crate) static LOGGED_IN_USERS: Table = Table {
    name: "logged_in_users",
    about: "Who is logged in, and what else the login programs keep.",
    sources: "/var/run/utmp",
    differences: "osquery leaves out records with pid 1, whatever they say; here they are shown. A name of 32 \
                  letters does not run into the host.",
    columns: &[
        text("type"),
        text("user"),
        text("tty"),
        text("host"),
        bigint("time"),
        integer("pid"),
        text("sid").hidden().absent(),
        text("registry_hive").hidden().absent(),
    ],
    per_user: false,
    rows: logged_in,
};

const USER_PROCESS: i16 = 7;
const DEAD_PROCESS: i16 = 8;
const TYPES: [&str; 10] =
    ["empty", "runlevel", "boot_time", "new_time", "old_time", "init", "login", "user", "dead", "accounting"];

/// Length of a record and the place of its time: 32 bits on x86 and its like, 64 bits on newer architectures.
const LAYOUT: (usize, usize, usize) =
    if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) { (400, 344, 8) } else { (384, 340, 4) };

/// One record of utmp.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: i16,
    pub(crate) pid: i32,
    pub(crate) tty: &'a [u8],
    pub(crate) user: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) time: i64,
}

/// Whole records; a broken end is left out.
pub(crate) fn records(content: &[u8]) -> impl Iterator<Item = Record<'_>> {
    content.chunks_exact(LAYOUT.0).filter_map(|bytes| {
        let (_, time, width) = LAYOUT;
        let time = bytes.get(time..time + width)?;
        let time = match width {
            8 => i64::from_ne_bytes(time.try_into().ok()?),
            _ => i64::from(i32::from_ne_bytes(time.try_into().ok()?)),
        };
        Some(Record {
            kind: i16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?),
            pid: i32::from_ne_bytes(bytes.get(4..8)?.try_into().ok()?),
            tty: until_nul(bytes.get(8..40)?),
            user: until_nul(bytes.get(44..76)?),
            host: until_nul(bytes.get(76..332)?),
            time,
        })
    })
}

/// Half a record at the end: records before it may be shifted.
fn note_broken_end(scan: &Scan, path: &str, content: &[u8]) {
    note_malformed(&scan.host, path, u64::from(!content.len().is_multiple_of(LAYOUT.0)));
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn last(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/var/log/wtmp").unwrap_or_default();
    note_broken_end(scan, "/var/log/wtmp", &content);
    Ok(all(records(&content)
        .filter_map(|record| {
            let name = match record.kind {
                USER_PROCESS => "user-process",
                DEAD_PROCESS => "dead-process",
                _ => return None,
            };
            let kind = i32::from(record.kind);
            Some(row![record.user, record.tty, record.pid, kind, name, record.time, record.host])
        })
        .collect()))
}

fn logged_in(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/var/run/utmp").unwrap_or_default();
    note_broken_end(scan, "/var/run/utmp", &content);
    Ok(all(records(&content)
        .map(|record| {
            let kind = usize::try_from(record.kind).ok().and_then(|kind| TYPES.get(kind)).copied();
            let kind = kind.unwrap_or("unknown");
            row![kind, record.user, record.tty, record.host, record.time, record.pid, "", ""]
        })
        .collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_end_is_left_out() {
        let mut content = vec![0_u8; LAYOUT.0 + 100];
        content[0] = 7;
        content[44..48].copy_from_slice(b"evil");
        let found: Vec<_> = records(&content).collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, found[0].user), (7, b"evil".as_slice()));
    }
}

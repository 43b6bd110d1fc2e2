//! `processes`: what runs, from which file, as whom.

use std::sync::Arc;

use super::proc::{Reader, Stat, joined, number, pids, status_value};
use crate::host::Host;
use crate::tables::{
    Cell, Failure, Row, Rows, Scan, Table, bigint, integer, note_malformed, row, text, unsigned,
};

pub(crate) static TABLE: Table = Table {
    name: "processes",
    about: "What runs, from which file, as whom. Only what a query looks at is read.",
    sources: "/proc/PID/stat, status, cmdline, exe, cwd, root, io, cgroup",
    differences: "`on_disk` looks at the file in the process's own mount namespace, so that containers are not \
                  taken for deleted binaries.",
    columns: &[
        bigint("pid").pushed(),
        text("name"),
        text("path"),
        text("cmdline"),
        text("state"),
        text("cwd"),
        text("root"),
        bigint("uid"),
        bigint("gid"),
        bigint("euid"),
        bigint("egid"),
        bigint("suid"),
        bigint("sgid"),
        integer("on_disk"),
        bigint("wired_size"),
        bigint("resident_size"),
        bigint("total_size"),
        bigint("user_time"),
        bigint("system_time"),
        bigint("disk_bytes_read"),
        bigint("disk_bytes_written"),
        bigint("start_time"),
        bigint("parent"),
        bigint("pgroup"),
        integer("threads"),
        integer("nice"),
        text("cgroup_path"),
        integer("elevated_token").hidden().absent(),
        integer("secure_process").hidden().absent(),
        text("protection_type").hidden().absent(),
        integer("virtual_process").hidden().absent(),
        bigint("elapsed_time").hidden().absent(),
        bigint("handle_count").hidden().absent(),
        bigint("percent_processor_time").hidden().absent(),
        unsigned("upid").hidden().absent(),
        unsigned("uppid").hidden().absent(),
        integer("cpu_type").hidden().absent(),
        integer("cpu_subtype").hidden().absent(),
        integer("translated").hidden().absent(),
    ],
    per_user: false,
    rows,
};

/// The kernel counts in hundredths of a second on every architecture that Linux runs servers on.
const TICKS: i64 = 100;
const DELETED: &[u8] = b" (deleted)";

/// Which files of a process a query needs.
#[derive(Debug, Clone, Copy)]
struct Needs {
    stat: bool,
    status: bool,
    cmdline: bool,
    path: bool,
    cwd: bool,
    root: bool,
    io: bool,
    cgroup: bool,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let needs = Needs {
        stat: scan.uses_any(&[
            "name",
            "state",
            "parent",
            "pgroup",
            "user_time",
            "system_time",
            "nice",
            "threads",
            "start_time",
        ]),
        status: scan.uses_any(&["uid", "gid", "euid", "egid", "suid", "sgid", "resident_size", "total_size"]),
        cmdline: scan.uses("cmdline"),
        path: scan.uses_any(&["path", "on_disk"]),
        cwd: scan.uses("cwd"),
        root: scan.uses("root"),
        io: scan.uses_any(&["disk_bytes_read", "disk_bytes_written"]),
        cgroup: scan.uses("cgroup_path"),
    };
    let boot = if scan.uses("start_time") { boot_time(&scan.host) } else { None };
    let host = Arc::clone(&scan.host);
    let late = Arc::clone(&scan.host);
    let pids = pids(scan).into_iter().take_while(move |_| !late.expired());
    Ok(Box::new(pids.filter_map(move |pid| process(&host, pid, needs, boot))))
}

/// When the system started, in seconds since 1970.
pub(crate) fn boot_time(host: &Host) -> Option<i64> {
    let content = host.read("/proc/stat")?;
    content.split(|byte| *byte == b'\n').find_map(|line| number(line.strip_prefix(b"btime ")?.trim_ascii()))
}

fn process(host: &Host, pid: u32, needs: Needs, boot: Option<i64>) -> Option<Row> {
    let mut reader = Reader::new(host);
    reader.turn_to(pid);
    // The first file decides whether the process is still there.
    let mut name = Vec::new();
    let mut words = [const { Cell::Null }; 8];
    if needs.stat {
        let stat = Stat::parse(reader.file("stat")?).or_else(|| malformed(host, pid, "stat"))?;
        name = stat.name.to_vec();
        let milliseconds = |at| stat.number(at).map(|ticks| ticks.saturating_mul(1000 / TICKS));
        let start = stat.number(22).and_then(|ticks| Some(boot?.saturating_add(ticks / TICKS)));
        words = [
            Cell::from(stat.word(3)),
            Cell::from(stat.number(4)),
            Cell::from(stat.number(5)),
            Cell::from(milliseconds(14)),
            Cell::from(milliseconds(15)),
            Cell::from(stat.number(19)),
            Cell::from(stat.number(20)),
            Cell::from(start),
        ];
    }
    let [state, parent, group, user_time, system_time, nice, threads, start] = words;
    let ids = if needs.status { Ids::parse(reader.file("status")?) } else { Ids::default() };
    let cmdline =
        if needs.cmdline { reader.file("cmdline").map(joined).unwrap_or_default() } else { Vec::new() };
    let executable = if needs.path { executable(host, &mut reader, pid) } else { Executable::default() };
    let cwd = if needs.cwd { reader.link("cwd").unwrap_or_default() } else { Vec::new() };
    let root = if needs.root { reader.link("root").unwrap_or_default() } else { Vec::new() };
    let (read, written) = if needs.io { reader.file("io").map(io).unwrap_or_default() } else { (None, None) };
    let cgroup =
        if needs.cgroup { reader.file("cgroup").map(cgroup).unwrap_or_default() } else { Vec::new() };
    let [uid, euid, suid] = ids.users;
    let [gid, egid, sgid] = ids.groups;
    let mut row = row![
        pid,
        name,
        executable.path,
        cmdline,
        state,
        cwd,
        root,
        uid,
        gid,
        euid,
        egid,
        suid,
        sgid,
        executable.on_disk,
        0,
        ids.resident,
        ids.total,
        user_time,
        system_time,
        read,
        written,
        start,
        parent,
        group,
        threads,
        nice,
        cgroup
    ];
    row.resize(TABLE.columns.len(), Cell::Null);
    Some(row)
}

/// A file of a process that makes no sense, as one in a copied tree may.
fn malformed<T>(host: &Host, pid: u32, file: &str) -> Option<T> {
    note_malformed(host, format!("/proc/{pid}/{file}"), 1);
    None
}

/// What `/proc/PID/status` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ids {
    /// Real, effective, saved.
    users: [Option<i64>; 3],
    groups: [Option<i64>; 3],
    /// Bytes.
    resident: Option<i64>,
    total: Option<i64>,
}

impl Ids {
    fn parse(content: &[u8]) -> Self {
        let three = |key| {
            let mut words = status_value(content, key).unwrap_or_default().split(u8::is_ascii_whitespace);
            [(); 3].map(|()| words.next().and_then(number))
        };
        let bytes = |key| {
            let value = status_value(content, key)?;
            number::<i64>(value.strip_suffix(b"kB")?.trim_ascii())?.checked_mul(1024)
        };
        Ids { users: three("Uid"), groups: three("Gid"), resident: bytes("VmRSS"), total: bytes("VmSize") }
    }
}

/// The file that a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Executable {
    pub(crate) path: Vec<u8>,
    /// 1 there, 0 deleted, -1 not to be known (a kernel thread, or no permission).
    pub(crate) on_disk: i32,
}

impl Default for Executable {
    fn default() -> Self {
        Executable { path: Vec::new(), on_disk: -1 }
    }
}

/// The file that a process runs, and whether it is still there.
pub(crate) fn executable(host: &Host, reader: &mut Reader<'_>, pid: u32) -> Executable {
    let Some(path) = reader.link("exe") else { return Executable::default() };
    let there = |path: &[u8]| {
        let inside = [format!("/proc/{pid}/root").as_bytes(), path].concat();
        host.stat(&inside, true).is_ok() || host.exists(path)
    };
    if let Some(deleted) = path.strip_suffix(DELETED) {
        // A file may really be called so, to look deleted; then it is there.
        if host.is_live() && there(&path) {
            return Executable { path, on_disk: 1 };
        }
        return Executable { path: deleted.to_vec(), on_disk: 0 };
    }
    // The kernel marks what is deleted. A tree of files need not hold every program, so its word is enough.
    let on_disk = i32::from(!host.is_live() || there(&path));
    Executable { path, on_disk }
}

/// Bytes read from and written to disks.
fn io(content: &[u8]) -> (Option<i64>, Option<i64>) {
    let value = |key| status_value(content, key).and_then(number::<i64>);
    let written = value("write_bytes")
        .map(|written| written.saturating_sub(value("cancelled_write_bytes").unwrap_or(0)));
    (value("read_bytes"), written)
}

/// The path in the unified hierarchy, else in the first one named.
pub(crate) fn cgroup(content: &[u8]) -> Vec<u8> {
    let lines = || content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let unified = lines().find_map(|line| line.strip_prefix(b"0::"));
    let first = || lines().next().and_then(|line| line.splitn(3, |byte| *byte == b':').nth(2));
    unified.filter(|path| *path != b"/").or_else(first).or(unified).unwrap_or_default().to_vec()
}

#[cfg(any(test, fuzzing))]
pub(crate) fn parse_status(content: &[u8]) {
    std::hint::black_box((Ids::parse(content), io(content)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_gives_ids_and_sizes() {
        let ids =
            Ids::parse(b"Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nVmSize:\t     10 kB\nVmRSS:\t 2 kB\n");
        assert_eq!(ids.users, [Some(1), Some(2), Some(3)]);
        assert_eq!(ids.groups, [Some(5), Some(6), Some(7)]);
        assert_eq!((ids.total, ids.resident), (Some(10_240), Some(2_048)));
        assert_eq!(Ids::parse(b"\xff\nUid:\n"), Ids::default());
    }

    #[test]
    fn the_unified_cgroup_comes_first() {
        assert_eq!(cgroup(b"12:pids:/a\n0::/b\n"), b"/b");
        assert_eq!(cgroup(b"12:pids:/a\n1:name=systemd:/c\n"), b"/a");
        assert_eq!(cgroup(b"0::/\n"), b"/");
        assert_eq!(cgroup(b""), b"");
    }
}

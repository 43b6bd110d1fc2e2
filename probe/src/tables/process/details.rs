//! What processes have: environments, open files, mapped memory, namespaces.

use std::sync::Arc;

use super::proc::{Reader, number, pids};
use crate::tables::{Cell, Failure, Row, Rows, Scan, Table, bigint, integer, row, text};

pub(crate) static ENVS: Table = Table {
    name: "process_envs",
    about: "Environments of processes.",
    sources: "/proc/PID/environ",
    differences: "",
    columns: &[integer("pid").pushed(), text("key"), text("value")],
    per_user: false,
    rows: |scan| each(scan, envs),
};

pub(crate) static OPEN_FILES: Table = Table {
    name: "process_open_files",
    about: "Files that processes hold open; a deleted one ends in ` (deleted)`.",
    sources: "/proc/PID/fd",
    differences: "",
    columns: &[bigint("pid").pushed(), bigint("fd"), text("path")],
    per_user: false,
    rows: |scan| each(scan, open_files),
};

pub(crate) static MEMORY_MAP: Table = Table {
    name: "process_memory_map",
    about: "Memory of processes: what is mapped where, with which rights.",
    sources: "/proc/PID/maps",
    differences: "",
    columns: &[
        integer("pid").pushed(),
        text("start"),
        text("end"),
        text("permissions"),
        bigint("offset"),
        text("device"),
        integer("inode"),
        text("path"),
        integer("pseudo"),
    ],
    per_user: false,
    rows: |scan| each(scan, memory_map),
};

const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

pub(crate) static PROCESS_NAMESPACES: Table = Table {
    name: "process_namespaces",
    about: "Namespaces of processes, by their inode.",
    sources: "/proc/PID/ns",
    differences: "",
    columns: &[
        integer("pid").pushed(),
        text("cgroup_namespace"),
        text("ipc_namespace"),
        text("mnt_namespace"),
        text("net_namespace"),
        text("pid_namespace"),
        text("user_namespace"),
        text("uts_namespace"),
    ],
    per_user: false,
    rows: |scan| each(scan, namespaces),
};

/// The rows of one process after the other.
fn each(scan: &Scan, rows: fn(u32, &mut Reader<'_>) -> Vec<Row>) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let host = Arc::clone(&scan.host);
    Ok(Box::new(pids(scan).into_iter().flat_map(move |pid| {
        let mut reader = Reader::new(&host);
        reader.turn_to(pid);
        if host.expired() { Vec::new() } else { rows(pid, &mut reader) }
    })))
}

fn envs(pid: u32, reader: &mut Reader<'_>) -> Vec<Row> {
    let Some(content) = reader.file("environ") else { return Vec::new() };
    let settings = content.split(|byte| *byte == 0).filter(|setting| !setting.is_empty());
    settings
        .map(|setting| {
            let at = setting.iter().position(|byte| *byte == b'=').unwrap_or(setting.len());
            let (key, value) = setting.split_at_checked(at).unwrap_or_default();
            row![pid, key, value.strip_prefix(b"=").unwrap_or_default()]
        })
        .collect()
}

fn open_files(pid: u32, reader: &mut Reader<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for descriptor in reader.descriptors() {
        // Sockets, pipes and the like have names without a slash.
        let Some(target) = reader.link(&format!("fd/{descriptor}")).filter(|target| target.starts_with(b"/"))
        else {
            continue;
        };
        rows.push(row![pid, descriptor, target]);
    }
    rows
}

fn memory_map(pid: u32, reader: &mut Reader<'_>) -> Vec<Row> {
    let Some(content) = reader.file("maps") else { return Vec::new() };
    content.split(|byte| *byte == b'\n').filter_map(|line| map_row(pid, line)).collect()
}

/// `start-end rights offset device inode   path`
pub(crate) fn map_row(pid: u32, line: &[u8]) -> Option<Row> {
    let mut parts = line.splitn(6, |byte| *byte == b' ');
    let range = String::from_utf8_lossy(parts.next()?).into_owned();
    let (start, end) = range.split_once('-')?;
    let rights = parts.next()?;
    let offset = i64::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 16).ok();
    let device = parts.next()?;
    let inode = parts.next()?;
    let path = parts.next().unwrap_or_default().trim_ascii_start();
    let pseudo = path.starts_with(b"[");
    Some(row![pid, format!("0x{start}"), format!("0x{end}"), rights, offset, device, inode, path, pseudo])
}

fn namespaces(pid: u32, reader: &mut Reader<'_>) -> Vec<Row> {
    let mut row = row![pid];
    for name in NAMESPACES {
        let link = reader.link(&format!("ns/{name}")).unwrap_or_default();
        let inode = link.split(|byte| *byte == b'[').nth(1).and_then(|rest| rest.strip_suffix(b"]"));
        row.push(Cell::from(inode.unwrap_or_default()));
    }
    vec![row]
}

pub(crate) static OPEN_PIPES: Table = Table {
    name: "process_open_pipes",
    about: "Pipes between processes, with who is at the other end.",
    sources: "/proc/PID/fd, /proc/PID/fdinfo",
    differences: "",
    columns: &[
        bigint("pid").pushed(),
        bigint("fd"),
        text("mode"),
        bigint("inode"),
        text("type"),
        bigint("partner_pid"),
        bigint("partner_fd"),
        text("partner_mode"),
    ],
    per_user: false,
    rows: open_pipes,
};

/// One end of a pipe.
struct End {
    pid: u32,
    fd: u32,
    mode: &'static str,
    inode: u64,
}

fn open_pipes(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let mut ends = Vec::new();
    let mut reader = Reader::new(&scan.host);
    for pid in super::proc::all_pids(&scan.host) {
        reader.turn_to(pid);
        for fd in reader.descriptors() {
            let Some(target) = reader.link(&format!("fd/{fd}")) else { continue };
            let inode =
                target.strip_prefix(b"pipe:[").and_then(|rest| rest.strip_suffix(b"]")).and_then(number);
            if let Some(inode) = inode {
                ends.push(End { pid, fd, mode: mode(&mut reader, fd), inode });
            }
        }
    }
    ends.sort_by_key(|end| (end.inode, end.pid, end.fd));
    let mut rows = Vec::new();
    for group in ends.chunk_by(|a, b| a.inode == b.inode) {
        for (end, partner) in group.iter().flat_map(|end| group.iter().map(move |partner| (end, partner))) {
            if end.pid != partner.pid {
                rows.push(row![
                    end.pid,
                    end.fd,
                    end.mode,
                    end.inode,
                    "anonymous",
                    partner.pid,
                    partner.fd,
                    partner.mode
                ]);
            }
        }
    }
    Ok(crate::tables::all(rows))
}

/// How a descriptor was opened: the last octal digit of its flags.
fn mode(reader: &mut Reader<'_>, fd: u32) -> &'static str {
    let content = reader.file(&format!("fdinfo/{fd}")).unwrap_or_default();
    match super::proc::status_value(content, "flags").and_then(|flags| flags.last()).map(|digit| digit & 3) {
        Some(0) => "r",
        Some(1) => "w",
        Some(2) => "rw",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_with_their_paths() {
        let row = map_row(1, b"7f00-7f10 r-xp 00006000 00:2d 42    /usr/lib/a b.so").unwrap();
        assert_eq!(row[4], Cell::Integer(24_576));
        assert_eq!(row[7], Cell::from("/usr/lib/a b.so"));
        assert_eq!(map_row(1, b"garbage"), None);
        assert_eq!(map_row(1, b"1-2 r 0 0 0").unwrap()[7], Cell::from(b"".as_slice()));
    }
}

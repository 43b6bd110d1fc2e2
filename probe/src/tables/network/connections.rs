//! `connections`: every socket with the whole story of its process in one row.

use std::collections::{HashMap, HashSet};

use super::sockets::{address_text, asked_pids, held_sockets};
use crate::host::Host;
use crate::tables::accounts::passwd;
use crate::tables::process::proc::{Reader, Stat, joined, number, status_value};
use crate::tables::process::processes::{Executable, boot_time, cgroup, executable};
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "connections",
    about: "Every internet socket with its process, user, parent and container in one row.",
    sources: "as process_open_sockets and processes; /etc/passwd",
    differences: "Not in osquery.",
    columns: &[
        text("protocol"),
        text("local_address"),
        integer("local_port"),
        text("remote_address"),
        integer("remote_port"),
        text("state"),
        bigint("pid").pushed(),
        text("name"),
        text("path"),
        text("cmdline"),
        text("cwd"),
        integer("on_disk"),
        bigint("uid"),
        text("user"),
        bigint("gid"),
        bigint("parent"),
        text("parent_name"),
        text("container"),
        bigint("start_time"),
        integer("family"),
        bigint("fd"),
        bigint("socket"),
        text("net_namespace"),
    ],
    per_user: false,
    rows,
};

/// What is told of a process beside its sockets.
#[derive(Debug, Clone, Default)]
struct Story {
    name: Vec<u8>,
    executable: Executable,
    cmdline: Vec<u8>,
    cwd: Vec<u8>,
    uid: Option<i64>,
    gid: Option<i64>,
    parent: Option<i64>,
    container: String,
    start: Option<i64>,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let host = &scan.host;
    let names = passwd::user_names(host);
    let boot = boot_time(host);
    let mut stories: HashMap<u32, Story> = HashMap::new();
    let mut parents: HashMap<i64, Vec<u8>> = HashMap::new();
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for held in held_sockets(host, asked_pids(scan).as_deref()) {
        let socket = &held.socket;
        // A process may hold one socket under several numbers.
        if socket.local.is_none() || !held.holder.is_none_or(|(pid, _)| seen.insert((pid, socket.inode))) {
            continue;
        }
        let story = match held.holder {
            Some((pid, _)) => stories.entry(pid).or_insert_with(|| story(host, pid, boot)).clone(),
            None => Story { uid: socket.uid.map(i64::from), ..Story::default() },
        };
        let parent_name =
            story.parent.map(|parent| parents.entry(parent).or_insert_with(|| name_of(host, parent)).clone());
        let user = story.uid.and_then(|uid| names.get(&u32::try_from(uid).ok()?)).cloned();
        let (pid, fd) = held.holder.map_or((-1, -1), |(pid, fd)| (i64::from(pid), i64::from(fd)));
        rows.push(row![
            protocol(socket.protocol),
            address_text(socket.local),
            socket.local.map_or(0, |(_, port)| u32::from(port)),
            address_text(socket.remote),
            socket.remote.map_or(0, |(_, port)| u32::from(port)),
            socket.state,
            pid,
            story.name,
            story.executable.path,
            story.cmdline,
            story.cwd,
            story.executable.on_disk,
            story.uid,
            user,
            story.gid,
            story.parent,
            parent_name,
            story.container,
            story.start,
            u32::from(socket.family),
            fd,
            socket.inode,
            &*held.namespace
        ]);
    }
    Ok(all(rows))
}

fn protocol(number: u8) -> Cell {
    Cell::from(match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmp6",
        136 => "udplite",
        255 => "raw",
        _ => "",
    })
}

fn story(host: &Host, pid: u32, boot: Option<i64>) -> Story {
    let mut reader = Reader::new(host);
    reader.turn_to(pid);
    let mut story = Story::default();
    if let Some(stat) = reader.file("stat").and_then(Stat::parse) {
        story.name = stat.name.to_vec();
        story.parent = stat.number(4);
        story.start = stat.number(22).and_then(|ticks| Some(boot?.saturating_add(ticks / 100)));
    }
    if let Some(status) = reader.file("status") {
        let first = |key| {
            let ids = status_value(status, key)?;
            ids.split(u8::is_ascii_whitespace).next().and_then(number::<i64>)
        };
        story.uid = first("Uid");
        story.gid = first("Gid");
    }
    story.cmdline = reader.file("cmdline").map(joined).unwrap_or_default();
    story.executable = executable(host, &mut reader, pid);
    story.cwd = reader.link("cwd").unwrap_or_default();
    let path = reader.file("cgroup").map(cgroup).unwrap_or_default();
    story.container = container(&String::from_utf8_lossy(&path));
    story
}

fn name_of(host: &Host, pid: i64) -> Vec<u8> {
    let mut reader = Reader::new(host);
    match u32::try_from(pid) {
        Ok(pid) if pid > 0 => {
            reader.turn_to(pid);
            reader.file("stat").and_then(Stat::parse).map(|stat| stat.name.to_vec()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The id of a container in the path of a control group: 64 hexadecimal digits, as Docker, Podman, containerd and
/// CRI-O write them, or the name behind `/lxc/`.
pub(crate) fn container(cgroup: &str) -> String {
    let mut last = "";
    for word in cgroup.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        if word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            last = word;
        }
    }
    if last.is_empty() {
        let name = cgroup.split_once("/lxc/").or_else(|| cgroup.split_once("/lxc.payload."));
        last = name.and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    }
    last.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_their_control_group() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(container(&format!("/system.slice/docker-{id}.scope")), id);
        assert_eq!(container(&format!("/kubepods/burstable/pod12/{id}")), id);
        assert_eq!(container("/lxc/web/init.scope"), "web");
        assert_eq!(container("/user.slice"), "");
    }
}

//! Processes that the kernel knows and `/proc` does not list.

use std::collections::BTreeSet;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::Hidden;
use crate::host::Host;
use crate::tables::process::proc::{all_pids, number, status_value};
use crate::tables::system::mounts::{Mount, mounts};

/// Ids above the highest one known that are tried as well.
const MARGIN: u32 = 4_096;
/// Small systems are tried completely.
const SMALL: u32 = 131_072;
const MAX_GROUPS: usize = 20_000;

pub(super) fn hidden(host: &Host) -> Vec<Hidden> {
    if host.is_live() && hides_by_order(host) {
        host.note("processes of other users", "hidden by the mount option hidepid");
        return Vec::new();
    }
    let before: BTreeSet<u32> = all_pids(host).into_iter().collect();
    let suspects = if host.is_live() { by_calls(host, &before) } else { BTreeSet::new() };
    let in_groups = in_control_groups(host);
    let after: BTreeSet<u32> = all_pids(host).into_iter().collect();
    let unlisted = |pid: &u32| !before.contains(pid) && !after.contains(pid);
    let mut found = Vec::new();
    for pid in suspects.into_iter().filter(unlisted) {
        // It may have ended since; what is alive still answers. A thread has an id but is no process.
        if answers(pid) && !is_thread(host, pid) {
            found.push(Hidden {
                kind: "process",
                id: pid.to_string().into_bytes(),
                seen_by: "kill(0)",
                not_seen_by: "/proc",
                detail: describe(host, pid),
            });
        }
    }
    let again = in_control_groups(host);
    for (pid, group) in in_groups {
        if unlisted(&pid) && again.iter().any(|(other, _)| *other == pid) {
            found.push(Hidden {
                kind: "process",
                id: pid.to_string().into_bytes(),
                seen_by: "cgroup.procs",
                not_seen_by: "/proc",
                detail: format!("in the control group {group}; {}", describe(host, pid)),
            });
        }
    }
    found
}

/// The administrator may hide the processes of others; to everybody but root that would look like a rootkit.
fn hides_by_order(host: &Host) -> bool {
    let hiding = |flags: &[u8]| {
        flags
            .split(|byte| *byte == b',')
            .filter_map(|flag| flag.strip_prefix(b"hidepid="))
            .any(|how| how != b"0" && how != b"off")
    };
    let asked = |mount: &Mount| mount.kind == b"proc" && mount.path == b"/proc" && hiding(&mount.flags);
    !rustix::process::geteuid().is_root() && mounts(host).iter().any(asked)
}

/// What `/proc` tells of a process that it does not list, if anything.
fn describe(host: &Host, pid: u32) -> String {
    let mut content = Vec::new();
    let read = host.try_read_into(format!("/proc/{pid}/cmdline").as_bytes(), &mut content, 4_096);
    match read {
        Ok(_) => format!("command line: {}", String::from_utf8_lossy(&content).replace('\0', " ").trim_end()),
        Err(_) => "its files in /proc cannot be opened".to_owned(),
    }
}

/// Ids that answer a system call and are not listed.
fn by_calls(host: &Host, listed: &BTreeSet<u32>) -> BTreeSet<u32> {
    let limit = |path: &str| host.read_line(path).and_then(|line| line.parse::<u32>().ok());
    let max = limit("/proc/sys/kernel/pid_max").unwrap_or(SMALL);
    let newest = host.read_line("/proc/loadavg").unwrap_or_default();
    let newest = newest.split_ascii_whitespace().nth(4).and_then(|pid| pid.parse().ok()).unwrap_or(0);
    let known = listed.last().copied().unwrap_or(0).max(newest);
    let end = if max <= SMALL { max } else { known.saturating_add(MARGIN).min(max) };
    (1..=end)
        .filter(|pid| pid % 1_024 != 0 || !host.expired())
        .filter(|pid| !listed.contains(pid) && answers(*pid))
        .collect()
}

/// Asks whether a signal could be sent; none is. A refusal tells of a process as well.
fn answers(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}

/// A thread can be looked up in `/proc` by its id though it is not listed; its group is another process.
fn is_thread(host: &Host, pid: u32) -> bool {
    let mut content = Vec::new();
    let read = host.try_read_into(format!("/proc/{pid}/status").as_bytes(), &mut content, 16 << 10);
    read.is_ok() && status_value(&content, "Tgid").and_then(number::<u32>).is_some_and(|group| group != pid)
}

/// Processes that control groups name, with their group.
fn in_control_groups(host: &Host) -> Vec<(u32, String)> {
    let base = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/systemd"]
        .into_iter()
        .find(|base| host.exists(format!("{base}/cgroup.procs")));
    let Some(base) = base else { return Vec::new() };
    let mut open = vec![base.to_owned()];
    let mut found = Vec::new();
    let mut groups = 0;
    let mut content = Vec::new();
    while let Some(group) = open.pop() {
        groups += 1;
        if groups > MAX_GROUPS || host.expired() {
            break;
        }
        // A threaded group refuses this file; its processes stand in the group above.
        if host.try_read_into(format!("{group}/cgroup.procs").as_bytes(), &mut content, 1 << 20).is_ok() {
            for pid in content.split(|byte| *byte == b'\n').filter_map(number::<u32>) {
                // Processes of an outer namespace are shown as 0.
                if pid != 0 {
                    found.push((pid, group.strip_prefix(base).unwrap_or(&group).to_owned()));
                }
            }
        }
        for entry in host.try_list(group.as_bytes()).unwrap_or_default() {
            if entry.kind.is_dir() {
                open.push(format!("{group}/{}", String::from_utf8_lossy(&entry.name)));
            }
        }
    }
    found
}

//! What two processes hold at a moment: the one that sweeps, which is this one, and the one that serves the hosts.

use super::tasks;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    tasks: usize,
    descriptors: usize,
    pub(super) memory_kb: u64,
    served_descriptors: usize,
    /// Scripts and engines that still run on the hosts.
    served_processes: usize,
    pub(super) served_memory_kb: u64,
    /// Private directories on the hosts that are still there.
    directories: usize,
}

impl Held {
    pub(super) const HEAD: &str =
        "tasks  descriptors  memory kB | hosts: descriptors  processes  directories  memory kB";

    /// Now; of these directories, those that are there.
    pub(super) fn now(server: u32, placed: &[PathBuf]) -> io::Result<Self> {
        let (own, served) = (Path::new("/proc/self"), PathBuf::from(format!("/proc/{server}")));
        Ok(Self {
            tasks: tasks(),
            // Without the one that is open for counting.
            descriptors: fs::read_dir(own.join("fd"))?.count().saturating_sub(1),
            memory_kb: memory(own)?,
            served_descriptors: fs::read_dir(served.join("fd"))?.count(),
            served_processes: children(server)?,
            served_memory_kb: memory(&served)?,
            directories: placed.iter().filter(|place| place.exists()).count(),
        })
    }

    /// Whether anything but memory is more than it was.
    pub(super) fn has_more_than(&self, before: &Self) -> bool {
        let counts = |held: &Self| {
            [held.tasks, held.descriptors, held.served_descriptors, held.served_processes, held.directories]
        };
        counts(self).iter().zip(counts(before)).any(|(now, before)| *now > before)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5}  {:>11}  {:>9} | {:>18}  {:>9}  {:>11}  {:>9}",
            self.tasks,
            self.descriptors,
            self.memory_kb,
            self.served_descriptors,
            self.served_processes,
            self.directories,
            self.served_memory_kb
        )
    }
}

fn memory(process: &Path) -> io::Result<u64> {
    let status = fs::read_to_string(process.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0))
}

/// Children of all threads of a process.
fn children(process: u32) -> io::Result<usize> {
    let mut all = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
        // A thread may have ended meanwhile.
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        all += children.split_whitespace().count();
    }
    Ok(all)
}

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

#[cfg(test)]
mod tests {
    use super::super::{judge, settled};
    use super::*;
    use std::fs::File;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    const NOTHING: Held = Held {
        tasks: 0,
        descriptors: 11,
        memory_kb: 40_000,
        served_descriptors: 500,
        served_processes: 0,
        served_memory_kb: 200_000,
        directories: 0,
    };

    /// A process with as many files open, and another below it.
    fn server(files: &str, below: &str) -> Child {
        let script = format!("{files}{below}echo ready; read line");
        let mut server = Command::new("sh");
        let server = server.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let mut ready = [0; 6];
        io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut ready).unwrap();
        server
    }

    fn end(mut server: Child) {
        drop(server.stdin.take());
        server.wait().unwrap();
    }

    #[tokio::test]
    async fn what_the_hosts_still_have_is_counted() {
        let place = tempfile::tempdir().unwrap();
        let placed = [place.path().to_owned(), place.path().join("gone")];
        let [idle, with_file, with_child] = [("", ""), ("exec 9</dev/null; ", ""), ("", "sleep 60 & ")]
            .map(|(files, below)| server(files, below));
        let of = |server: &Child, placed: &[PathBuf]| Held::now(server.id(), placed).unwrap();
        let before = of(&idle, &[]);
        assert_eq!((before.served_processes, before.directories), (0, 0));
        assert!(before.memory_kb > 0 && before.served_memory_kb > 0);
        assert_eq!(of(&with_file, &[]).served_descriptors, before.served_descriptors + 1);
        assert_eq!(of(&with_child, &[]).served_processes, 1);
        assert_eq!(of(&idle, &placed).directories, 1);
        // What does not end by itself is found after a while.
        let waited = settled(idle.id(), &before, &placed, Duration::from_millis(1)).await.unwrap();
        assert_eq!(waited.directories, 1);
        for server in [idle, with_file] {
            end(server);
        }
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", with_child.id())).unwrap();
        assert!(Command::new("kill").arg(children.trim()).status().unwrap().success());
        end(with_child);
    }

    #[tokio::test]
    async fn what_this_process_still_has_is_counted() {
        /// More than other tests open meanwhile.
        const MANY: usize = 300;
        let own = std::process::id();
        let before = Held::now(own, &[]).unwrap();
        let files: Vec<File> = (0..MANY).map(|_| File::open("/dev/null").unwrap()).collect();
        let task = tokio::spawn(std::future::pending::<()>());
        let after = Held::now(own, &[]).unwrap();
        assert!(after.descriptors > before.descriptors + MANY / 2, "{before}\n{after}");
        assert_eq!(after.tasks, before.tasks + 1);
        task.abort();
        drop(files);
    }

    #[test]
    fn whatever_is_left_fails() {
        let all = [NOTHING; 6];
        assert!(judge(&NOTHING, &all).is_ok());
        for left in [
            Held { tasks: 1, ..NOTHING },
            Held { descriptors: 12, ..NOTHING },
            Held { served_descriptors: 501, ..NOTHING },
            Held { served_processes: 1, ..NOTHING },
            Held { directories: 1, ..NOTHING },
        ] {
            let mut all = all;
            all[3] = left;
            let error = judge(&NOTHING, &all).unwrap_err().to_string();
            assert!(error.starts_with("sweep 4 has left something"), "{error}");
        }
    }

    #[test]
    fn memory_that_grows_fails_and_memory_that_varies_does_not() {
        let with = |memory: fn(u64) -> Held| [0, 1, 2, 3, 4, 5, 6, 7].map(memory);
        let varies = with(|n| Held { memory_kb: 40_000 + n % 3 * 30_000, ..NOTHING });
        assert!(judge(&NOTHING, &varies).is_ok());
        let grows = with(|n| Held { memory_kb: 40_000 + n * 20_000, ..NOTHING });
        let error = judge(&NOTHING, &grows).unwrap_err().to_string();
        assert_eq!(error, "the memory of the sweeping process grows");
        let grows = with(|n| Held { served_memory_kb: 200_000 + n * 60_000, ..NOTHING });
        let error = judge(&NOTHING, &grows).unwrap_err().to_string();
        assert_eq!(error, "the memory of the serving process grows");
    }
}

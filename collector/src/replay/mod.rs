//! Saved output of osqueryi in place of a fleet: `DIR/<host>/<query>.json`, with the pack in `DIR/pack.conf`; or the result
//! logs of osqueryd.
//!
//! The directory may come from a stranger: names are checked, symbolic links are not followed, files are read under the
//! limits of a sweep. Needs no async runtime.

mod dir;
mod log_line;
mod logs;
mod outcomes;
mod read;

use crate::engine::Limits;
use dir::HostDir;
use herdiff_model::name::{HerdName, QueryName};
use herdiff_model::pack::{Pack, PackError};
use herdiff_model::visit::Visit;
use logs::Logs;
use read::Reader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Visits that a thread may be ahead of the reader.
const AHEAD: usize = 4;

/// Threads that parse; more would only wait for the one that takes the rows in.
const MOST_THREADS: usize = 4;

/// A directory of saved output.
#[derive(Debug)]
pub struct Replay {
    pack: Arc<Pack>,
    source: Source,
    herd: HerdName,
    limits: Arc<Limits>,
    notes: Vec<String>,
}

/// Where the rows are.
#[derive(Debug)]
enum Source {
    Directories(Arc<Vec<HostDir>>),
    Logs(Logs),
}

/// A directory that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It, or something in it, cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No host in it.
    #[error(
        "{path} has no directory of a host: expected {path}/<host>/<query>.json, as `osqueryi --json` prints it, or \
         the result logs of osqueryd"
    )]
    Empty {
        /// The directory.
        path: String,
    },
    /// Logs without a line that osqueryd writes.
    #[error("no line is a result of osqueryd in {}", files.join(", "))]
    NoResults {
        /// The files.
        files: Vec<String>,
    },
    /// Its pack.conf is no pack.
    #[error("{path}: {source}")]
    Pack {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: PackError,
    },
}

impl Replay {
    /// Looks at what is there; rows are read by [`Replay::visits`]. `herd` is where its hosts belong; without one they
    /// are of the herd that bears the directory's name.
    pub fn open(path: &Path, herd: Option<HerdName>, limits: Limits) -> Result<Self, ReplayError> {
        let shown = path.display().to_string();
        if !path.is_dir() {
            return Self::open_logs(path, &logs::files(path)?, herd, limits);
        }
        let (hosts, mut notes) = dir::hosts(path)?;
        let mut hosts = outcomes::apply(path, hosts, &mut notes)?;
        if herd.is_some() {
            hosts.iter_mut().for_each(|host| host.herd = None);
        }
        if hosts.is_empty() {
            let files = logs::files(path)?;
            if !files.is_empty() {
                return Self::open_logs(path, &files, herd, limits);
            }
            return Err(ReplayError::Empty { path: shown });
        }
        let pack = match dir::pack_text(path)? {
            Some(text) => {
                let file = path.join("pack.conf").display().to_string();
                let pack = Pack::parse(&text).map_err(|source| ReplayError::Pack { path: file, source })?;
                notes.extend(strangers(&pack, &hosts));
                pack
            }
            None => {
                let names: BTreeSet<&QueryName> = hosts.iter().flat_map(|host| host.files.keys()).collect();
                Pack::of_names(names.into_iter().cloned())
            }
        };
        let herd = herd.unwrap_or_else(|| herd_of(path));
        let source = Source::Directories(Arc::new(hosts));
        Ok(Self { pack: Arc::new(pack), source, herd, limits: Arc::new(limits), notes })
    }

    /// The logs of osqueryd, with `pack.conf` beside them where it is there.
    fn open_logs(
        path: &Path,
        files: &[PathBuf],
        herd: Option<HerdName>,
        limits: Limits,
    ) -> Result<Self, ReplayError> {
        let mut notes = Vec::new();
        let logs = Logs::read(files, &limits, &mut notes)?;
        let directory = if path.is_dir() { Some(path) } else { path.parent() };
        let directory =
            directory.filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let pack = match dir::pack_text(directory)? {
            Some(text) => {
                let file = directory.join("pack.conf").display().to_string();
                let pack = Pack::parse(&text).map_err(|source| ReplayError::Pack { path: file, source })?;
                let strangers: Vec<_> = logs.strangers(&pack).collect();
                if let Some(first) = strangers.first() {
                    notes.push(format!(
                        "not in pack.conf, so passed over: {first:?}, of {} queries of the log",
                        strangers.len()
                    ));
                }
                pack
            }
            None => Pack::of_names(logs.names()),
        };
        let herd = herd.unwrap_or_else(|| herd_of(directory));
        Ok(Self { pack: Arc::new(pack), source: Source::Logs(logs), herd, limits: Arc::new(limits), notes })
    }

    /// The pack of `pack.conf`, or else the names of the files.
    pub fn pack(&self) -> &Arc<Pack> {
        &self.pack
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        match &self.source {
            Source::Directories(hosts) => hosts.len(),
            Source::Logs(logs) => logs.hosts(),
        }
    }

    /// What the reader should know: files that were passed over, for example.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// One visit a host, sorted by the host's name. Files are read and parsed ahead on other threads.
    pub fn visits(self) -> Visits {
        let all = match self.source {
            Source::Logs(logs) => {
                let left = logs.hosts();
                return Visits::Logs(Box::new(logs.visits(self.pack, self.herd, self.limits)), left);
            }
            Source::Directories(hosts) => hosts,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.clamp(1, MOST_THREADS).min(all.len().max(1));
        let reader = Arc::new(Reader { pack: self.pack, herd: self.herd, limits: self.limits });
        // Each thread has every n-th host and a queue of its own, so the order does not depend on who is faster.
        let queues = (0..threads).map(|thread| {
            let (sender, receiver) = sync_channel(AHEAD);
            let (reader, hosts) = (Arc::clone(&reader), Arc::clone(&all));
            std::thread::spawn(move || {
                let mut buffer = Vec::new();
                for host in hosts.iter().skip(thread).step_by(threads) {
                    if sender.send(reader.visit(host, &mut buffer)).is_err() {
                        break;
                    }
                }
            });
            receiver
        });
        Visits::Directories(Ahead { queues: queues.collect(), hosts: all, reader, next: 0 })
    }
}

/// The visits of a replay, in the order of the hosts' names.
pub enum Visits {
    /// Of directories.
    Directories(Ahead),
    /// Of logs, with how many there are left.
    Logs(Box<dyn Iterator<Item = Visit>>, usize),
}

impl Iterator for Visits {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        match self {
            Self::Directories(ahead) => ahead.next(),
            Self::Logs(visits, left) => {
                *left = left.saturating_sub(1);
                visits.next()
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Directories(ahead) => ahead.size_hint(),
            Self::Logs(_, left) => (*left, Some(*left)),
        }
    }
}

/// Visits that other threads read ahead.
pub struct Ahead {
    queues: Vec<Receiver<Visit>>,
    hosts: Arc<Vec<HostDir>>,
    reader: Arc<Reader>,
    next: usize,
}

impl Iterator for Ahead {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        let host = self.hosts.get(self.next)?;
        let queue = self.queues.get(self.next.checked_rem(self.queues.len())?)?;
        self.next += 1;
        // A thread that is gone has panicked. Even then its hosts are not lost from the count.
        Some(queue.recv().unwrap_or_else(|_| self.reader.broken(host)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.hosts.len() - self.next;
        (left, Some(left))
    }
}

/// Files that the pack does not know.
fn strangers(pack: &Pack, hosts: &[HostDir]) -> Option<String> {
    let known: BTreeSet<&QueryName> = pack.queries().iter().map(|query| &query.name).collect();
    let mut unknown: BTreeMap<&QueryName, usize> = BTreeMap::new();
    for name in hosts.iter().flat_map(|host| host.files.keys()).filter(|name| !known.contains(name)) {
        *unknown.entry(name).or_default() += 1;
    }
    let (first, hosts) = unknown.iter().next()?;
    let more = match unknown.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more queries"),
    };
    Some(format!("not in pack.conf, so passed over: {first:?} (of {hosts} hosts){more}"))
}

/// The directory's own name, also of `.` or `saved/..`.
fn herd_of(path: &Path) -> HerdName {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.unwrap_or_else(|| "all".to_owned()).into()
}

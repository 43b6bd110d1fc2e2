//! Saved output of osqueryi in place of a fleet: `DIR/<host>/<query>.json`, with the pack in `DIR/pack.conf`.
//!
//! The directory may come from a stranger: names are checked, symbolic links are not followed, files are read under the
//! limits of a sweep. Needs no async runtime.

mod dir;
mod read;

use crate::engine::Limits;
use dir::HostDir;
use herdiff_model::name::{HerdName, QueryName};
use herdiff_model::pack::{Pack, PackError};
use herdiff_model::visit::Visit;
use read::Reader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
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
    hosts: Arc<Vec<HostDir>>,
    herd: HerdName,
    limits: Arc<Limits>,
    notes: Vec<String>,
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
        "{path} has no directory of a host: expected {path}/<host>/<query>.json, as `osqueryi --json` prints it"
    )]
    Empty {
        /// The directory.
        path: String,
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
        let (hosts, mut notes) = dir::hosts(path)?;
        if hosts.is_empty() {
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
        Ok(Self { pack: Arc::new(pack), hosts: Arc::new(hosts), herd, limits: Arc::new(limits), notes })
    }

    /// The pack of `pack.conf`, or else the names of the files.
    pub fn pack(&self) -> &Arc<Pack> {
        &self.pack
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// What the reader should know: files that were passed over, for example.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// One visit a host, sorted by the host's name. Files are read and parsed ahead on other threads.
    pub fn visits(self) -> Visits {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.clamp(1, MOST_THREADS).min(self.hosts.len().max(1));
        let reader = Arc::new(Reader { pack: self.pack, herd: self.herd, limits: self.limits });
        // Each thread has every n-th host and a queue of its own, so the order does not depend on who is faster.
        let queues = (0..threads).map(|thread| {
            let (sender, receiver) = sync_channel(AHEAD);
            let (reader, hosts) = (Arc::clone(&reader), Arc::clone(&self.hosts));
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
        Visits { queues: queues.collect(), hosts: self.hosts, reader, next: 0 }
    }
}

/// The visits of a replay, in the order of the hosts' names.
pub struct Visits {
    queues: Vec<Receiver<Visit>>,
    hosts: Arc<Vec<HostDir>>,
    reader: Arc<Reader>,
    next: usize,
}

impl Iterator for Visits {
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

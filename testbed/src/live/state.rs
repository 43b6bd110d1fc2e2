//! What a directory remembers of the fleet that was started from it, so that later commands find it again.

use crate::fault::Fault;
use crate::fleet::FleetPlan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

const NAME: &str = "fleet.json";

/// A fleet that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What it is made of, and how it is found again.
    pub fleet: Running,
    /// What was planted: host, attack, in this order.
    pub planted: Vec<(String, String)>,
    /// Which hosts misbehave, and how.
    pub faults: BTreeMap<String, String>,
}

/// What a fleet is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub enum Running {
    /// A process that serves simulated hosts.
    Simulated {
        /// The process.
        pid: u32,
        /// When it was started, in the kernel's ticks: another process may get its number.
        started: u64,
        /// The trees of its hosts.
        trees: PathBuf,
        /// What the hosts were grown from, a plan for each herd.
        herds: Vec<FleetPlan>,
    },
    /// Containers.
    Compose {
        /// The project's name.
        project: String,
    },
    /// Real sshd in namespaces.
    Sshd {
        /// The process that serves them.
        pid: u32,
        /// When it was started.
        started: u64,
        /// The process that holds their namespaces.
        keeper: u32,
    },
}

impl Running {
    /// The name of the form.
    pub fn form(&self) -> &'static str {
        match self {
            Self::Simulated { .. } => "simulated",
            Self::Compose { .. } => "compose",
            Self::Sshd { .. } => "sshd",
        }
    }
}

/// Why the state is not to be had.
#[derive(Debug, Error)]
pub enum StateError {
    /// There is none.
    #[error("no fleet was started from `{0}`; start one with: herdiff-testbed up -d --dir {0}")]
    NoFleet(PathBuf),
    /// There is one already.
    #[error("a fleet was started from `{0}` and is still up; end it with: herdiff-testbed down --dir {0}")]
    StillUp(PathBuf),
    /// It cannot be read or written.
    #[error("cannot use `{path}`: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
}

impl State {
    /// A fleet that was just started.
    pub fn new(fleet: Running) -> Self {
        Self { fleet, planted: Vec::new(), faults: BTreeMap::new() }
    }

    /// What the directory remembers.
    ///
    /// # Errors
    /// Where it remembers nothing, or something else.
    pub fn read(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::NoFleet(directory.to_owned()));
            }
            Err(cause) => return Err(StateError::File { path, cause }),
        };
        serde_json::from_str(&text).map_err(|cause| StateError::File { path, cause: cause.into() })
    }

    /// The fault of a host, where it has one.
    pub fn fault(&self, host: &str) -> Option<Fault> {
        self.faults.get(host)?.parse().ok()
    }

    /// Whether the directory remembers a fleet.
    pub fn is_in(directory: &Path) -> bool {
        directory.join(NAME).exists()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), StateError> {
        let path = directory.join(NAME);
        let write = || {
            let text = serde_json::to_string_pretty(self)?;
            // Readers see the old one or the new one.
            let new = path.with_extension("new");
            fs::write(&new, text + "\n")?;
            fs::rename(new, &path)
        };
        write().map_err(|cause| StateError::File { path: path.clone(), cause })
    }

    /// Forgets it.
    pub fn forget(directory: &Path) {
        let _ = fs::remove_file(directory.join(NAME));
    }
}

/// When a process was started, in the kernel's ticks since its own start; `None` where there is no such process, or where
/// it has ended and nobody has asked how.
pub fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1;
    let has_ended = matches!(fields.split_whitespace().next(), Some("Z" | "X"));
    fields.split_whitespace().nth(19)?.parse().ok().filter(|_| !has_ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(State::read(directory.path()), Err(StateError::NoFleet(_))));
        let mut state = State::new(Running::Compose { project: "p".to_owned() });
        state.planted.push(("web-1".to_owned(), "miner".to_owned()));
        state.write(directory.path()).unwrap();
        assert_eq!(State::read(directory.path()).unwrap(), state);
        State::forget(directory.path());
        assert!(!State::is_in(directory.path()));
    }

    #[test]
    fn a_process_is_known_by_its_number_and_its_start() {
        assert!(started(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert_eq!(started(u32::MAX), None);
        // Where the first process of a system does not ask how others ended, they would be there for ever.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let stat = || fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        while !stat().contains(") Z ") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(started(child.id()), None);
        child.wait().unwrap();
    }
}

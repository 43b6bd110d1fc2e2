//! The commands, and what they share: their errors, the clock, the program that is shown.

pub(crate) mod bench;
pub(crate) mod change;
mod choice;
pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod evaluate;
pub(crate) mod generate;
mod herdiff;
mod herds;
pub(crate) mod soak;
pub(crate) mod status;
mod truth;
pub(crate) mod up;

use herdiff_testbed::fleet::FleetError;
use herdiff_testbed::generate::GenerateError;
use herdiff_testbed::ground::GroundError;
use herdiff_testbed::live::LiveError;
use herdiff_testbed::site::SiteError;
use std::env;
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::runtime::Runtime;

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("there is no `herdiff` beside {0}; build it with: {1}")]
    NoHerdiff(PathBuf, &'static str),
    #[error("cannot start `{program}`: {cause}")]
    Start {
        program: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error(transparent)]
    Ground(#[from] GroundError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("{0}")]
    NotStarted(String),
    #[error("{0}")]
    NotAsExpected(String),
    #[error("interrupted")]
    Interrupted,
}

impl CommandError {
    /// The exit code: as those of `herdiff`, where they fit.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::NotAsExpected(_) => 1,
            _ => 2,
        }
    }
}

/// Now, in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What runs the servers.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Where to put the trees: into memory where there is plenty of it, else where temporary files go.
///
/// A tree is a thousand tiny files. Making them takes milliseconds in memory and seconds on many a disk.
fn place_for_trees(hosts: u32) -> PathBuf {
    /// What the tree of a host takes, several times over: the rest of the machine needs memory too.
    const BYTES_PER_HOST: u64 = 20 << 20;
    let memory = PathBuf::from("/dev/shm");
    let free = rustix::fs::statvfs(&memory).map_or(0, |system| system.f_bavail * system.f_frsize);
    let is_enough = free > u64::from(hosts) * BYTES_PER_HOST;
    let may_write = rustix::fs::access(&memory, rustix::fs::Access::WRITE_OK).is_ok();
    // Whoever names a place for temporary files means it.
    if env::var_os("TMPDIR").is_none() && is_enough && may_write { memory } else { env::temp_dir() }
}

/// Many hosts need many descriptors: takes as many as the system allows.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, the servers say so when they run out.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Waits until somebody wants this to end: Ctrl-C, or a polite kill.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

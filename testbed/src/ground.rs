//! A fleet on the ground: its trees on disk, its hosts served, its files written.

use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::serve::{Farm, HostSpec, ServeError};
use crate::site::{Site, SiteError};
use crate::tree::{self, TreeError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use thiserror::Error;

/// Trees of a fleet in a temporary directory that goes with this.
#[derive(Debug)]
pub struct Trees {
    directory: TempDir,
}

/// Why a fleet cannot be put on the ground.
#[derive(Debug, Error)]
pub enum GroundError {
    /// No temporary directory.
    #[error("cannot make a temporary directory in `{place}`: {cause}")]
    Temporary {
        /// Where.
        place: PathBuf,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// No tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// No server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// No files.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// A fault for nobody.
    #[error("there is no host `{0}` to give a fault to")]
    NoSuchHost(String),
}

impl Trees {
    /// Writes the trees of all hosts.
    ///
    /// # Errors
    /// Where something cannot be written.
    pub fn write(fleet: &Fleet) -> Result<Self, GroundError> {
        let place = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("herdiff-testbed-")
            .tempdir_in(&place)
            .map_err(|cause| GroundError::Temporary { place, cause })?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = fleet.hosts.len().div_ceil(threads).max(1);
        // Most of the time goes into making small files, which the kernel does well side by side.
        let results = std::thread::scope(|scope| {
            let write = |hosts: &[crate::fleet::host::Host]| {
                hosts
                    .iter()
                    .try_for_each(|host| tree::write(host, &directory.path().join(&host.name)).map(|_| ()))
            };
            let threads: Vec<_> =
                fleet.hosts.chunks(share).map(|hosts| scope.spawn(move || write(hosts))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        for result in results {
            match result {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(Self { directory })
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The tree of a host.
    pub fn of(&self, host: &str) -> PathBuf {
        self.directory.path().join(host)
    }
}

/// Serves a fleet and writes the files with which it can be visited.
///
/// # Errors
/// Where a port, a key or a file cannot be had.
pub async fn serve(
    fleet: &Fleet,
    trees: &Trees,
    faults: &BTreeMap<String, Fault>,
    site: &Site,
) -> Result<Farm, GroundError> {
    if let Some(nobody) = faults.keys().find(|name| fleet.host(name).is_none()) {
        return Err(GroundError::NoSuchHost(nobody.clone()));
    }
    let spec = |host: &crate::fleet::host::Host| HostSpec {
        name: host.name.clone(),
        root: trees.of(&host.name),
        fault: faults.get(&host.name).copied(),
    };
    let key = site.make_identity()?;
    let farm = Farm::start(fleet.hosts.iter().map(spec).collect(), key.public_key()).await?;
    site.describe(&fleet.herd, farm.endpoints())?;
    Ok(farm)
}

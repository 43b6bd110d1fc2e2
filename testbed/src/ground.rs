//! A fleet on the ground: its trees on disk, its hosts served, its files written.

use crate::fault::{Fault, FilesError, misdirect};
use crate::fleet::Fleet;
use crate::relay::Shape;
use crate::serve::{Farm, HostSpec, ServeError};
use crate::site::{Site, SiteError, Way};
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
    /// No fault in the files.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A fault for nobody.
    #[error("there is no host `{0}` to give a fault to")]
    NoSuchHost(String),
}

impl Trees {
    /// Writes the trees of all hosts into a new directory at some place.
    ///
    /// # Errors
    /// Where something cannot be written.
    pub fn write(fleet: &Fleet, place: &Path) -> Result<Self, GroundError> {
        let directory = tempfile::Builder::new()
            .prefix("herdiff-testbed-")
            .tempdir_in(place)
            .map_err(|cause| GroundError::Temporary { place: place.to_owned(), cause })?;
        // Most of the time goes into making small files, which the kernel does well side by side.
        crate::side_by_side(&fleet.hosts, |host| {
            tree::write(host, &directory.path().join(&host.name)).map(|_| ())
        })?;
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
    serve_through(fleet, trees, faults, site, Shape::default()).await
}

/// As [`serve`], with lines of that shape to the hosts.
///
/// # Errors
/// As [`serve`].
pub async fn serve_through(
    fleet: &Fleet,
    trees: &Trees,
    faults: &BTreeMap<String, Fault>,
    site: &Site,
    shape: Shape,
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
    let farm = Farm::start(fleet.hosts.iter().map(spec).collect(), key.public_key())
        .await?
        .reached_through(shape)?;
    let herd = |name: &str| fleet.host(name).map_or("", |host| host.role.name());
    let ways = farm.endpoints().iter().map(|endpoint| Way::straight(endpoint, herd(&endpoint.name)));
    site.describe(&ways.collect::<Result<Vec<_>, _>>()?)?;
    for (host, fault) in faults {
        misdirect(site, host, *fault)?;
    }
    Ok(farm)
}

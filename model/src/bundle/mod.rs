//! Bundles: the file that holds a sweep. `docs/BUNDLE.md` gives the format byte by byte.
//!
//! A bundle is a preamble and a chain of frames that only ever grows: the facts of the sweep, one frame for each
//! host as it finishes, and an end. What a killed sweep leaves is a bundle that says where it ends.

mod codec;
mod frame;
mod reader;
mod wire;
mod writer;

pub use frame::Digest;
pub use writer::BundleWriter;

use crate::pack::Pack;
use crate::rowtable::RowTable;
use crate::snapshot::{QueryId, Snapshot};
use crate::sweep::{SweepEnd, SweepFacts};
use std::fmt;

/// The first bytes of every bundle.
const MAGIC: [u8; 8] = *b"HERDIFF\x1a";

/// The version that is written. A reader reads every file whose major number is its own and whose minor number is not
/// above its own. Before 1.0 nothing is promised.
const VERSION: Version = Version { major: 0, minor: 1 };

/// The version of the format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Changes when older readers could misunderstand a file.
    pub major: u16,
    /// Changes when something was added.
    pub minor: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A sweep as it was read from a file or put together in memory.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Who, when, from where.
    pub facts: SweepFacts,
    /// What was asked.
    pub pack: Pack,
    /// The distinct rows of each query, in the order of the pack.
    pub tables: Vec<RowTable>,
    /// The hosts, in the order in which they finished.
    pub snapshots: Vec<Snapshot>,
    /// Whether it is complete.
    pub ending: Ending,
}

impl Bundle {
    /// Reads a whole bundle, checking every frame.
    pub fn read(source: impl std::io::Read) -> Result<Self, BundleError> {
        reader::read(source)
    }

    /// The queries with their rows.
    pub fn queries(&self) -> impl Iterator<Item = (QueryId, &crate::pack::Query, &RowTable)> {
        let ids = (0..).map(QueryId);
        ids.zip(self.pack.queries()).zip(&self.tables).map(|((id, query), table)| (id, query, table))
    }

    /// The rows of one query.
    pub fn table(&self, id: QueryId) -> Option<&RowTable> {
        self.tables.get(id.0 as usize)
    }
}

/// How a bundle ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an end frame: the sweep was finished and nothing is cut off.
    Whole {
        /// What was known at the end.
        end: SweepEnd,
        /// The last digest of the chain, which stands for all bytes of the file.
        seal: Digest,
    },
    /// Without one: the sweep was killed, or the file cut.
    Open {
        /// Where the last whole frame ends.
        offset: u64,
    },
}

/// A bundle that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Some other file.
    #[error("this is not a Herdiff bundle: it does not start with the bundle's magic bytes")]
    NotABundle,
    /// From a newer version of the tool.
    #[error("the bundle has format {found}, and this version reads up to {known}; use a newer herdiff")]
    TooNew {
        /// The file's.
        found: Version,
        /// Ours.
        known: Version,
    },
    /// Changed since it was written.
    #[error("the bundle is damaged in frame {frame} at byte {offset}: {why}")]
    Damaged {
        /// The number of the frame, from 0.
        frame: u64,
        /// Where the frame starts.
        offset: u64,
        /// What does not fit.
        why: String,
    },
    /// The system could not read or write.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

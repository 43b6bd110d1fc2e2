//! Bundles: the file that holds a sweep. `docs/BUNDLE.md` gives the format byte by byte.
//!
//! It has two forms. While a sweep runs it is a journal: one frame a host, none of which needs another, so that what a
//! killed sweep leaves is a bundle that says where it ends. Once the sweep is over it is sealed: column by column, with
//! rows that many hosts have once, and an index.

mod archive;
mod block;
mod bounded;
mod codec;
mod column;
mod content;
mod digest;
mod file;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod forged_journal;
#[cfg(test)]
mod forged_rows;
mod frame;
mod index;
mod journal;
mod merge;
mod merkle;
mod proof;
mod read;
mod recover;
mod runs;
mod scan;
mod seal;
mod segment;
mod unseal;
mod v0;
mod verify;
mod wire;

pub use archive::{Archive, HostEntry, QueryAnswers, is_sealed};
pub use digest::Digest;
pub use file::seal;
pub use journal::{BundleWriter, Resumed};
pub use merge::{Head, MergeError, merge};
pub use proof::{Proof, prove};
pub use recover::{Damage, Lost, Recovered, recover};
pub use seal::{Sealed, SealedWriter};
pub use verify::{Verified, verify, verify_content};

use crate::outcome::QueryOutcome;
use crate::pack::Pack;
use crate::rowtable::RowTable;
use crate::snapshot::{QueryId, Snapshot};
use crate::sweep::{SweepEnd, SweepFacts};
use crate::visit::{Answer, Visit};
use std::fmt;

/// The first bytes of every bundle.
const MAGIC: [u8; 8] = *b"HERDIFF\x1a";

/// The version that is written. A reader reads every file whose major number is its own and whose minor number is not
/// above its own, and format 0.1.
const VERSION: Version = Version { major: 1, minor: 0 };

/// The version of the format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The sweeps that were merged into it, or the runs of a sweep that was gone on with; none where it is of one run.
    pub parts: Vec<Part>,
}

/// One of the sweeps that were merged, or of the runs of one sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its facts.
    pub facts: SweepFacts,
    /// How it ended; `None` where its bundle ended early, or it was killed.
    pub end: Option<SweepEnd>,
    /// The seal of its bundle, where it had one.
    pub seal: Option<Digest>,
}

impl Bundle {
    /// Reads a whole bundle, checking every frame.
    pub fn read(source: impl std::io::Read) -> Result<Self, BundleError> {
        read::read(source)
    }

    /// One host as its visit was, to be written again.
    pub fn visit(&self, snapshot: usize) -> Option<Visit> {
        let snapshot = self.snapshots.get(snapshot)?;
        let answer = |(table, outcome): (&RowTable, &QueryOutcome)| match outcome {
            QueryOutcome::Failed(failure) => Answer::Failed(failure.clone()),
            QueryOutcome::Rows(set) => Answer::Rows {
                batches: table.batches(&set.ids),
                unread: set.unread.clone(),
                cut: set.cut.clone(),
            },
        };
        Some(Visit {
            host: snapshot.host.clone(),
            herd: snapshot.herd.clone(),
            outcome: snapshot.outcome.clone(),
            receipt: snapshot.receipt.clone(),
            answers: self.tables.iter().zip(&snapshot.queries).map(answer).collect(),
        })
    }

    /// Whether its parts are the runs of one sweep: the first began it, the others went on with it.
    pub fn is_of_runs(&self) -> bool {
        runs::are_runs(&self.facts, &self.parts)
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
        /// Stands for all that the bundle says, however it is stored.
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
    /// Somebody else is writing it.
    #[error("another process is writing to the bundle")]
    InUse,
    /// A killed sweep's.
    #[error("the bundle is of a sweep that did not end, so it cannot be sealed")]
    Unfinished,
    /// Several sweeps have no single next host.
    #[error("the bundle is merged of several sweeps, so none of them can go on in it")]
    Merged,
    /// Of a version that can be read, and no more than that.
    #[error("the bundle has format {found}, which can be read but not be added to")]
    TooOld {
        /// The file's.
        found: Version,
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

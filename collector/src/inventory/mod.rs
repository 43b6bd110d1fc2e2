//! Where host names and connection facts come from: plain lists and Ansible's INI files.
//!
//! Both are read by one parser: a plain list is an INI file without sections, and node-sets (`web[1-40]`) are understood
//! in both.

mod host;
mod limit;
mod parse;
mod range;
mod resolve;

pub(crate) use limit::glob;

use herdiff_model::name::{HerdName, HostName};
use std::collections::HashSet;
use std::path::PathBuf;

/// One host to visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the inventory calls it.
    pub host: HostName,
    /// The hosts it is compared with: its first, most specific group; `all` when it is in none.
    pub herd: HerdName,
    /// All groups that it is in, parents included, without `all`; sorted.
    pub groups: Vec<String>,
    /// The name or address that is connected to.
    pub address: String,
    /// The port, where the inventory says one.
    pub port: Option<u16>,
    /// The user, where the inventory says one.
    pub user: Option<String>,
    /// The private key file, where the inventory says one. May start with `~/`.
    pub identity: Option<PathBuf>,
}

/// The hosts of one or more sources, in the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Each host once.
    pub targets: Vec<Target>,
    /// What the reader should know: duplicates, for example.
    pub notes: Vec<String>,
}

/// An inventory that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{file}:{line}: {why}")]
pub struct InventoryError {
    /// The file, or what stands for it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

impl Inventory {
    /// Understands a plain list or an Ansible INI file. `file` is for messages.
    ///
    /// Lines may end in `\r\n`; a byte order mark is passed over.
    pub fn parse(file: &str, text: &str) -> Result<Self, InventoryError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let document = parse::document(text).map_err(|error| error.in_file(file))?;
        resolve::inventory(&document, file).map_err(|error| error.in_file(file))
    }

    /// Adds the hosts of another source. Those that are here already are visited once, and said.
    pub fn join(&mut self, other: Self) {
        let known: HashSet<HostName> = self.targets.iter().map(|target| target.host.clone()).collect();
        let (twice, new): (Vec<_>, Vec<_>) =
            other.targets.into_iter().partition(|target| known.contains(&target.host));
        self.notes.extend(other.notes);
        self.notes.extend(twice.iter().map(|target| {
            format!("{} is named by more than one source; it is visited once, as the first says", target.host)
        }));
        self.targets.extend(new);
    }

    /// Keeps the hosts that match a pattern as Ansible users know them: names of hosts and groups with `*` and `?`,
    /// separated by `,` or `:`; `!` takes away, `&` keeps only what is in both.
    pub fn limit(&mut self, pattern: &str) -> Result<(), LimitError> {
        limit::apply(&mut self.targets, pattern)
    }
}

/// A pattern that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    /// A part of it names nothing.
    #[error("{0:?} matches no host and no group of the inventory")]
    NoMatch(String),
    /// The parts together leave nothing.
    #[error("no host is left by the pattern {0:?}")]
    NothingLeft(String),
    /// Ansible has it, we do not.
    #[error("{0:?}: regular expressions and subscripts are not understood here; use names with * and ?")]
    Unsupported(String),
}

/// What is wrong in a line; the file is added later.
#[derive(Debug)]
struct LineError {
    line: usize,
    why: String,
}

impl LineError {
    fn new(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }

    fn in_file(self, file: &str) -> InventoryError {
        InventoryError { file: file.to_owned(), line: self.line, why: self.why }
    }
}

#[cfg(test)]
mod tests;

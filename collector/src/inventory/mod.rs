//! Where host names and connection facts come from: lists, tables, Ansible's inventories, OpenSSH's aliases, programs.
//!
//! Each form is read into one [`document::Document`], which [`resolve`] turns into targets. Node-sets (`web[1-40]`) are
//! understood in all of them.

mod aliases;
mod document;
mod dynamic;
mod form;
mod host;
mod ini;
mod limit;
mod open;
mod range;
mod resolve;
mod table;
mod tree;
mod vars;
mod yaml;

pub(crate) use host::parse as parse_host;
pub(crate) use limit::glob;

use crate::delivery::{Account, Privilege};
use document::{Document, Place};
use herdiff_model::name::{HerdName, HostName};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

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
    /// The jump hosts before it, where the inventory names some: `[user@]host[:port]`, with commas between them.
    pub jump: Option<String>,
    /// The command that leads to it, where the inventory names one.
    pub proxy_command: Option<String>,
    /// As whom the queries run there, where the inventory says so.
    pub privilege: Option<Privilege>,
    /// The account to become in place of root.
    pub become_user: Option<Account>,
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
#[error("{file}{}: {why}", if *line == 0 { String::new() } else { format!(":{line}") })]
pub struct InventoryError {
    /// The file, or what stands for it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

impl Inventory {
    /// Understands the text of an inventory, in whatever form it is. `file` is for messages.
    ///
    /// Lines may end in `\r\n`; a byte order mark is passed over.
    pub fn parse(file: &str, text: &str) -> Result<Self, InventoryError> {
        let mut document = Document::default();
        let name = document.file(file);
        let read = form::read(&mut document, name, file, text);
        let resolved = read.and_then(|()| resolve::inventory(&document));
        resolved.map_err(|error| error.in_document(&document))
    }

    /// Reads an inventory from a file, from a program that prints one (`--list`), or from all files of a directory, with the
    /// `group_vars` and `host_vars` beside it.
    pub fn open(path: &Path) -> Result<Self, InventoryError> {
        let mut document = Document::default();
        let read = open::read(&mut document, path);
        let resolved = read.and_then(|()| resolve::inventory(&document));
        resolved.map_err(|error| error.in_document(&document))
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
    #[error("{0:?} is not understood here; use names with * and ?, group[first:last], or ~regex")]
    Unsupported(String),
    /// The regular expression is none.
    #[error("{0:?} is no regular expression: {1}")]
    Regex(String, String),
}

/// What is wrong at a place; its file's name is added later.
#[derive(Debug)]
struct LineError {
    place: Place,
    why: String,
}

impl LineError {
    fn new(place: Place, why: impl Into<String>) -> Self {
        Self { place, why: why.into() }
    }

    fn in_document(self, document: &Document) -> InventoryError {
        let file = document.files.get(self.place.file).cloned().unwrap_or_default();
        InventoryError { file, line: self.place.line, why: self.why }
    }
}

#[cfg(test)]
mod tests;

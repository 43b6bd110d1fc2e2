//! Findings as readers and scripts get them. Their JSON is a contract: fields may be added, never renamed.

use crate::reason::Reason;
use bstr::{BStr, ByteSlice};
use herdiff_model::knowledge::Attack;
use herdiff_model::name::{HerdName, HostName, QueryName};
use herdiff_model::row::Row;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::fmt;

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A row that the baseline or the herd does not have.
    Added,
    /// A row that they have and this host does not.
    Missing,
    /// Another row about the same thing.
    Changed,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Missing => "missing",
            Self::Changed => "changed",
        })
    }
}

/// What the hosts were compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Each other.
    Herd,
    /// A baseline.
    Baseline,
}

/// On how many hosts of the herd a row is. The three add up to the herd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Prevalence {
    /// Hosts that have it.
    pub present: u32,
    /// Hosts that are known not to have it.
    pub absent: u32,
    /// Hosts that could not tell.
    pub unknown: u32,
}

impl Prevalence {
    /// The same herd, where this many hosts have it: those that could not tell stay, unless they have it after all.
    pub(crate) fn with_present(self, present: u32) -> Self {
        let others = (self.present + self.absent + self.unknown).saturating_sub(present);
        let unknown = self.unknown.min(others);
        Self { present, absent: others - unknown, unknown }
    }
}

/// Stands for a finding between runs: the same thing, in the same herd, has the same id in every sweep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FindingId(pub(crate) String);

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The cells of a row, owned. As JSON, bytes that are not UTF-8 become replacement characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(Vec<(String, Vec<u8>)>);

impl Cells {
    pub(crate) fn of(row: Row<'_>) -> Self {
        Self(row.iter().map(|(column, cell)| (column.to_string(), cell.to_vec())).collect())
    }

    /// Columns and cells, by the name of the column.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BStr)> {
        self.0.iter().map(|(column, cell)| (column.as_str(), cell.as_bstr()))
    }
}

impl Serialize for Cells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, cell) in &self.0 {
            map.serialize_entry(column, &cell.to_str_lossy())?;
        }
        map.end()
    }
}

/// One row of the story that a finding tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The query that found it.
    pub query: QueryName,
    /// What is different.
    pub kind: Kind,
    /// What there is, or should be.
    pub row: Cells,
    /// What the others have instead, where it is changed.
    pub before: Option<Cells>,
    /// The row in a few words, as in "cron job /var/tmp/x".
    pub title: String,
}

/// One difference worth a human's look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The same in every run.
    pub id: FindingId,
    /// The first of the hosts.
    pub host: HostName,
    /// All hosts that share it, by name.
    pub hosts: Vec<HostName>,
    /// The herd that they belong to.
    pub herd: HerdName,
    /// The query of the first part.
    pub query: QueryName,
    /// The kind of the first part.
    pub kind: Kind,
    /// The row of the first part.
    pub row: Cells,
    /// What the others have instead of the first part.
    pub before: Option<Cells>,
    /// The first part in a few words.
    pub title: String,
    /// In bits: how surprising, how dangerous, in how quiet a place.
    pub score: f64,
    /// What the score is made of, in the order in which it came about; together they are the score, but for rounding.
    pub reasons: Vec<Reason>,
    /// How common the first part is.
    pub prevalence: Prevalence,
    /// One sentence: what is odd about it, and among whom.
    pub why: String,
    /// The ATT&CK techniques that it may be.
    pub attack: Vec<Attack>,
    /// What it was compared with.
    pub method: Method,
    /// All rows of the story, strongest first.
    pub parts: Vec<Part>,
}

/// A host by how much is odd about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Its name.
    pub host: HostName,
    /// Its herd.
    pub herd: HerdName,
    /// In bits, that of its strongest finding and a little more for others; what it shares with other hosts counts less.
    pub score: f64,
    /// How many findings it has.
    pub findings: usize,
}

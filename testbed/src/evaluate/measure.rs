//! What a ranking of findings is worth to somebody who reads it from the top.

use super::desk::{Mark, Oddity};
use super::herd::Herd;
use crate::generate::Row;
use herdiff_differ::{Finding, Kind, Report};
use std::collections::{BTreeMap, BTreeSet};

/// How far readers read.
pub const DEPTHS: [usize; 4] = [10, 25, 50, 250];

/// What came of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// The share of the malicious rows within the first findings.
    pub recall: [f64; DEPTHS.len()],
    /// How many findings must be read until all malicious rows were seen; `None` where that never happens.
    pub burden: Option<usize>,
    /// The worst place of a compromised host in the ranking, from 1.
    pub worst_rank: usize,
    /// The chance that a compromised host is more suspect than a clean one.
    pub auc: f64,
    /// Compromised hosts.
    pub compromised: usize,
    /// For each malicious row, the first finding that has it, from 1.
    pub places: Vec<Option<usize>>,
}

/// What was planted where: for each host, what is odd there.
pub type Truth = BTreeMap<String, Vec<Mark>>;

/// Columns that differ between two looks at one thing.
const FLEETING: &[&str] = &[
    "pid",
    "parent",
    "start_time",
    "time",
    "fd",
    "mtime",
    "local_port",
    "local_address",
    "size",
    "packets",
    "bytes",
];

/// A part of a finding: the finding's place in the report, the finding, the part's place in it.
type Shown<'a> = (usize, &'a Finding, usize);

/// Measures findings and a ranking of hosts.
pub fn score(herd: &Herd, truth: &Truth, report: &Report) -> Score {
    let mut index: BTreeMap<(&str, &str), Vec<Shown<'_>>> = BTreeMap::new();
    for (n, finding) in report.findings.iter().enumerate() {
        for host in finding.hosts.iter().filter(|host| truth.contains_key(host.as_str())) {
            for (at, part) in finding.parts.iter().enumerate() {
                index.entry((host.as_str(), part.query.as_str())).or_default().push((n + 1, finding, at));
            }
        }
    }
    let mut places = Vec::new();
    for (host, marks) in truth {
        for mark in marks {
            let query = herd.query_name(mark.query);
            let found = index.get(&(host.as_str(), query.as_str()));
            let found = found.into_iter().flatten().filter(|(_, finding, at)| shows(finding, *at, mark));
            places.push(found.map(|(n, ..)| *n).min());
        }
    }
    let ranks: Vec<&str> = report.suspects.iter().map(|suspect| suspect.host.as_str()).collect();
    of_places(herd, truth, places, &ranks)
}

/// Measures places of rows and of hosts.
pub fn of_places(herd: &Herd, truth: &Truth, places: Vec<Option<usize>>, ranks: &[&str]) -> Score {
    let within =
        |depth: usize| places.iter().filter(|place| place.is_some_and(|place| place <= depth)).count();
    let rows = places.len().max(1) as f64;
    let place_of: BTreeMap<&str, usize> = ranks.iter().enumerate().map(|(n, &host)| (host, n + 1)).collect();
    let last = ranks.len() + 1;
    let rank = |host: &str| place_of.get(host).copied().unwrap_or(last);
    let hosts: BTreeSet<&str> = herd.bundle.snapshots.iter().map(|host| host.host.as_str()).collect();
    let (mut better, mut pairs) = (0.0, 0.0);
    for bad in truth.keys() {
        for clean in hosts.iter().filter(|&&host| !truth.contains_key(host)) {
            pairs += 1.0;
            better += match rank(bad).cmp(&rank(clean)) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            };
        }
    }
    Score {
        recall: DEPTHS.map(|depth| within(depth) as f64 / rows),
        burden: places.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()),
        worst_rank: truth.keys().map(|host| rank(host)).max().unwrap_or_default(),
        auc: if pairs > 0.0 { better / pairs } else { 1.0 },
        compromised: truth.len(),
        places,
    }
}

/// Whether a part of a finding is the row that was made odd, as seen on whichever host.
fn shows(finding: &Finding, at: usize, mark: &Mark) -> bool {
    let Some(part) = finding.parts.get(at) else { return false };
    let kind_fits = match mark.oddity {
        Oddity::Added => part.kind != Kind::Missing,
        Oddity::Missing => part.kind != Kind::Added,
        Oddity::Changed => true,
    };
    let row =
        if mark.oddity == Oddity::Missing { part.before.as_ref().unwrap_or(&part.row) } else { &part.row };
    let same = |row: &Row| {
        part_cells(row).all(|(column, value)| {
            FLEETING.contains(&column)
                || cells_of(&part.row, column).is_none_or(|cell| cell == value.as_bytes())
        })
    };
    let same_before = |wanted: &Row| {
        part_cells(wanted).all(|(column, value)| {
            FLEETING.contains(&column) || cells_of(row, column).is_none_or(|cell| cell == value.as_bytes())
        })
    };
    kind_fits && (same(&mark.row) || (mark.oddity == Oddity::Missing && same_before(&mark.row)))
}

fn part_cells(row: &Row) -> impl Iterator<Item = (&str, &String)> {
    row.iter().map(|(&column, value)| (column, value))
}

fn cells_of<'c>(cells: &'c herdiff_differ::Cells, column: &str) -> Option<&'c [u8]> {
    cells.iter().find(|(name, _)| *name == column).map(|(_, cell)| -> &[u8] { cell })
}

//! From one indicator to the hosts that share it: who has it, who has something like it, who could not tell, and what else those
//! hosts have in common that the others do not.

use crate::finding::{Cells, Prevalence};
use crate::lookalike;
use crate::roster::Roster;
use crate::template;
use bstr::{BStr, Finder};
use herdiff_model::bundle::Bundle;
use herdiff_model::name::{ColumnName, HostName, QueryName};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::row::Row;
use herdiff_model::rowtable::RowId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What is looked for: cells that a row must have. Without a column any cell will do, and without a query any query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Indicator {
    /// Where to look.
    pub query: Option<QueryName>,
    /// Column, or any, and value. All of them must be there.
    pub cells: Vec<(Option<ColumnName>, Vec<u8>)>,
}

/// Why a row is like the indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// It has the value.
    Same,
    /// It has the value within a longer one: a path in a command line.
    Within,
    /// It differs in numbers and random parts only.
    SameForm,
    /// Its content has the digest of a row that has the value, under another name.
    SameContent,
    /// Its name is almost the same.
    AlmostSame,
}

/// Hosts that have one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sighting {
    /// In which way it is what was looked for.
    pub likeness: Likeness,
    /// The query that has it.
    pub query: QueryName,
    /// The row.
    pub row: Cells,
    /// By name.
    pub hosts: Vec<HostName>,
}

/// A row that the hosts in scope share and few others have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shared {
    /// The query that has it.
    pub query: QueryName,
    /// The row.
    pub row: Cells,
    /// How many of the hosts in scope have it.
    pub in_scope: usize,
    /// How many other hosts have it.
    pub elsewhere: usize,
}

/// Where an indicator is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scope {
    /// Hosts that have the very value, by name.
    pub hosts: Vec<HostName>,
    /// Hosts that have something like it only.
    pub like: Vec<HostName>,
    /// Hosts that could not tell: a query that could have it has no rows there, or not all, and nothing was found.
    pub unknown: Vec<HostName>,
    /// Hosts that were looked at.
    pub of: usize,
    /// How many have it, have it not, could not tell.
    pub prevalence: Prevalence,
    /// The rows, the most alike first.
    pub sightings: Vec<Sighting>,
    /// What to look for next: rows that hosts in scope share, most telling first.
    pub shared: Vec<Shared>,
}

/// More shared rows help nobody.
const MOST_SHARED: usize = 12;

/// Looks for an indicator on all hosts of a bundle.
pub fn scope(bundle: &Bundle, indicator: &Indicator) -> Scope {
    let roster = Roster::everyone(bundle);
    let looked_at: Vec<usize> = bundle
        .pack
        .queries()
        .iter()
        .enumerate()
        .filter(|(_, query)| indicator.query.as_ref().is_none_or(|wanted| *wanted == query.name))
        .map(|(n, _)| n)
        .collect();
    let found = find(bundle, indicator, &looked_at);
    let queries_with: BTreeSet<usize> = found.keys().map(|(query, _)| *query).collect();
    let mut scope = Scope { of: roster.hosts.len(), ..Scope::default() };
    let mut hosts_of: BTreeMap<(usize, RowId), Vec<usize>> = BTreeMap::new();
    let (mut same, mut like, mut unknown) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (host, snapshot) in roster.hosts.iter().enumerate() {
        for &query in &looked_at {
            let rows = snapshot.queries.get(query).and_then(QueryOutcome::rows);
            let could_have = queries_with.contains(&query) || indicator.query.is_some();
            if could_have && rows.is_none_or(|rows| !rows.tells_absence()) {
                unknown.insert(host);
            }
            for id in rows.into_iter().flat_map(|rows| rows.distinct()) {
                let Some(likeness) = found.get(&(query, id)) else { continue };
                hosts_of.entry((query, id)).or_default().push(host);
                if *likeness <= Likeness::Within {
                    same.insert(host)
                } else {
                    like.insert(host)
                };
            }
        }
        // A host of which nothing is known could have anything.
        if snapshot.queries.iter().all(|outcome| outcome.rows().is_none()) {
            unknown.insert(host);
        }
    }
    let like: BTreeSet<usize> = like.difference(&same).copied().collect();
    unknown.retain(|host| !same.contains(host) && !like.contains(host));
    scope.prevalence = Prevalence {
        present: same.len() as u32,
        absent: (roster.hosts.len() - same.len() - unknown.len()) as u32,
        unknown: unknown.len() as u32,
    };
    let names = |hosts: &mut dyn Iterator<Item = usize>| -> Vec<HostName> {
        hosts.filter_map(|host| roster.host(host)).map(|snapshot| snapshot.host.clone()).collect()
    };
    for ((query, id), hosts) in hosts_of {
        let (Some(name), Some(row)) = (query_name(bundle, query), row(bundle, query, id)) else { continue };
        let Some(&likeness) = found.get(&(query, id)) else { continue };
        let hosts = names(&mut hosts.into_iter());
        scope.sightings.push(Sighting { likeness, query: name, row: Cells::of(row), hosts });
    }
    scope.sightings.sort_by_key(|sighting| sighting.likeness);
    scope.shared = shared(bundle, &roster, if same.is_empty() { &like } else { &same }, &found);
    scope.hosts = names(&mut same.into_iter());
    scope.like = names(&mut like.into_iter());
    scope.unknown = names(&mut unknown.into_iter());
    scope
}

fn query_name(bundle: &Bundle, query: usize) -> Option<QueryName> {
    bundle.pack.queries().get(query).map(|query| query.name.clone())
}

fn row(bundle: &Bundle, query: usize, id: RowId) -> Option<Row<'_>> {
    bundle.tables.get(query)?.row(id)
}

/// All rows that are what was looked for, or like it.
fn find(bundle: &Bundle, indicator: &Indicator, queries: &[usize]) -> BTreeMap<(usize, RowId), Likeness> {
    let sought: Vec<Sought<'_>> = indicator.cells.iter().map(|(_, value)| Sought::new(value)).collect();
    let mut found = BTreeMap::new();
    let mut contents: HashSet<&BStr> = HashSet::new();
    let tables = || queries.iter().filter_map(|&query| Some((query, bundle.tables.get(query)?)));
    for (query, table) in tables() {
        for (id, row) in table.rows() {
            let each = indicator.cells.iter().zip(&sought).map(|((column, _), sought)| {
                let cells =
                    row.iter().filter(|(name, _)| column.as_ref().is_none_or(|column| column == *name));
                cells.filter_map(|(_, cell)| sought.likeness(cell)).min()
            });
            if let Some(likeness) = each.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()) {
                found.insert((query, id), likeness);
                if likeness == Likeness::Same {
                    contents.extend(row.iter().map(|(_, cell)| cell).filter(|cell| is_digest(cell)));
                }
            }
        }
    }
    if !contents.is_empty() {
        for (query, table) in bundle.tables.iter().enumerate() {
            for (id, row) in table.rows().filter(|(_, row)| row.cells().any(|cell| contents.contains(cell))) {
                let _ = row;
                found.entry((query, id)).or_insert(Likeness::SameContent);
            }
        }
    }
    found
}

fn form(value: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    template::push(&mut form, value);
    form
}

fn is_digest(cell: &BStr) -> bool {
    matches!(cell.len(), 32 | 40 | 64) && cell.iter().all(u8::is_ascii_hexdigit)
}

/// Shorter values are in everything.
const SHORTEST_WITHIN: usize = 4;

/// A value that is looked for, prepared once for all rows.
struct Sought<'i> {
    value: &'i [u8],
    within: Finder<'i>,
    form: Vec<u8>,
    /// Whether its form says enough to be looked for.
    form_tells: bool,
}

impl<'i> Sought<'i> {
    fn new(value: &'i [u8]) -> Self {
        let form = form(value);
        let words = form.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        Self { value, within: Finder::new(value), form, form_tells: words >= SHORTEST_WITHIN }
    }

    fn likeness(&self, cell: &BStr) -> Option<Likeness> {
        if cell == self.value {
            return Some(Likeness::Same);
        }
        if self.value.len() >= SHORTEST_WITHIN && self.is_within(cell) {
            return Some(Likeness::Within);
        }
        if self.form_tells && form(cell) == self.form {
            return Some(Likeness::SameForm);
        }
        lookalike::are_alike(lookalike::name(cell), lookalike::name(self.value))
            .then_some(Likeness::AlmostSame)
    }

    /// Whether a text has the value as a whole word.
    fn is_within(&self, text: &BStr) -> bool {
        let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| self.within.find(rest)) {
            let start = from + at;
            if is_edge(start.checked_sub(1).and_then(|before| text.get(before)))
                && is_edge(text.get(start + self.value.len()))
            {
                return true;
            }
            from = start + self.value.len().max(1);
        }
        false
    }
}

/// Rows that at least two hosts in scope share and that are rare elsewhere; of a single host, those that nobody else has.
fn shared(
    bundle: &Bundle,
    roster: &Roster<'_>,
    hosts: &BTreeSet<usize>,
    found: &BTreeMap<(usize, RowId), Likeness>,
) -> Vec<Shared> {
    let least = hosts.len().min(2);
    let mut counts: HashMap<(usize, RowId), (usize, usize)> = HashMap::new();
    for &host in hosts {
        for (query, outcome) in roster.host(host).into_iter().flat_map(|host| host.queries.iter().enumerate())
        {
            for id in outcome.rows().into_iter().flat_map(|rows| rows.distinct()) {
                counts.entry((query, id)).or_default().0 += 1;
            }
        }
    }
    counts.retain(|key, (with, _)| *with >= least && !found.contains_key(key));
    for (host, snapshot) in roster.hosts.iter().enumerate().filter(|(host, _)| !hosts.contains(host)) {
        let _ = host;
        for (query, outcome) in snapshot.queries.iter().enumerate() {
            for id in outcome.rows().into_iter().flat_map(|rows| rows.distinct()) {
                counts.get_mut(&(query, id)).into_iter().for_each(|(_, without)| *without += 1);
            }
        }
    }
    let others = roster.hosts.len() - hosts.len();
    let mut telling: Vec<_> =
        counts.into_iter().filter(|(_, (_, without))| *without * 10 <= others).collect();
    telling.sort_by_key(|&(key, (with, without))| (std::cmp::Reverse(with), without, key));
    // A single host has rows of its own in plenty: without a second one they tell nothing.
    let telling = telling.into_iter().filter(|_| hosts.len() > 1).take(MOST_SHARED);
    telling
        .filter_map(|((query, id), (in_scope, elsewhere))| {
            let (query, row) = (query_name(bundle, query)?, Cells::of(row(bundle, query, id)?));
            Some(Shared { query, row, in_scope, elsewhere })
        })
        .collect()
}

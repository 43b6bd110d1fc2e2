//! What one would do without Herdiff: count on how many hosts each row is and read the rarest first, or subtract what a clean host
//! has.

use super::herd::Herd;
use super::measure::{Score, Truth, of_places};
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use std::collections::HashMap;

/// A way to compare that does not think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naive {
    /// Rows of a host that one clean host does not have.
    Difference,
    /// Rows by the number of hosts that have them.
    Stacking,
    /// The same, without the columns that are known to be volatile.
    StackingWithoutVolatile,
}

impl Naive {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Difference, Self::Stacking, Self::StackingWithoutVolatile];

    /// As in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Difference => "plain difference",
            Self::Stacking => "stacking, whole rows",
            Self::StackingWithoutVolatile => "stacking, without volatile columns",
        }
    }
}

/// Ranks rows by a naive method and measures it. Of rows that rank alike, the malicious ones are in the middle on average.
pub fn score(herd: &Herd, bundle: &Bundle, truth: &Truth, knowledge: &Tables, method: Naive) -> Score {
    let mut rank_of: HashMap<usize, usize> = HashMap::new();
    let mut hosts_with: HashMap<(usize, Vec<u8>), (usize, usize)> = HashMap::new();
    let reference = (0..herd.len()).find(|&place| {
        herd.answers_all(place)
            && bundle.snapshots.get(place).is_some_and(|host| !truth.contains_key(host.host.as_str()))
    });
    let key = |query: usize, row: herdiff_model::row::Row<'_>| -> (usize, Vec<u8>) {
        let known =
            bundle.pack.queries().get(query).map(|query| knowledge.of_query(query)).unwrap_or_default();
        let kept = row.iter().filter(|(column, _)| {
            method != Naive::StackingWithoutVolatile || !known.volatile.contains(column)
        });
        (query, kept.flat_map(|(_, cell)| [cell.as_ref(), b"\0".as_slice()].concat()).collect())
    };
    let mut keys: Vec<HashMap<u32, (usize, Vec<u8>)>> = Vec::new();
    for (query, table) in bundle.tables.iter().enumerate() {
        keys.push(table.rows().map(|(id, row)| (id.0, key(query, row))).collect());
    }
    for (place, host) in bundle.snapshots.iter().enumerate() {
        for (query, outcome) in host.queries.iter().enumerate() {
            let Some(rows) = outcome.rows() else { continue };
            let mut seen = std::collections::HashSet::new();
            for id in rows.distinct() {
                let Some(key) = keys.get(query).and_then(|keys| keys.get(&id.0)) else { continue };
                if seen.insert(key) {
                    let (count, clean) = hosts_with.entry(key.clone()).or_default();
                    *count += 1;
                    *clean += usize::from(Some(place) == reference);
                }
            }
        }
    }
    // How many rows are read before those of a rank.
    let rank = |&(count, clean): &(usize, usize)| match method {
        Naive::Difference => {
            if clean > 0 {
                usize::MAX
            } else {
                0
            }
        }
        _ => count,
    };
    for value in hosts_with.values() {
        *rank_of.entry(rank(value)).or_default() += 1;
    }
    let before =
        |of: usize| rank_of.iter().filter(|(rank, _)| **rank < of).map(|(_, rows)| rows).sum::<usize>();
    let mut places = Vec::new();
    for marks in truth.values() {
        for mark in marks {
            let cells = |columns: &herdiff_model::row::Columns| -> Vec<u8> {
                let known = bundle
                    .pack
                    .queries()
                    .iter()
                    .find(|query| query.name.as_str() == herd.query_name(mark.query));
                let known = known.map(|query| knowledge.of_query(query)).unwrap_or_default();
                let kept = columns.iter().filter(|column| {
                    method != Naive::StackingWithoutVolatile || !known.volatile.contains(column)
                });
                kept.flat_map(|column| {
                    [mark.row.get(column.as_str()).map(String::as_bytes).unwrap_or_default(), b"\0"].concat()
                })
                .collect()
            };
            let query = bundle
                .pack
                .queries()
                .iter()
                .position(|query| query.name.as_str() == herd.query_name(mark.query));
            let place = query.and_then(|query| {
                let table = bundle.tables.get(query)?;
                let value = table.shapes().iter().find_map(|shape| hosts_with.get(&(query, cells(shape))))?;
                // Only what is there can be read.
                (mark.oddity != super::desk::Oddity::Missing && rank(value) != usize::MAX).then(|| {
                    before(rank(value)) + rank_of.get(&rank(value)).copied().unwrap_or_default() / 2 + 1
                })
            });
            places.push(place);
        }
    }
    of_places(herd, truth, places, &[])
}

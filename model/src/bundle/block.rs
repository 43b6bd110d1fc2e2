//! Hosts that are sealed together: their rows, each distinct row once, until they are written column by column.

use super::Digest;
use super::column::{self, Column, Output};
use super::content::{self, HostContent};
use super::wire::{ColumnNames, HostPayload};
use crate::row::{Cells, Columns, RowBatch};
use crate::rowtable::{RowId, RowTable, ShapeId};
use crate::visit::{Answer, Visit};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;

/// So many hosts share a list of common rows.
pub(super) const MOST_HOSTS: usize = 1024;
/// A block with more bytes of distinct rows is written before it is full.
const MOST_BYTES: usize = 96 << 20;
/// So many hosts have the rest of their rows together: who wants one host reads so many.
pub(super) const GROUP: usize = 128;

/// Hosts and their rows.
pub(super) struct Block {
    tables: Vec<Table>,
    hosts: Vec<HostPayload>,
    /// For each host and query its rows, ascending; `None` where it failed.
    rows: Vec<Vec<Option<Vec<RowId>>>>,
    bytes: usize,
}

#[derive(Default)]
struct Table {
    rows: RowTable,
    /// Of each row and each list of columns.
    digests: Vec<Digest>,
    columns: Vec<Digest>,
}

impl Table {
    fn intern(&mut self, batch: &RowBatch, ids: &mut Vec<RowId>) -> usize {
        let known = self.rows.len() as u32;
        self.rows.intern(batch, ids);
        for columns in self.rows.shapes().iter().skip(self.columns.len()) {
            self.columns.push(content::of_columns(columns));
        }
        let mut bytes = 0;
        for (shape, cells) in (known..self.rows.len() as u32).filter_map(|id| self.rows.encoded(RowId(id))) {
            let columns = self.columns.get(shape.0 as usize).copied();
            self.digests.extend(columns.map(|columns| content::of_row(columns, cells)));
            bytes += cells.len() + 128;
        }
        bytes
    }
}

impl Block {
    pub(super) fn new(queries: usize) -> Self {
        let tables = std::iter::repeat_with(Table::default).take(queries).collect();
        Self { tables, hosts: Vec::new(), rows: Vec::new(), bytes: 0 }
    }

    /// Takes in a host; what its content is committed to.
    pub(super) fn append(&mut self, visit: &Visit, part: u32) -> io::Result<Digest> {
        let mut content = HostContent::start(visit)?;
        let mut digests = Vec::new();
        let mut rows = Vec::with_capacity(self.tables.len());
        for (table, answer) in self.tables.iter_mut().zip(&visit.answers) {
            let Answer::Rows { batches, .. } = answer else {
                rows.push(None);
                continue;
            };
            let mut ids = Vec::with_capacity(batches.iter().map(RowBatch::len).sum());
            self.bytes += batches.iter().map(|batch| table.intern(batch, &mut ids)).sum::<usize>();
            self.bytes += ids.len() * size_of::<RowId>();
            ids.sort_unstable();
            digests.clear();
            digests.extend(ids.iter().filter_map(|id| table.digests.get(id.0 as usize)).copied());
            content.rows(&mut digests);
            rows.push(Some(ids));
        }
        self.rows.push(rows);
        self.hosts.push(HostPayload::of(visit, part));
        Ok(content.finish())
    }

    pub(super) fn is_full(&self) -> bool {
        self.hosts.len() >= MOST_HOSTS || self.bytes >= MOST_BYTES
    }

    /// The hosts without their rows.
    pub(super) fn hosts(&self) -> &[HostPayload] {
        &self.hosts
    }

    /// The rows of one query, told apart by how many hosts have them; `None` where there are none.
    pub(super) fn query(&self, query: usize) -> Option<QueryRows<'_>> {
        let table = &self.tables.get(query)?.rows;
        if table.is_empty() {
            return None;
        }
        let sets: Vec<&[RowId]> = self
            .rows
            .iter()
            .map(|host| host.get(query).and_then(Option::as_deref).unwrap_or_default())
            .collect();
        let mut hosts_with = vec![0u32; table.len()];
        for set in &sets {
            for id in distinct(set) {
                if let Some(count) = hosts_with.get_mut(id.0 as usize) {
                    *count += 1;
                }
            }
        }
        let least = least_common(sets.len());
        Some(QueryRows { table, sets, common: hosts_with.into_iter().map(|count| count >= least).collect() })
    }
}

/// On how many of so many hosts a row must be for it to be cheaper to say who has it than to say it again.
fn least_common(hosts: usize) -> u32 {
    (hosts as u32 / 48).max(3).min(hosts.max(1) as u32)
}

fn distinct(ids: &[RowId]) -> impl Iterator<Item = RowId> {
    let mut last = None;
    ids.iter().copied().filter(move |&id| last.replace(id) != Some(id))
}

/// The rows of one query in a block.
pub(super) struct QueryRows<'a> {
    table: &'a RowTable,
    /// Of each host.
    sets: Vec<&'a [RowId]>,
    /// Of each row, whether it stands in the common list.
    common: Vec<bool>,
}

impl QueryRows<'_> {
    fn is_common(&self, id: RowId) -> bool {
        self.common.get(id.0 as usize).copied().unwrap_or(false)
    }

    /// Writes the lists of columns, and the rows that many hosts have, with which hosts those are.
    pub(super) fn encode_common(&self, output: &mut Output) -> io::Result<()> {
        output.number(self.table.shapes().len() as u64);
        let mut names = output.another();
        for ColumnNames(columns) in self.table.shapes().iter().map(ColumnNames::from) {
            names.number(columns.len() as u64);
            for name in columns {
                names.number(name.len() as u64);
                names.raw(name.as_bytes());
            }
        }
        output.stream(&names.into_bytes())?;
        let mut holders: Vec<Vec<u32>> = vec![Vec::new(); self.common.len()];
        for (host, set) in (0u32..).zip(&self.sets) {
            for id in distinct(set).filter(|&id| self.is_common(id)) {
                if let Some(holders) = holders.get_mut(id.0 as usize) {
                    holders.push(host);
                }
            }
        }
        let rows: Vec<(u32, RowId)> = (0..self.table.len() as u32)
            .map(RowId)
            .filter(|&id| self.is_common(id))
            .map(|id| (0, id))
            .collect();
        let order = self.encode_rows(rows, 1, output)?;
        let mut numbers: HashMap<&[u32], u32> = HashMap::new();
        let mut patterns: Vec<&[u32]> = Vec::new();
        let mut index = Vec::with_capacity(order.len());
        for id in order {
            let holders = holders.get(id.0 as usize).map_or(&[][..], Vec::as_slice);
            index.push(*numbers.entry(holders).or_insert_with(|| {
                patterns.push(holders);
                patterns.len() as u32 - 1
            }));
        }
        encode_patterns(&patterns, self.sets.len() as u32, output)?;
        column::encode_index(&index, patterns.len(), output)
    }

    /// Writes the other rows of some hosts; false where there are none.
    pub(super) fn encode_own(&self, first: usize, output: &mut Output) -> io::Result<bool> {
        let mut rows = Vec::new();
        let group = self.sets.iter().skip(first).take(GROUP);
        let mut hosts = 0;
        for (host, set) in (0u32..).zip(group) {
            hosts += 1;
            let mut last = None;
            // What a host has twice it has once more than the common list says.
            let own = set.iter().filter(|&&id| last.replace(id) == Some(id) || !self.is_common(id));
            rows.extend(own.map(|&id| (host, id)));
        }
        let some = !rows.is_empty();
        self.encode_rows(rows, hosts, output)?;
        Ok(some)
    }

    /// Writes rows of hosts: for each list of columns how many each host has, and the cells, sorted within each host so that
    /// what is alike stands together. The rows in the order in which they were written.
    fn encode_rows(
        &self,
        rows: Vec<(u32, RowId)>,
        hosts: usize,
        output: &mut Output,
    ) -> io::Result<Vec<RowId>> {
        let mut order = Vec::with_capacity(rows.len());
        let mut shapes: Vec<Vec<(u32, RowId)>> = vec![Vec::new(); self.table.shapes().len()];
        for (host, id) in rows {
            let shape = self.table.shape(id).and_then(|shape| shapes.get_mut(shape.0 as usize));
            shape.into_iter().for_each(|rows| rows.push((host, id)));
        }
        for (shape, rows) in (0u32..).zip(&shapes).filter(|(_, rows)| !rows.is_empty()) {
            output.number(u64::from(shape) + 1);
            output.number(rows.len() as u64);
            let mut counts = vec![0i64; hosts];
            for (host, _) in rows {
                counts.get_mut(*host as usize).into_iter().for_each(|count| *count += 1);
            }
            if hosts > 1 {
                column::encode_numbers(&counts, &[], output)?;
            }
            let width = self.table.shapes().get(shape as usize).map_or(0, Columns::len);
            let columns = self.columns(rows, width);
            let places = sorted(&columns, rows);
            order.extend(places.iter().filter_map(|&place| Some(rows.get(place as usize)?.1)));
            let columns: Vec<_> = columns.into_iter().map(|column| column.permuted(&places)).collect();
            column::encode(&columns, output)?;
        }
        output.number(0);
        Ok(order)
    }

    /// The cells of rows that have the same columns.
    fn columns(&self, rows: &[(u32, RowId)], width: usize) -> Vec<Column<'_>> {
        let mut columns: Vec<Vec<&[u8]>> = vec![Vec::with_capacity(rows.len()); width];
        for (_, cells) in rows.iter().filter_map(|&(_, id)| self.table.encoded(id)) {
            for (column, cell) in columns.iter_mut().zip(Cells::over(cells)) {
                column.push(cell.as_ref());
            }
        }
        columns.into_iter().map(Column::new).collect()
    }
}

/// The places of rows by host, and within a host by columns: first those with few values, so that what stands near each other
/// is alike, and last those of which nothing can be expected.
fn sorted(columns: &[Column<'_>], rows: &[(u32, RowId)]) -> Vec<u32> {
    let mut ranked: Vec<(bool, bool, usize, &[u32])> = columns
        .iter()
        .filter(|column| column.distinct() > 1)
        .map(|column| {
            let count = column.distinct();
            let many = count * 2 > rows.len();
            (column.is_hex(), many && column.has_numbers(), count, column.ranks())
        })
        .collect();
    ranked.sort_by_key(|&(hex, number, count, _)| (hex, number, count));
    let mut places: Vec<u32> = (0..rows.len() as u32).collect();
    let host = |place: u32| rows.get(place as usize).map_or(0, |row| row.0);
    places.sort_unstable_by(|&one, &other| {
        let rank = |ranks: &[u32], place: u32| ranks.get(place as usize).copied();
        let columns = ranked.iter().map(|(.., ranks)| rank(ranks, one).cmp(&rank(ranks, other)));
        let mut columns = columns.filter(|order| order.is_ne());
        host(one).cmp(&host(other)).then_with(|| columns.next().unwrap_or(Ordering::Equal))
    });
    places
}

/// Writes lists of hosts: each with those who are in it, or where that is shorter, with those who are not.
fn encode_patterns(patterns: &[&[u32]], hosts: u32, output: &mut Output) -> io::Result<()> {
    output.number(patterns.len() as u64);
    let mut counts = output.another();
    let mut gaps = Vec::new();
    for pattern in patterns {
        let inverted = pattern.len() * 2 > hosts as usize;
        let mut within = pattern.iter().copied().peekable();
        let mut last = None;
        let mut count = 0u64;
        for host in 0..hosts {
            if within.next_if_eq(&host).is_some() != inverted {
                gaps.push(i64::from(host - last.map_or(0, |last: u32| last + 1)));
                last = Some(host);
                count += 1;
            }
        }
        counts.number(count << 1 | u64::from(inverted));
    }
    output.stream(&counts.into_bytes())?;
    output.number(gaps.len() as u64);
    column::encode_numbers(&gaps, &[], output)
}

/// The list of columns of a row, as a number.
pub(super) fn shape(number: u64) -> Option<ShapeId> {
    u32::try_from(number).ok().map(ShapeId)
}

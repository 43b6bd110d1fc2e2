//! One row as a host reported it: columns in alphabetical order, and a cell of bytes for each.
//!
//! Cells are bytes, not text: osquery passes on whatever is on the host's disk, and what is not UTF-8 must
//! neither stop a sweep nor become equal to something else.

use crate::name::ColumnName;
use bstr::BStr;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The columns of a row, each once, in alphabetical order (as osqueryi prints them), whichever engine sent it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<ColumnName>", into = "Vec<ColumnName>")]
pub struct Columns(Arc<[ColumnName]>);

impl Columns {
    /// Sorts the names; of equal names one is kept.
    pub fn new(names: impl IntoIterator<Item = ColumnName>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        names.dedup();
        Self(names.into())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where a row has no columns at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a column stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|column| column.as_str().cmp(name)).ok()
    }

    /// In alphabetical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ColumnName> {
        self.0.iter()
    }
}

impl From<Vec<ColumnName>> for Columns {
    fn from(names: Vec<ColumnName>) -> Self {
        Self::new(names)
    }
}

impl From<Columns> for Vec<ColumnName> {
    fn from(columns: Columns) -> Self {
        columns.0.to_vec()
    }
}

/// A row somewhere in a [`RowTable`](crate::rowtable::RowTable) or a [`RowBatch`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a Columns,
    cells: &'a [u8],
}

impl<'a> Row<'a> {
    pub(crate) fn new(columns: &'a Columns, cells: &'a [u8]) -> Self {
        Self { columns, cells }
    }

    /// Its columns.
    pub fn columns(self) -> &'a Columns {
        self.columns
    }

    /// Its cells, in the order of the columns.
    pub fn cells(self) -> Cells<'a> {
        Cells { rest: self.cells }
    }

    /// Columns and cells together.
    pub fn iter(self) -> impl Iterator<Item = (&'a ColumnName, &'a BStr)> {
        self.columns.iter().zip(self.cells())
    }

    /// The cell of one column; `None` where the row has no such column.
    pub fn get(self, column: &str) -> Option<&'a BStr> {
        self.cells().nth(self.columns.position(column)?)
    }
}

/// Iterates over the cells of a row.
pub struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    /// Cells as they are stored, one after the other.
    pub(crate) fn over(cells: &'a [u8]) -> Self {
        Self { rest: cells }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = &'a BStr;

    fn next(&mut self) -> Option<&'a BStr> {
        let (length, rest) = read_length(self.rest)?;
        let (cell, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(BStr::new(cell))
    }
}

/// Appends one cell to an encoded row: its length as a LEB128 number, then its bytes.
pub(crate) fn push_cell(cells: &mut Vec<u8>, cell: &[u8]) {
    let mut length = cell.len();
    while length >= 0x80 {
        cells.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    cells.push(length as u8);
    cells.extend_from_slice(cell);
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0usize;
    for (position, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((length, bytes.get(position + 1..)?));
        }
    }
    None
}

/// How many bytes this many cells take at the start of these bytes; `None` where there are fewer.
pub(crate) fn cells_len(bytes: &[u8], count: usize) -> Option<usize> {
    let mut cells = Cells { rest: bytes };
    (cells.by_ref().take(count).count() == count).then(|| bytes.len() - cells.rest.len())
}

/// The same, where every length has no byte more than it needs, so that equal rows are equal bytes.
pub(crate) fn canonical_cells_len(bytes: &[u8], count: usize) -> Option<usize> {
    let mut rest = bytes;
    for _ in 0..count {
        let (length, behind) = read_length(rest)?;
        let taken = rest.len() - behind.len();
        let last = rest.get(taken.checked_sub(1)?)?;
        rest = (taken == 1 || *last != 0).then_some(behind)?.get(length..)?;
    }
    Some(bytes.len() - rest.len())
}

/// Rows of one query that have the same columns, as they came from one host.
#[derive(Clone, Debug)]
pub struct RowBatch {
    columns: Columns,
    /// For each position of the sender's order, or `None` for a name that came before.
    order: Vec<usize>,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl RowBatch {
    /// An empty batch for rows whose cells will come in this order. Where a name stands twice the last cell counts,
    /// as in osqueryi.
    pub fn new(sent: &[ColumnName]) -> Self {
        let columns = Columns::new(sent.iter().cloned());
        let order =
            columns.iter().filter_map(|column| sent.iter().rposition(|name| name == column)).collect();
        Self { columns, order, cells: Vec::new(), ends: Vec::new() }
    }

    /// Adds a row whose cells stand in the sender's order. A missing cell is empty. A row without columns says nothing
    /// and is not added.
    pub fn push(&mut self, sent: &[impl AsRef<[u8]>]) {
        self.push_by(|position| sent.get(position).map(AsRef::as_ref));
    }

    /// Adds a row whose cells the caller finds by their place in the sender's order: as [`push`](Self::push), for those
    /// who do not have the cells as a list.
    pub fn push_by<'c>(&mut self, sent: impl Fn(usize) -> Option<&'c [u8]>) {
        if self.order.is_empty() {
            return;
        }
        for &position in &self.order {
            push_cell(&mut self.cells, sent(position).unwrap_or_default());
        }
        self.ends.push(self.cells.len());
    }

    /// The columns of every row in it.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where it has no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows in the order in which they came.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.encoded().map(|cells| Row::new(&self.columns, cells))
    }

    /// A batch from cells as a file holds them: these rows and nothing else, each length in as few bytes as it needs. `None` where they are
    /// not that.
    pub(crate) fn from_cells(columns: Columns, rows: usize, cells: Vec<u8>) -> Option<Self> {
        let width = columns.len();
        let mut ends = Vec::new();
        let mut rest = cells.as_slice();
        for _ in 0..rows {
            // A row without columns takes no bytes: only one can be told from nothing.
            let length = canonical_cells_len(rest, width).filter(|&length| length > 0)?;
            rest = rest.get(length..)?;
            ends.push(cells.len() - rest.len());
        }
        let order = (0..width).collect();
        rest.is_empty().then_some(Self { columns, order, cells, ends })
    }

    /// An empty batch for rows whose cells come in the order of the columns.
    pub(crate) fn of_columns(columns: Columns) -> Self {
        let order = (0..columns.len()).collect();
        Self { columns, order, cells: Vec::new(), ends: Vec::new() }
    }

    /// Adds a row of these columns, as another batch or a table holds it.
    pub(crate) fn push_encoded(&mut self, cells: &[u8]) {
        self.cells.extend_from_slice(cells);
        self.ends.push(self.cells.len());
    }

    /// All rows, one after the other.
    pub(crate) fn cells(&self) -> &[u8] {
        &self.cells
    }

    pub(crate) fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, &end)| self.cells.get(start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<ColumnName> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn cells_follow_their_columns_into_alphabetical_order() {
        let mut batch = RowBatch::new(&names(&["pid", "name"]));
        batch.push(&["1", "init"]);
        let row = batch.rows().next().unwrap();
        assert_eq!(row.iter().map(|(c, v)| format!("{c}={v}")).collect::<Vec<_>>(), ["name=init", "pid=1"]);
        assert_eq!(row.get("pid").unwrap(), "1");
        assert!(row.get("uid").is_none());
    }

    #[test]
    fn of_equal_columns_the_last_counts() {
        let mut batch = RowBatch::new(&names(&["a", "b", "a"]));
        batch.push(&["first", "b", "last"]);
        let row = batch.rows().next().unwrap();
        assert_eq!(row.get("a").unwrap(), "last");
        assert_eq!(row.columns().len(), 2);
    }

    #[test]
    fn damaged_cells_are_noticed() {
        let mut cells = Vec::new();
        push_cell(&mut cells, b"abc");
        assert_eq!(cells_len(&cells, 1), Some(4));
        assert_eq!(cells_len(&cells, 2), None);
        assert_eq!(cells_len(&cells[..2], 1), None);
        assert_eq!(cells_len(&[0xff; 12], 1), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(cells in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6)) {
            let columns: Vec<ColumnName> = (0..cells.len()).map(|n| format!("c{n}").into()).collect();
            let mut batch = RowBatch::new(&columns);
            batch.push(&cells);
            let row = batch.rows().next().unwrap();
            prop_assert_eq!(row.cells().map(|cell| cell.to_vec()).collect::<Vec<_>>(), cells);
        }
    }
}

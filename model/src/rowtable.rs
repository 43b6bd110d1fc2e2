//! The rows of one query over all hosts of a bundle, each distinct row once.

use crate::row::{Columns, Row, RowBatch};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, RandomState};

/// A distinct row of one query within one bundle: rows are numbered in the order in which they were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId(pub u32);

/// Which list of columns a row has. Most queries have one; a herd of mixed engines has a few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShapeId(pub u32);

/// The distinct rows of one query.
#[derive(Clone, Debug, Default)]
pub struct RowTable {
    shapes: Vec<Columns>,
    rows: EncodedRows,
    /// Finds a row by its content. Seeded at random: hosts choose the content.
    index: HashTable<RowId>,
    hasher: RandomState,
}

/// Rows one after the other in one allocation, each with where it ends.
#[derive(Clone, Debug, Default)]
struct EncodedRows {
    ends: Vec<(ShapeId, usize)>,
    cells: Vec<u8>,
}

impl EncodedRows {
    fn get(&self, id: RowId) -> Option<(ShapeId, &[u8])> {
        let n = id.0 as usize;
        let &(shape, end) = self.ends.get(n)?;
        let start = n.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |row| row.1);
        Some((shape, self.cells.get(start..end)?))
    }

    fn push(&mut self, shape: ShapeId, cells: &[u8]) -> RowId {
        let id = RowId(self.ends.len() as u32);
        self.cells.extend_from_slice(cells);
        self.ends.push((shape, self.cells.len()));
        id
    }
}

impl RowTable {
    /// How many distinct rows it has.
    pub fn len(&self) -> usize {
        self.rows.ends.len()
    }

    /// True where no host had a row.
    pub fn is_empty(&self) -> bool {
        self.rows.ends.is_empty()
    }

    /// The lists of columns that were seen, in order of first appearance.
    pub fn shapes(&self) -> &[Columns] {
        &self.shapes
    }

    /// A row by its number.
    pub fn row(&self, id: RowId) -> Option<Row<'_>> {
        let (shape, cells) = self.rows.get(id)?;
        Some(Row::new(self.shapes.get(shape.0 as usize)?, cells))
    }

    /// The list of columns of a row.
    pub fn shape(&self, id: RowId) -> Option<ShapeId> {
        Some(self.rows.get(id)?.0)
    }

    /// All distinct rows, in the order of their numbers.
    pub fn rows(&self) -> impl Iterator<Item = (RowId, Row<'_>)> {
        (0..self.len() as u32).filter_map(|n| Some((RowId(n), self.row(RowId(n))?)))
    }

    /// Adds the rows of a batch and appends their numbers, in the order of the batch.
    pub fn intern(&mut self, batch: &RowBatch, ids: &mut Vec<RowId>) {
        let shape = self.intern_shape(batch.columns());
        ids.extend(batch.encoded().map(|cells| self.intern_row(shape, cells)));
    }

    pub(crate) fn intern_shape(&mut self, columns: &Columns) -> ShapeId {
        let known = self.shapes.iter().position(|shape| shape == columns);
        ShapeId(known.unwrap_or_else(|| {
            self.append_shape(columns.clone());
            self.shapes.len() - 1
        }) as u32)
    }

    pub(crate) fn intern_row(&mut self, shape: ShapeId, cells: &[u8]) -> RowId {
        let Self { rows, index, hasher, .. } = self;
        let hash = hasher.hash_one((shape, cells));
        if let Some(id) = index.find(hash, |&id| rows.get(id) == Some((shape, cells))) {
            return *id;
        }
        let id = rows.push(shape, cells);
        index.insert_unique(hash, id, |&other| hasher.hash_one(rows.get(other).unwrap_or_default()));
        id
    }

    /// These rows, as a host would have sent them.
    pub(crate) fn batches(&self, ids: &[RowId]) -> Vec<RowBatch> {
        let mut batches: Vec<Option<RowBatch>> = vec![None; self.shapes.len()];
        for (shape, cells) in ids.iter().filter_map(|&id| self.rows.get(id)) {
            let at = shape.0 as usize;
            if let (Some(batch), Some(columns)) = (batches.get_mut(at), self.shapes.get(at)) {
                batch.get_or_insert_with(|| RowBatch::of_columns(columns.clone())).push_encoded(cells);
            }
        }
        batches.into_iter().flatten().collect()
    }

    pub(crate) fn encoded(&self, id: RowId) -> Option<(ShapeId, &[u8])> {
        self.rows.get(id)
    }

    /// Adds a list of columns as a file holds it, at the next number.
    pub(crate) fn append_shape(&mut self, columns: Columns) {
        self.shapes.push(columns);
    }

    /// Adds a row as a file holds it, at the next number and without looking for an equal one. The caller has checked
    /// that these are the cells of that shape.
    pub(crate) fn append_encoded(&mut self, shape: ShapeId, cells: &[u8]) {
        self.rows.push(shape, cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ColumnName;

    fn batch(columns: &[&str], rows: &[&[&str]]) -> RowBatch {
        let names: Vec<ColumnName> = columns.iter().map(|&name| name.into()).collect();
        let mut batch = RowBatch::new(&names);
        rows.iter().for_each(|row| batch.push(row));
        batch
    }

    #[test]
    fn an_equal_row_of_another_host_is_stored_once() {
        let mut table = RowTable::default();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        table.intern(&batch(&["name", "uid"], &[&["root", "0"], &["ada", "1000"]]), &mut first);
        // Another engine's column order makes no other row.
        table.intern(&batch(&["uid", "name"], &[&["1000", "ada"], &["7", "lp"]]), &mut second);
        assert_eq!(first, [RowId(0), RowId(1)]);
        assert_eq!(second, [RowId(1), RowId(2)]);
        assert_eq!(table.len(), 3);
        assert_eq!(table.row(RowId(2)).unwrap().get("name").unwrap(), "lp");
    }

    #[test]
    fn rows_of_other_columns_are_other_rows() {
        let mut table = RowTable::default();
        let mut ids = Vec::new();
        table.intern(&batch(&["a"], &[&["1"]]), &mut ids);
        table.intern(&batch(&["b"], &[&["1"]]), &mut ids);
        assert_eq!(ids, [RowId(0), RowId(1)]);
        assert_eq!(table.shapes().len(), 2);
    }

    #[test]
    fn cells_do_not_run_into_each_other() {
        let mut table = RowTable::default();
        let mut ids = Vec::new();
        table.intern(&batch(&["a", "b"], &[&["xy", ""], &["x", "y"], &["", "xy"]]), &mut ids);
        assert_eq!(table.len(), 3);
    }
}

//! One visit of a table: what the query asks of it.

use std::sync::Arc;

use super::{Cell, Row, Table};
use crate::host::Host;

/// The rows of a table, made when they are asked for.
pub(crate) type Rows = Box<dyn Iterator<Item = Row>>;

/// A comparison that SQLite hands down. It checks the rows again, so a table may ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Like,
    Glob,
}

/// A column compared with a value.
#[derive(Debug, Clone)]
pub(crate) struct Constraint {
    pub(crate) column: usize,
    pub(crate) operator: Operator,
    pub(crate) value: Cell,
}

/// One visit of a table.
pub(crate) struct Scan {
    pub(crate) host: Arc<Host>,
    pub(crate) table: &'static Table,
    pub(crate) constraints: Vec<Constraint>,
    /// One bit a column; the last stands for all from the 64th on.
    pub(crate) used: u64,
}

impl Scan {
    /// Whether the query looks at this column at all.
    pub(crate) fn uses(&self, column: &str) -> bool {
        match self.table.position(column) {
            Some(place) => self.used & (1 << place.min(63)) != 0,
            None => false,
        }
    }

    /// Whether the query looks at any of these columns.
    pub(crate) fn uses_any(&self, columns: &[&str]) -> bool {
        columns.iter().any(|column| self.uses(column))
    }

    fn values(&self, column: &str, operator: Operator) -> impl Iterator<Item = &Cell> {
        let place = self.table.position(column);
        self.constraints
            .iter()
            .filter(move |c| Some(c.column) == place && c.operator == operator)
            .map(|c| &c.value)
    }

    /// Whether the column is compared in a way that was handed down.
    pub(crate) fn constrained(&self, column: &str) -> bool {
        let place = self.table.position(column);
        self.constraints.iter().any(|c| Some(c.column) == place)
    }

    /// The numbers that a column must equal; `None` when it is free.
    pub(crate) fn equal_numbers(&self, column: &str) -> Option<Vec<i64>> {
        let mut given = self.values(column, Operator::Equal).peekable();
        given.peek()?;
        Some(given.filter_map(Cell::as_integer).collect())
    }

    /// The texts that a column must equal, empty when it is free.
    pub(crate) fn equal_texts(&self, column: &str) -> Vec<Vec<u8>> {
        self.values(column, Operator::Equal).filter_map(text_of).collect()
    }

    /// The patterns that a column must be LIKE, empty when there is none.
    pub(crate) fn like_patterns(&self, column: &str) -> Vec<Vec<u8>> {
        self.values(column, Operator::Like).filter_map(text_of).collect()
    }

    /// Whether a value may appear in this column; true when the column is free.
    pub(crate) fn wants_text(&self, column: &str, value: &[u8]) -> bool {
        let mut given = self.values(column, Operator::Equal).peekable();
        given.peek().is_none() || given.any(|cell| cell.as_text() == Some(value))
    }
}

fn text_of(cell: &Cell) -> Option<Vec<u8>> {
    match cell {
        Cell::Text(text) => Some(text.to_vec()),
        Cell::Integer(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

/// No rows.
pub(crate) fn none() -> Rows {
    Box::new(std::iter::empty())
}

/// Rows that are already there.
pub(crate) fn all(rows: Vec<Row>) -> Rows {
    Box::new(rows.into_iter())
}

//! The one virtual table behind all declarations.
//!
//! The only unsafe lines of the probe: rusqlite asks for a promise that both structures begin with SQLite's own,
//! which `repr(C)` and the order of the fields keep.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor, sqlite3_vtab,
    sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

use super::constraints::{Plan, best_index};
use crate::host::Host;
use crate::tables::{Cell, ColumnType, Constraint, Failure, FailureKind, Operator, Row, Rows, Scan, Table};

/// What SQLite keeps for a registered table.
pub(super) struct Registered {
    table: &'static Table,
    host: Arc<Host>,
}

/// A table in use.
#[repr(C)]
pub(super) struct Open {
    base: sqlite3_vtab,
    table: &'static Table,
    host: Arc<Host>,
}

/// A visit of a table.
#[repr(C)]
pub(super) struct Cursor {
    base: sqlite3_vtab_cursor,
    table: &'static Table,
    host: Arc<Host>,
    rows: Option<Rows>,
    current: Option<Row>,
}

const MODULE: &Module<'static, Open> = &Module::eponymous_only_module();

/// Makes a table known by its name.
pub(super) fn register(connection: &Connection, table: &'static Table, host: &Arc<Host>) -> Result<()> {
    let name = CString::new(table.name).map_err(|_| Error::InvalidQuery)?;
    connection.create_module(name.as_c_str(), MODULE, Some(Registered { table, host: Arc::clone(host) }))
}

// SAFETY: `Open` is `repr(C)` and begins with `sqlite3_vtab`.
unsafe impl<'vtab> VTab<'vtab> for Open {
    type Aux = Registered;
    type Cursor = Cursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let registered = aux.ok_or(Error::InvalidQuery)?;
        db.config(VTabConfig::Innocuous)?;
        let sql = CString::new(registered.table.create_statement()).map_err(|_| Error::InvalidQuery)?;
        let open = Open {
            base: sqlite3_vtab::default(),
            table: registered.table,
            host: Arc::clone(&registered.host),
        };
        Ok((Cow::Owned(sql), open))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        Ok(best_index(self.table, info))
    }

    fn open(&'vtab mut self) -> Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            table: self.table,
            host: Arc::clone(&self.host),
            rows: None,
            current: None,
        })
    }
}

impl Cursor {
    fn refuse(&self, failure: Failure) -> Error {
        self.host.note_failure(failure.kind);
        let code = match failure.kind {
            FailureKind::Constraint => ffi::SQLITE_CONSTRAINT,
            FailureKind::Unsupported | FailureKind::Internal => ffi::SQLITE_ERROR,
        };
        Error::SqliteFailure(ffi::Error::new(code), Some(failure.words))
    }

    fn start(&self, constraints: Vec<Constraint>, used: u64) -> std::result::Result<Rows, Failure> {
        let is_required = |place: usize| self.table.columns.get(place).is_some_and(|column| column.required);
        let needs = self.table.columns.iter().any(|column| column.required);
        if needs && !constraints.iter().any(|c| is_required(c.column) && c.operator != Operator::Glob) {
            return Err(Failure {
                kind: FailureKind::Constraint,
                words: format!(
                    "Table {} was queried without a required column in the WHERE clause",
                    self.table.name
                ),
            });
        }
        // Nothing equals NULL, and nothing is like it.
        if constraints.iter().any(|constraint| constraint.value == Cell::Null) {
            return Ok(crate::tables::none());
        }
        (self.table.rows)(&Scan { host: Arc::clone(&self.host), table: self.table, constraints, used })
    }
}

// SAFETY: `Cursor` is `repr(C)` and begins with `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _number: c_int, plan: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        let plan = plan
            .and_then(Plan::decode)
            .ok_or_else(|| self.refuse(Failure::internal("the query plan did not arrive")))?;
        let constraints = plan
            .arguments
            .iter()
            .zip(arguments.iter())
            .map(|((column, operator), value)| Constraint {
                column: *column,
                operator: *operator,
                value: cell_from(value),
            })
            .collect();
        match self.start(constraints, plan.used) {
            Ok(rows) => self.rows = Some(rows),
            Err(failure) => return Err(self.refuse(failure)),
        }
        self.next()
    }

    fn next(&mut self) -> Result<()> {
        self.current = self.rows.as_mut().and_then(Iterator::next);
        Ok(())
    }

    fn eof(&self) -> bool {
        self.current.is_none()
    }

    fn column(&self, context: &mut Context, place: c_int) -> Result<()> {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let Some(kind) = self.table.columns.get(place).map(|column| column.kind) else {
            return Ok(());
        };
        match (kind, self.current.as_ref().and_then(|row| row.get(place)).unwrap_or(&Cell::Null)) {
            (ColumnType::Text, Cell::Text(text)) => {
                context.set_result(ToSqlOutput::Borrowed(ValueRef::Text(text)))
            }
            (_, cell) => context.set_result(value_from(cell.typed(kind))),
        }
    }

    /// SQLite tells rows of several visits apart by this number when it answers an OR, so it must come from the
    /// row itself.
    fn rowid(&self) -> Result<i64> {
        let mut hasher = DefaultHasher::new();
        for cell in self.current.iter().flatten() {
            match cell {
                Cell::Null => hasher.write_u8(0),
                Cell::Integer(number) => hasher.write_i64(*number),
                Cell::Real(real) => hasher.write_u64(real.to_bits()),
                Cell::Text(text) => hasher.write(text),
            }
            hasher.write_u8(255);
        }
        Ok(hasher.finish() as i64)
    }
}

fn cell_from(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(real) => Cell::Real(real),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::from(bytes),
    }
}

fn value_from(cell: Cell) -> ToSqlOutput<'static> {
    match cell {
        Cell::Null => ToSqlOutput::Owned(Value::Null),
        Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(number)),
        Cell::Real(real) => ToSqlOutput::Owned(Value::Real(real)),
        Cell::Text(Cow::Borrowed(bytes)) => ToSqlOutput::Borrowed(ValueRef::Text(bytes)),
        Cell::Text(Cow::Owned(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => ToSqlOutput::Owned(Value::Text(text)),
            // Only numbers become owned text here, so this never happens; bytes would stay bytes.
            Err(error) => ToSqlOutput::Owned(Value::Blob(error.into_bytes())),
        },
    }
}

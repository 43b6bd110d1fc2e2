//! The one virtual table behind all relations: walks the visits that the statement can mean, and decodes the cells that
//! it looks at.
//!
//! The only unsafe lines of this crate: rusqlite asks for a promise that both structures begin with SQLite's own, which
//! `repr(C)` and the order of the fields keep.
#![allow(unsafe_code)]

use super::coverage::Read;
use crate::layout::{Cell, Fact, Layout, Relation, Subject};
use crate::reading::Reading;
use crate::stored::Stored;
use crate::value::Value;
use herdiff_model::bundle::BundleError;
use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
    escape_double_quote, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What all tables of a connection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) stored: Stored,
    pub(super) layout: Layout,
    relations: Vec<OnceLock<Relation>>,
    pub(super) read: Read,
    /// The damage that a statement came upon.
    pub(super) damage: Mutex<Option<BundleError>>,
    /// The visits of each host.
    hosts: HashMap<String, Vec<usize>>,
}

impl Shared {
    pub(super) fn new(stored: Stored, layout: Layout) -> Self {
        let mut hosts: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, visit) in stored.visits().iter().enumerate() {
            hosts.entry(visit.host.to_string()).or_default().push(place);
        }
        let relations = layout.names().iter().map(|_| OnceLock::new()).collect();
        Self { stored, layout, relations, read: Read::default(), damage: Mutex::default(), hosts }
    }

    /// A table with its columns; its rows are read when it is first asked for.
    pub(super) fn relation(&self, place: usize) -> std::result::Result<Option<&Relation>, BundleError> {
        let (Some(slot), Some((name, subject))) = (self.relations.get(place), self.layout.names().get(place))
        else {
            return Ok(None);
        };
        if let Some(known) = slot.get() {
            return Ok(Some(known));
        }
        let relation = self.layout.relation(&self.stored, name, *subject)?;
        Ok(Some(slot.get_or_init(|| relation)))
    }

    fn known(&self, place: usize) -> Option<&Relation> {
        self.relations.get(place)?.get()
    }

    /// SQLite takes words only: the damage itself is kept for who asked.
    fn refuse(&self, damage: BundleError) -> Error {
        let words = damage.to_string();
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = Some(damage);
        Error::ModuleError(words)
    }
}

/// A table in use.
#[repr(C)]
pub(super) struct Table {
    base: sqlite3_vtab,
    shared: Arc<Shared>,
    relation: usize,
}

/// A walk over a table.
#[repr(C)]
pub(super) struct Cursor {
    base: sqlite3_vtab_cursor,
    shared: Arc<Shared>,
    relation: usize,
    visits: Visits,
    reading: Option<Reading>,
    /// The visit of the row; `None` where there are no more.
    visit: Option<usize>,
    row: usize,
}

/// The visits that are still to be read.
enum Visits {
    All(std::ops::Range<usize>),
    Some(std::vec::IntoIter<usize>),
}

impl Iterator for Visits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(range) => range.next(),
            Self::Some(some) => some.next(),
        }
    }
}

/// Only the proportions matter.
const COST_ALL: f64 = 1e6;
const COST_ONE_HOST: f64 = 1e3;
const ALL: c_int = 0;
const ONE_HOST: c_int = 1;

/// Makes the tables known by their names.
pub(super) fn register(connection: &Connection, shared: &Arc<Shared>) -> Result<()> {
    // Tables that are there without being created: what no statement names is never read.
    const MODULE: &Module<'static, Table> = &Module::eponymous_only_module();
    for (place, (name, _)) in shared.layout.names().iter().enumerate() {
        let name = CString::new(name.as_str()).map_err(|_| Error::InvalidQuery)?;
        connection.create_module(name.as_c_str(), MODULE, Some((Arc::clone(shared), place)))?;
    }
    Ok(())
}

fn declaration(relation: &Relation) -> String {
    let columns = relation.columns.iter().map(|column| {
        // A row's own columns come after what `SELECT *` should show of the visit.
        let beside = matches!(relation.subject, Subject::Rows(_)) && column.cell == Cell::Fact(Fact::Visit);
        let hidden = if beside { " HIDDEN" } else { "" };
        format!("\"{}\" {}{hidden}", escape_double_quote(&column.name), column.kind.sql())
    });
    format!("CREATE TABLE x({})", columns.collect::<Vec<_>>().join(", "))
}

// SAFETY: `Table` is `repr(C)` and begins with `sqlite3_vtab`.
unsafe impl<'vtab> VTab<'vtab> for Table {
    type Aux = (Arc<Shared>, usize);
    type Cursor = Cursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let (shared, relation) = aux.ok_or(Error::InvalidQuery)?;
        let known = shared.relation(*relation).map_err(|damage| shared.refuse(damage))?;
        let declared = declaration(known.ok_or(Error::InvalidQuery)?);
        db.config(VTabConfig::Innocuous)?;
        let table = Self { base: sqlite3_vtab::default(), shared: Arc::clone(shared), relation: *relation };
        Ok((Cow::Owned(CString::new(declared).map_err(|_| Error::InvalidQuery)?), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        // A comparison by another collation may accept hosts that we would leave out.
        let binary: Vec<bool> = (0..info.constraints().count())
            .map(|place| info.collation(place).is_ok_and(|name| name.eq_ignore_ascii_case("BINARY")))
            .collect();
        let by_host = |(place, constraint): (usize, rusqlite::vtab::IndexConstraint<'_>)| {
            let equal = constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
            let of_host = constraint.column() == 0 && equal && binary.get(place) == Some(&true);
            (of_host && constraint.is_usable()).then_some(place)
        };
        let found = info.constraints().enumerate().find_map(by_host);
        match found {
            Some(place) => {
                info.constraint_usage(place).set_argv_index(1);
                info.set_idx_num(ONE_HOST);
                info.set_estimated_cost(COST_ONE_HOST);
                info.set_estimated_rows(COST_ONE_HOST as i64);
            }
            None => {
                info.set_idx_num(ALL);
                info.set_estimated_cost(COST_ALL);
                info.set_estimated_rows(COST_ALL as i64);
            }
        }
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            shared: Arc::clone(&self.shared),
            relation: self.relation,
            visits: Visits::All(0..0),
            reading: None,
            visit: None,
            row: 0,
        })
    }
}

impl Cursor {
    /// Goes on to the next visit while this one has no row at the place.
    fn settle(&mut self) {
        let Some(reading) = &self.reading else { return };
        while self.visit.is_none_or(|visit| self.row >= reading.len(visit)) {
            (self.visit, self.row) = (self.visits.next(), 0);
            if self.visit.is_none() {
                return;
            }
        }
    }
}

// SAFETY: `Cursor` is `repr(C)` and begins with `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, plan: c_int, _: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        let chosen = match arguments.iter().next().filter(|_| plan == ONE_HOST) {
            Some(ValueRef::Text(name)) => {
                let name = std::str::from_utf8(name).ok();
                Some(name.and_then(|name| self.shared.hosts.get(name).cloned()).unwrap_or_default())
            }
            Some(ValueRef::Null) => Some(Vec::new()),
            // A number may be equal to a name as SQLite compares them: it looks itself.
            _ => None,
        };
        let subject =
            self.shared.known(self.relation).map(|relation| relation.subject).ok_or(Error::InvalidQuery)?;
        if let Subject::Rows(query) = subject {
            self.shared.read.note(query, chosen.as_deref());
        }
        self.visits = match chosen {
            Some(some) => Visits::Some(some.into_iter()),
            None => Visits::All(0..self.shared.stored.visits().len()),
        };
        let reading =
            Reading::of(&self.shared.stored, subject).map_err(|damage| self.shared.refuse(damage))?;
        (self.reading, self.visit, self.row) = (Some(reading), None, 0);
        self.settle();
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.row += 1;
        self.settle();
        Ok(())
    }

    fn eof(&self) -> bool {
        self.visit.is_none()
    }

    fn column(&self, context: &mut Context, place: c_int) -> Result<()> {
        let column = usize::try_from(place)
            .ok()
            .and_then(|place| self.shared.known(self.relation)?.columns.get(place));
        let at = self.reading.as_ref().zip(self.visit);
        let value = column.zip(at).map(|(column, (reading, visit))| reading.value(visit, self.row, column));
        context.set_result(match &value {
            None | Some(Value::Null) => ToSqlOutput::Borrowed(ValueRef::Null),
            Some(Value::Integer(number)) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Some(Value::Real(number)) => ToSqlOutput::Borrowed(ValueRef::Real(*number)),
            Some(Value::Text(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
        })
    }

    /// SQLite tells rows apart by this number, and so does whoever wants to find the row again.
    fn rowid(&self) -> Result<i64> {
        let number = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
        Ok(number(self.visit.unwrap_or_default()) << 32 | (number(self.row) & i64::from(u32::MAX)))
    }
}

/// The visit and the row within it that a `rowid` stands for.
pub(super) fn place(rowid: i64) -> (usize, usize) {
    (usize::try_from(rowid >> 32).unwrap_or(usize::MAX), (rowid & i64::from(u32::MAX)) as usize)
}

/// SQLite's words for an error.
pub(super) fn words(error: &Error) -> (ffi::Error, String) {
    match error {
        Error::SqliteFailure(error, words) => {
            (*error, words.clone().unwrap_or_else(|| ffi::code_to_str(error.extended_code).to_owned()))
        }
        Error::SqlInputError { error, msg, .. } => (*error, msg.clone()),
        other => (ffi::Error::new(ffi::SQLITE_ERROR), other.to_string()),
    }
}

//! Runs statements and hands their rows on, within limits.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Error, ErrorCode, Row, ffi};

use super::{functions, vtab};
use crate::host::Host;
use crate::tables::{ALL, FailureKind};

/// SQLite's own memory; what a runaway recursive query may take before it is refused.
const HEAP_BYTES: i64 = 512 << 20;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 5_000;
/// Pragmas that only tell; all others could change how the probe works or name files.
const HARMLESS_PRAGMAS: [&str; 8] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "function_list",
    "module_list",
    "compile_options",
    "pragma_list",
    "database_list",
];

/// What one query may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) time: Option<Duration>,
}

/// Which limit ended a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Rows,
    Bytes,
    Time,
}

/// What becomes of a query after a row was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Go,
    Stop(Limit),
}

/// How a query ended that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) cut: Option<Limit>,
}

/// Takes the rows.
pub(crate) trait Sink {
    /// A statement that has columns begins.
    fn columns(&mut self, names: &[&str]) -> io::Result<()>;
    /// One row of it.
    fn row(&mut self, row: &RowView<'_, '_>) -> io::Result<Next>;
}

/// A row as SQLite has it.
pub(crate) struct RowView<'a, 'stmt> {
    row: &'a Row<'stmt>,
}

impl RowView<'_, '_> {
    /// The value of a column.
    pub(crate) fn value(&self, place: usize) -> ValueRef<'_> {
        self.row.get_ref(place).unwrap_or(ValueRef::Null)
    }
}

/// Why a query was refused or broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlErrorKind {
    Sql,
    Constraint,
    Unsupported,
    Timeout,
    Internal,
}

/// A refusal in SQLite's words.
#[derive(Debug)]
pub(crate) struct SqlError {
    pub(crate) kind: SqlErrorKind,
    /// SQLite's result code, which is osqueryi's exit status.
    pub(crate) code: i32,
    pub(crate) words: String,
}

/// The connection to the tables of one host.
pub(crate) struct Engine {
    connection: Connection,
    host: Arc<Host>,
}

impl Engine {
    /// Opens an empty database in memory and makes the tables and functions known.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub(crate) fn new(host: Arc<Host>) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        // Sorting a large result must not write to the host's disk.
        connection
            .execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {HEAP_BYTES}"))?;
        for table in ALL {
            vtab::register(&connection, table, &host)?;
        }
        functions::register(&connection, &host)?;
        connection.authorizer(Some(authorize))?;
        let watched = Arc::clone(&host);
        connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || watched.expired()))?;
        Ok(Engine { connection, host })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Runs all statements of a text.
    ///
    /// # Errors
    /// The outer error is the sink's: nobody takes the rows any more. The inner one is the query's.
    pub(crate) fn run(
        &self,
        sql: &str,
        limits: Limits,
        sink: &mut dyn Sink,
    ) -> io::Result<Result<Outcome, SqlError>> {
        self.host.begin(limits.time.and_then(|time| Instant::now().checked_add(time)));
        let mut batch = Batch::new(&self.connection, sql);
        loop {
            let mut statement = match batch.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => return Ok(Ok(Outcome { cut: self.late() })),
                Err(error) => return Ok(Err(self.explain(error))),
            };
            if statement.column_count() > 0 {
                let names: Vec<&str> = statement.column_names().collect();
                sink.columns(&names)?;
            }
            let mut rows = statement.raw_query();
            loop {
                match rows.next() {
                    Ok(Some(row)) => {
                        if let Next::Stop(limit) = sink.row(&RowView { row })? {
                            return Ok(Ok(Outcome { cut: Some(limit) }));
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Ok(Err(self.explain(error))),
                }
            }
        }
    }

    /// A table may have ended its walk by itself because the time was over.
    fn late(&self) -> Option<Limit> {
        self.host.expired().then_some(Limit::Time)
    }

    fn explain(&self, error: Error) -> SqlError {
        let (code, words) = match error {
            Error::SqliteFailure(error, words) => {
                (error, words.unwrap_or_else(|| ffi::code_to_str(error.extended_code).to_owned()))
            }
            Error::SqlInputError { error, msg, .. } => (error, msg),
            other => (ffi::Error::new(ffi::SQLITE_ERROR), other.to_string()),
        };
        let kind = match (code.code, self.host.failure()) {
            (ErrorCode::OperationInterrupted, _) => SqlErrorKind::Timeout,
            (_, Some(FailureKind::Constraint)) => SqlErrorKind::Constraint,
            (_, Some(FailureKind::Unsupported)) => SqlErrorKind::Unsupported,
            (_, Some(FailureKind::Internal)) => SqlErrorKind::Internal,
            (ErrorCode::OutOfMemory, None) => SqlErrorKind::Internal,
            (_, None) => SqlErrorKind::Sql,
        };
        SqlError { kind, code: code.extended_code & 0xff, words }
    }
}

/// Reading is free; nothing may reach another file or change the probe.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, .. } if !HARMLESS_PRAGMAS.contains(&pragma_name) => {
            Authorization::Deny
        }
        AuthAction::Function { function_name: "load_extension" | "fts3_tokenizer" } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

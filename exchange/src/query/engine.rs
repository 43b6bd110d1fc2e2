//! Runs one statement over a bundle, within limits, and hands its rows on as they come.

use super::coverage::Gap;
use super::vtab::{self, Shared};
use crate::layout::{Layout, Relation, Subject};
use crate::stored::Stored;
use fallible_iterator::FallibleIterator;
use herdiff_model::bundle::BundleError;
use herdiff_model::snapshot::QueryId;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::vtab::escape_double_quote;
use rusqlite::{Batch, Connection, Error, ErrorCode, Params, Statement};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// SQLite's own memory: sorting and grouping of a large bundle fit, a runaway statement does not take the machine.
const HEAP_BYTES: i64 = 2 << 30;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 5_000;
/// Pragmas that only tell.
const HARMLESS_PRAGMAS: [&str; 6] =
    ["table_info", "table_xinfo", "table_list", "function_list", "compile_options", "pragma_list"];

/// When a statement has to stop.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Not later than this.
    pub deadline: Option<Instant>,
    /// As soon as this is set.
    pub interrupted: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn stop(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Takes the rows of a statement.
pub trait Sink {
    /// Called once, before the first row.
    fn columns(&mut self, names: &[&str]) -> io::Result<()>;
    /// One row.
    fn row(&mut self, values: &[ValueRef<'_>]) -> io::Result<()>;
}

/// Why a statement has no answer, or only the start of one.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// SQLite refused it.
    #[error("{0}")]
    Sql(String),
    /// It names a column that the table does not have.
    #[error("{0}")]
    NoSuchColumn(String),
    /// Two statements, or none.
    #[error("{0} statements were given, and one is run")]
    NotOne(&'static str),
    /// It wants to do something else than read.
    #[error("only reading is allowed here ({0})")]
    NotReading(String),
    /// The deadline passed.
    #[error("the time limit was reached")]
    TimeOut,
    /// The operator stopped it.
    #[error("interrupted")]
    Interrupted,
    /// More memory than a statement may take.
    #[error("the statement needs more memory than {} MiB", HEAP_BYTES >> 20)]
    Memory,
    /// Nobody takes the rows any more.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The bundle is damaged, or cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The list of numbers that is built in.
    #[error("the built-in types of columns cannot be read: {0}")]
    Types(#[from] serde_json::Error),
}

/// SQLite over one bundle.
#[derive(Debug)]
pub struct Engine {
    connection: Connection,
    shared: Arc<Shared>,
    watch: Watch,
}

impl Engine {
    /// Makes the tables known. Nothing is read yet.
    pub fn open(stored: &Stored, watch: Watch) -> Result<Self, QueryError> {
        let shared = Arc::new(Shared::new(stored.clone(), Layout::of(stored)?));
        let start = || {
            let mut connection = Connection::open_in_memory()?;
            connection.execute_batch(&format!(
                "PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {HEAP_BYTES}; PRAGMA trusted_schema = OFF"
            ))?;
            vtab::register(&connection, &shared)?;
            herdiff_sql::register(&connection)?;
            connection.authorizer(Some(authorize))?;
            let watched = watch.clone();
            connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || watched.stop()))?;
            Ok(connection)
        };
        let connection = start().map_err(|error: Error| QueryError::Sql(vtab::words(&error).1))?;
        Ok(Self { connection, shared, watch })
    }

    /// All tables. Every query of the bundle is read for it.
    ///
    /// # Errors
    /// When the bundle is damaged.
    pub fn relations(&self) -> Result<Vec<&Relation>, QueryError> {
        let places = 0..self.shared.layout.names().len();
        Ok(places.filter_map(|place| self.shared.relation(place).transpose()).collect::<Result<_, _>>()?)
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// When it is refused or stopped; rows that came before are the sink's already.
    pub fn run(&self, sql: &str, sink: &mut dyn Sink) -> Result<(), QueryError> {
        self.shared.read.forget();
        let mut batch = Batch::new(&self.connection, sql);
        let mut statement = batch.next().map_err(|e| self.explain(&e))?.ok_or(QueryError::NotOne("no"))?;
        // The rest of the text must be empty, whether it could be run or not.
        if !matches!(batch.next(), Ok(None)) {
            return Err(QueryError::NotOne("several"));
        }
        {
            let names: Vec<&str> = statement.column_names().collect();
            sink.columns(&names)?;
        }
        let width = statement.column_count();
        self.each(&mut statement, [], |row| {
            let values: Vec<_> =
                (0..width).map(|place| row.get_ref(place).unwrap_or(ValueRef::Null)).collect();
            sink.row(&values)
        })
    }

    /// The rows of a query that a condition holds for, as visit and row within it.
    ///
    /// # Errors
    /// When the condition is refused or stopped.
    pub fn find(
        &self,
        query: QueryId,
        condition: &str,
        host: Option<&str>,
    ) -> Result<Vec<(usize, usize)>, QueryError> {
        let mut names = self.shared.layout.names().iter();
        let Some((table, _)) = names.find(|(_, subject)| *subject == Subject::Rows(query)) else {
            return Ok(Vec::new());
        };
        let table = escape_double_quote(table);
        // On lines of its own, so that a comment in it ends with it.
        let sql =
            format!("SELECT rowid FROM \"{table}\" WHERE (?1 IS NULL OR host = ?1) AND (\n{condition}\n)");
        let sql = match host {
            Some(_) => sql.replacen("(?1 IS NULL OR host = ?1)", "host = ?1", 1),
            None => sql,
        };
        let mut batch = Batch::new(&self.connection, &sql);
        let mut statement = batch.next().map_err(|e| self.explain(&e))?.ok_or(QueryError::NotOne("no"))?;
        if !matches!(batch.next(), Ok(None)) {
            return Err(QueryError::NotOne("several"));
        }
        let mut found = Vec::new();
        self.each(&mut statement, [host], |row| {
            found.push(vtab::place(row.get(0).unwrap_or(i64::MAX)));
            Ok(())
        })?;
        Ok(found)
    }

    /// Of the tables that were read since the last [`run`](Self::run) started: who could not tell.
    pub fn coverage(&self) -> Vec<Gap> {
        self.shared.read.gaps(&self.shared.stored, self.shared.layout.names())
    }

    fn each(
        &self,
        statement: &mut Statement<'_>,
        parameters: impl Params,
        mut take: impl FnMut(&rusqlite::Row<'_>) -> io::Result<()>,
    ) -> Result<(), QueryError> {
        let mut rows = statement.query(parameters).map_err(|error| self.explain(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.explain(&error))? {
            take(row)?;
        }
        Ok(())
    }

    fn explain(&self, error: &Error) -> QueryError {
        if let Some(damage) = self.shared.damage.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return QueryError::Bundle(damage);
        }
        let (code, words) = vtab::words(error);
        match code.code {
            ErrorCode::OperationInterrupted if self.watch.interrupted.load(Ordering::Relaxed) => {
                QueryError::Interrupted
            }
            ErrorCode::OperationInterrupted => QueryError::TimeOut,
            ErrorCode::OutOfMemory => QueryError::Memory,
            ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly => QueryError::NotReading(words),
            _ if words.starts_with("no such column") => QueryError::NoSuchColumn(words),
            _ if words.contains("may not be modified") => QueryError::NotReading(words),
            _ => QueryError::Sql(words),
        }
    }
}

/// Reading is free; everything else is refused.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name: "load_extension" | "fts3_tokenizer" } => Authorization::Deny,
        AuthAction::Function { .. } => Authorization::Allow,
        AuthAction::Pragma { pragma_name, .. } if HARMLESS_PRAGMAS.contains(&pragma_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

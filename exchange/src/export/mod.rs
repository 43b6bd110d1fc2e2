//! A bundle in the formats of others. `docs/EXCHANGE.md` describes what is written.
//!
//! Rows pass through one query at a time, so that memory does not grow with the bundle. What is written stands under
//! another name until it is whole.

mod csv;
mod file_name;
mod json;
mod ndjson;
mod parquet;
mod sqlite;

use crate::layout::{Layout, Relation, Subject};
use crate::place::Place;
use crate::query::Watch;
use crate::reading::Reading;
use crate::stored::Stored;
use crate::value::Value;
use herdiff_model::bundle::BundleError;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A directory as `herdiff import` reads it, value for value.
    Json,
    /// One file, one JSON object a line.
    Ndjson,
    /// A directory with a file for each table.
    Csv,
    /// A directory with a file for each table.
    Parquet,
    /// One database.
    Sqlite,
}

/// How far an export is, and whether it is to stop.
pub struct Job<'a> {
    /// When to stop.
    pub watch: Watch,
    /// Called with how much of all is done; the unit is not told.
    pub progress: &'a dyn Fn(usize, usize),
    /// Findings as NDJSON, which become a table where the format is SQLite.
    pub findings: Option<&'a str>,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It would be written over something.
    #[error("{path} is there already")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody takes it any more.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// SQLite refuses.
    #[error("cannot write the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The library for Parquet refuses.
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// A line that is no finding.
    #[error("line {line} of the findings is not a finding: {why}")]
    Findings {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The operator stopped it.
    #[error("interrupted")]
    Interrupted,
    /// The bundle is damaged, or cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The list of numbers that is built in.
    #[error("the built-in types of columns cannot be read: {0}")]
    Types(#[from] serde_json::Error),
}

impl Job<'_> {
    fn at(&self, done: usize, all: usize) -> Result<(), ExportError> {
        (self.progress)(done, all);
        if self.watch.stop() { Err(ExportError::Interrupted) } else { Ok(()) }
    }
}

/// Writes a whole bundle to a new file or directory that only its owner can read.
///
/// # Errors
/// When it is there already, cannot be written, or the operator stops it. Then nothing is left under its name.
pub fn export(stored: &Stored, format: Format, to: &Path, job: &Job<'_>) -> Result<(), ExportError> {
    let failed = |source| ExportError::Write { path: to.to_owned(), source };
    if to.symlink_metadata().is_ok() {
        return Err(ExportError::Exists { path: to.to_owned() });
    }
    let place = match format {
        Format::Json | Format::Csv | Format::Parquet => Place::directory(to),
        Format::Ndjson | Format::Sqlite => Place::file(to),
    }
    .map_err(failed)?;
    match format {
        Format::Json => json::write(stored, place.path(), job)?,
        Format::Csv => csv::write(stored, place.path(), job)?,
        Format::Parquet => parquet::write(stored, place.path(), job)?,
        Format::Sqlite => sqlite::write(stored, place.path(), job)?,
        Format::Ndjson => {
            let mut file = io::BufWriter::with_capacity(1 << 18, place.open().map_err(failed)?);
            ndjson::write(stored, &mut file, job)?;
            file.flush().map_err(failed)?;
        }
    }
    place.finish().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Exists { path: to.to_owned() },
        _ => failed(error),
    })
}

/// Writes a bundle as NDJSON to whoever takes it.
///
/// # Errors
/// When nobody takes it any more, or the operator stops it.
pub fn export_lines(stored: &Stored, to: &mut dyn Write, job: &Job<'_>) -> Result<(), ExportError> {
    ndjson::write(stored, to, job)
}

/// Takes the rows of tables, one table after the other.
trait Tables {
    fn start(&mut self, relation: &Relation) -> Result<(), ExportError>;
    fn row(&mut self, relation: &Relation, values: &[Value<'_>]) -> Result<(), ExportError>;
    fn end(&mut self, relation: &Relation) -> Result<(), ExportError>;
}

/// Hands every row of every table on.
fn each_table(stored: &Stored, job: &Job<'_>, tables: &mut dyn Tables) -> Result<(), ExportError> {
    let layout = Layout::of(stored)?;
    let visits = stored.visits().len();
    let all = visits * layout.names().len();
    for (nth, (name, subject)) in layout.names().iter().enumerate() {
        let relation = layout.relation(stored, name, *subject)?;
        let reading = Reading::of(stored, *subject)?;
        tables.start(&relation)?;
        for visit in 0..visits {
            job.at(nth * visits + visit, all)?;
            for row in 0..reading.len(visit) {
                let values: Vec<_> =
                    relation.columns.iter().map(|column| reading.value(visit, row, column)).collect();
                tables.row(&relation, &values)?;
            }
        }
        tables.end(&relation)?;
        if let Subject::Rows(query) = *subject {
            stored.forget(query);
        }
    }
    job.at(all, all)
}

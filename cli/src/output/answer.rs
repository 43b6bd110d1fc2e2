//! Rows of a statement, written as they come: memory does not grow with the answer.

use super::{Format, csv, json};
use crate::screen::Screen;
use crate::screen::escape::escape;
use crate::screen::table::Table;
use herdiff_exchange::query::{Sink, ValueRef};
use serde_json::{Map, Value};
use std::io::{self, BufWriter, Stdout, Write};

/// Rows that are aligned with each other; after so many a new table starts.
const ROWS_OF_A_TABLE: usize = 10_000;

/// Standard output, taking rows.
pub(crate) struct Answer {
    out: BufWriter<Stdout>,
    format: Format,
    screen: Screen,
    columns: Vec<String>,
    table: Vec<Vec<String>>,
    rows: usize,
}

impl Answer {
    pub(crate) fn new(format: Format, screen: Screen) -> Self {
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        Self { out, format, screen, columns: Vec::new(), table: Vec::new(), rows: 0 }
    }

    /// Writes what is still held back.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.format {
            Format::Table if self.rows == 0 => self.out.write_all(b"No rows.\n")?,
            Format::Table => self.flush_table()?,
            Format::Json if self.rows == 0 => self.out.write_all(b"[]\n")?,
            Format::Json => self.out.write_all(b"\n]\n")?,
            Format::Ndjson | Format::Csv => {}
        }
        self.out.flush()
    }

    fn flush_table(&mut self) -> io::Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(self.columns.iter().map(|name| escape(name).to_uppercase()));
        self.table.drain(..).for_each(|row| table.row(row));
        writeln!(self.out, "{}", table.render(self.screen))
    }
}

impl Sink for Answer {
    fn columns(&mut self, names: &[&str]) -> io::Result<()> {
        self.columns = names.iter().map(|&name| name.to_owned()).collect();
        match self.format {
            Format::Csv => self.out.write_all(&csv::document(names.iter().copied(), [])?),
            Format::Table | Format::Json | Format::Ndjson => Ok(()),
        }
    }

    fn row(&mut self, values: &[ValueRef<'_>]) -> io::Result<()> {
        self.rows += 1;
        match self.format {
            Format::Table => {
                self.table.push(values.iter().map(|&value| escape(text(value))).collect());
                if self.table.len() >= ROWS_OF_A_TABLE { self.flush_table() } else { Ok(()) }
            }
            Format::Csv => self.out.write_all(&csv::record(values.iter().map(|&value| text(value)))?),
            Format::Ndjson | Format::Json => {
                let cells = self.columns.iter().cloned().zip(values.iter().map(|&value| to_json(value)));
                let object = json::line(&Value::Object(cells.collect::<Map<_, _>>()))?;
                if self.format == Format::Ndjson {
                    return self.out.write_all(&object);
                }
                self.out.write_all(if self.rows == 1 { b"[\n  " } else { b",\n  " })?;
                self.out.write_all(object.trim_ascii_end())
            }
        }
    }
}

/// NULL is empty.
fn text(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Null => Vec::new(),
        ValueRef::Integer(number) => number.to_string().into_bytes(),
        ValueRef::Real(number) => format!("{number:?}").into_bytes(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
    }
}

/// Numbers are numbers, NULL is null.
fn to_json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
    }
}

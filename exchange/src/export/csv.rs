//! CSV: a file for each table, with cells that no spreadsheet runs.

use super::file_name::FileNames;
use super::{ExportError, Job, Tables, each_table};
use crate::layout::Relation;
use crate::stored::Stored;
use crate::text::spreadsheet_cell;
use crate::value::Value;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn write(stored: &Stored, directory: &Path, job: &Job<'_>) -> Result<(), ExportError> {
    let mut files = Files { directory: directory.to_owned(), names: FileNames::default(), open: None };
    each_table(stored, job, &mut files)
}

struct Files {
    directory: PathBuf,
    names: FileNames,
    open: Option<::csv::Writer<File>>,
}

impl Files {
    fn writer(&mut self) -> io::Result<&mut ::csv::Writer<File>> {
        self.open.as_mut().ok_or_else(|| io::Error::other("no table was started"))
    }
}

impl Tables for Files {
    fn start(&mut self, relation: &Relation) -> Result<(), ExportError> {
        let path = self.directory.join(format!("{}.csv", self.names.unique(&relation.name)));
        let created = File::create_new(&path);
        let file = created.map_err(|source| ExportError::Write { path, source })?;
        self.open = Some(::csv::WriterBuilder::new().buffer_capacity(1 << 17).from_writer(file));
        let header = relation.columns.iter().map(|column| spreadsheet_cell(column.name.as_bytes()));
        Ok(self.writer()?.write_record(header).map_err(io::Error::from)?)
    }

    fn row(&mut self, _: &Relation, values: &[Value<'_>]) -> Result<(), ExportError> {
        let cells = values.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => herdiff_sql::real_text(*number),
            Value::Text(text) => spreadsheet_cell(text),
        });
        Ok(self.writer()?.write_record(cells).map_err(io::Error::from)?)
    }

    fn end(&mut self, _: &Relation) -> Result<(), ExportError> {
        self.writer()?.flush()?;
        self.open = None;
        Ok(())
    }
}

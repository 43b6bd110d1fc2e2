//! Parquet: a file for each table, columns typed as osquery declares them, compressed with zstd.
//!
//! What a typed column cannot hold is in the last column, `raw`: a JSON object of the columns' names and, in base64, the
//! exact bytes of those cells. Elsewhere `raw` is NULL.

use super::file_name::FileNames;
use super::{ExportError, Job, Tables, each_table};
use crate::layout::Relation;
use crate::stored::Stored;
use crate::value::{Kind, Value};
use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::Type;
use serde_json::{Map, Value as Json};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows, and bytes of text, that wait to be written: what bounds the memory of an export.
const MOST_ROWS: usize = 1 << 17;
const MOST_BYTES: usize = 32 << 20;
const LEVEL: i32 = 6;

pub(super) fn write(stored: &Stored, directory: &Path, job: &Job<'_>) -> Result<(), ExportError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_created_by(concat!("herdiff ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut files = Files {
        directory: directory.to_owned(),
        names: FileNames::default(),
        properties: Arc::new(properties),
        open: None,
        buffers: Vec::new(),
        rows: 0,
        bytes: 0,
    };
    each_table(stored, job, &mut files)
}

struct Files {
    directory: PathBuf,
    names: FileNames,
    properties: WriterPropertiesPtr,
    open: Option<SerializedFileWriter<File>>,
    /// One for each column, and one for `raw`.
    buffers: Vec<Buffer>,
    rows: usize,
    bytes: usize,
}

/// The values of a column, and for each row whether it has one.
struct Buffer {
    values: Values,
    present: Vec<i16>,
}

enum Values {
    Integers(Vec<i64>),
    Reals(Vec<f64>),
    Texts(Vec<ByteArray>),
}

impl Buffer {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Integer => Values::Integers(Vec::new()),
            Kind::Real => Values::Reals(Vec::new()),
            Kind::Text => Values::Texts(Vec::new()),
        };
        Self { values, present: Vec::new() }
    }

    /// `false` where the column cannot hold exactly this value.
    fn push(&mut self, value: &Value<'_>) -> bool {
        let (present, exact) = match (&mut self.values, value) {
            (_, Value::Null) => (0, true),
            (Values::Integers(values), Value::Integer(number)) => (push(values, *number), true),
            (Values::Reals(values), Value::Real(number)) => (push(values, *number), true),
            (Values::Texts(values), Value::Text(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => (push(values, ByteArray::from(text)), true),
                Err(_) => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    (push(values, ByteArray::from(text.into_bytes())), false)
                }
            },
            _ => (0, false),
        };
        self.present.push(present);
        exact
    }

    fn clear(&mut self) {
        self.present.clear();
        match &mut self.values {
            Values::Integers(values) => values.clear(),
            Values::Reals(values) => values.clear(),
            Values::Texts(values) => values.clear(),
        }
    }
}

fn push<T>(values: &mut Vec<T>, value: T) -> i16 {
    values.push(value);
    1
}

fn schema(relation: &Relation, raw: &str) -> Result<Type, ::parquet::errors::ParquetError> {
    let field = |name: &str, kind| {
        let (physical, logical) = match kind {
            Kind::Integer => (Physical::INT64, None),
            Kind::Real => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        builder.with_logical_type(logical).build().map(Arc::new)
    };
    let mut fields: Vec<_> =
        relation.columns.iter().map(|column| field(&column.name, column.kind)).collect::<Result<_, _>>()?;
    fields.push(field(raw, Kind::Text)?);
    Type::group_type_builder("herdiff").with_fields(fields).build()
}

impl Files {
    fn flush(&mut self) -> Result<(), ExportError> {
        let Some(writer) = self.open.as_mut().filter(|_| self.rows > 0) else { return Ok(()) };
        let mut group = writer.next_row_group()?;
        for buffer in &mut self.buffers {
            let Some(mut column) = group.next_column()? else { break };
            let present = Some(buffer.present.as_slice());
            match &buffer.values {
                Values::Integers(values) => column.typed::<Int64Type>().write_batch(values, present, None)?,
                Values::Reals(values) => column.typed::<DoubleType>().write_batch(values, present, None)?,
                Values::Texts(values) => {
                    column.typed::<ByteArrayType>().write_batch(values, present, None)?
                }
            };
            column.close()?;
            buffer.clear();
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Tables for Files {
    fn start(&mut self, relation: &Relation) -> Result<(), ExportError> {
        let path = self.directory.join(format!("{}.parquet", self.names.unique(&relation.name)));
        let file = File::create_new(&path).map_err(|source| ExportError::Write { path, source })?;
        let taken = relation.columns.iter().any(|column| column.name.eq_ignore_ascii_case("raw"));
        let raw = if taken { "herdiff_raw" } else { "raw" };
        let schema = Arc::new(schema(relation, raw)?);
        self.open = Some(SerializedFileWriter::new(file, schema, Arc::clone(&self.properties))?);
        self.buffers = relation.columns.iter().map(|column| Buffer::new(column.kind)).collect();
        self.buffers.push(Buffer::new(Kind::Text));
        Ok(())
    }

    fn row(&mut self, relation: &Relation, values: &[Value<'_>]) -> Result<(), ExportError> {
        let mut raw = Map::new();
        for ((buffer, value), column) in self.buffers.iter_mut().zip(values).zip(&relation.columns) {
            if let Value::Text(bytes) = value {
                self.bytes += bytes.len();
            }
            if let (false, Value::Text(bytes)) = (buffer.push(value), value) {
                raw.insert(column.name.clone(), Json::String(herdiff_sql::to_base64(bytes)));
            }
        }
        let raw = (!raw.is_empty()).then(|| Json::Object(raw).to_string().into_bytes());
        let raw = raw.map_or(Value::Null, |raw| Value::Text(raw.into()));
        if let Some(last) = self.buffers.last_mut() {
            last.push(&raw);
        }
        self.rows += 1;
        if self.rows >= MOST_ROWS || self.bytes >= MOST_BYTES { self.flush() } else { Ok(()) }
    }

    fn end(&mut self, _: &Relation) -> Result<(), ExportError> {
        self.flush()?;
        let writer = self.open.take().ok_or_else(|| io::Error::other("no table was started"))?;
        writer.close()?;
        Ok(())
    }
}

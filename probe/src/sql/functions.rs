//! The one SQL function that looks at the host; all others are `herdiff-sql`'s.

use std::sync::Arc;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};

use crate::host::Host;

/// Makes all functions known.
pub(super) fn register(connection: &Connection, host: &Arc<Host>) -> Result<()> {
    herdiff_sql::register(connection)?;
    let host = Arc::clone(host);
    connection.create_scalar_function("find_file_path_in_cmd", 1, FunctionFlags::SQLITE_UTF8, move |c| {
        let (ValueRef::Text(command) | ValueRef::Blob(command)) = c.get_raw(0) else {
            return Ok(ToSqlOutput::Owned(Value::Null));
        };
        let command = String::from_utf8_lossy(command);
        let found = command
            .split_ascii_whitespace()
            .find(|word| word.starts_with('/') && host.open(word.as_bytes()).is_ok());
        Ok(ToSqlOutput::Owned(found.map_or(Value::Null, |path| Value::Text(path.to_owned()))))
    })
}

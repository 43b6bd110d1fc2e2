//! Paths.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Result};

use super::{FunctionFlags, bytes, pure, string};
use crate::host::Host;

pub(super) fn register(connection: &Connection, host: &Arc<Host>) -> Result<()> {
    pure(connection, "parent_directory", 1, |c| {
        let path = string(c, 0).unwrap_or_default();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        Ok(Some(Value::Text(parent.to_owned())))
    })?;
    // Of all wildcards only the shell's star makes a path unsure for osquery.
    pure(connection, "is_path_deterministic", 1, |c| {
        Ok(bytes(c, 0).map(|path| Value::Integer(i64::from(!path.contains(&b'*')))))
    })?;
    let host = Arc::clone(host);
    connection.create_scalar_function("find_file_path_in_cmd", 1, FunctionFlags::SQLITE_UTF8, move |c| {
        let command = string(c, 0).unwrap_or_default();
        let found = command
            .split_ascii_whitespace()
            .find(|word| word.starts_with('/') && host.open(word.as_bytes()).is_ok());
        Ok(ToSqlOutput::Owned(found.map_or(Value::Null, |path| Value::Text(path.to_owned()))))
    })
}

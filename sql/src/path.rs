//! Paths.

use rusqlite::types::Value;
use rusqlite::{Connection, Result};

use super::{bytes, pure, string};

pub(super) fn register(connection: &Connection) -> Result<()> {
    pure(connection, "parent_directory", 1, |c| {
        let path = string(c, 0).unwrap_or_default();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        Ok(Some(Value::Text(parent.to_owned())))
    })?;
    // Of all wildcards only the shell's star makes a path unsure for osquery.
    pure(connection, "is_path_deterministic", 1, |c| {
        Ok(bytes(c, 0).map(|path| Value::Integer(i64::from(!path.contains(&b'*')))))
    })
}

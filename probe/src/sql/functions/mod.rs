//! osquery's own SQL functions and collations.

use rusqlite::{Connection, Result};

mod version;

/// Makes them known.
pub(super) fn register(connection: &Connection) -> Result<()> {
    version::register(connection)
}

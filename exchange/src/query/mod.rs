//! SQL over stored rows: SQLite with every query of the pack as a table that reads the bundle as it is asked.

mod coverage;
mod engine;
mod vtab;

pub use coverage::Gap;
pub use engine::{Engine, QueryError, Sink, Watch};
/// A value of an answer, as SQLite has it.
pub use rusqlite::types::ValueRef;

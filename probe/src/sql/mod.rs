//! SQLite over the tables: the connection, the virtual tables, osquery's functions.

mod constraints;
pub(crate) mod engine;
mod functions;
mod vtab;

pub(crate) use engine::{Engine, Limit, Limits, Next, RowView, Sink, SqlErrorKind};

//! SQLite over the tables: the connection, the virtual tables, osquery's functions.

mod constraints;
pub(crate) mod engine;
mod functions;
mod number;
mod vtab;

pub(crate) use engine::{Engine, Limit, Limits, Next, RowView, Sink, SqlErrorKind};
pub(crate) use functions::{from_base64, to_base64};
pub(crate) use number::real_text;

//! Bundles and the formats of others: SQL over stored rows, export, signatures. The heavy libraries for that live here.
//!
//! Everything looks at a bundle through [`Stored`] and, table by table, through [`Relation`]: one for each query of the
//! pack, and two of facts, `hosts` and `outcomes`.

pub mod export;
mod facts;
mod layout;
pub mod place;
pub mod query;
mod reading;
pub mod signature;
mod stored;
pub mod text;
mod value;

pub use layout::{Column, Relation, Subject};
pub use stored::{Source, Stored};
pub use value::{Kind, Value};

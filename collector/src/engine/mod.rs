//! What runs the SQL on a host, and how its output is read. Nothing here does any input or output.

mod halt;
mod limits;
mod lines;
mod osqueryi;
mod output;
mod plan;
mod probe;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use halt::Halt;
pub use limits::Limits;
pub(crate) use lines::{Line, Lines};
pub(crate) use output::{Missing, NotAnEngine, Output, fill};
pub(crate) use plan::Plan;
pub(crate) use rows::read_objects;
pub(crate) use text::Text;

/// Which engine runs the queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The host's own `osqueryi` where there is one, else the probe.
    #[default]
    Auto,
    /// Always the probe, pushed for the visit and removed after it.
    Probe,
    /// The host's own `osqueryi`; where there is none the visit ends as `engine-missing`.
    Osqueryi,
}

//! What runs the SQL on a host, and how its output is read. Nothing here does any input or output.

mod limits;

pub use limits::Limits;

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

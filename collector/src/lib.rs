//! Visits the hosts of an inventory and brings their rows back; a host's failure is data like its rows.
//!
//! [`inventory`] says which hosts there are, [`sweep`] visits them over [`ssh`], [`delivery`] is what happens on the
//! one channel to a host, [`engine`] reads what came back. [`replay`] reads saved output in place of a fleet.
//!
//! The crate prints nothing and looks at no environment variable and no home directory: every path, the agent's
//! socket included, is given by its caller. It does not store what it brings: see `herdiff_model::bundle`.

pub mod delivery;
pub mod engine;
pub mod inventory;
pub mod replay;
pub mod ssh;
pub mod sweep;

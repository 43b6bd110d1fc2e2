//! What runs.

pub(super) mod proc;
pub(super) mod processes;

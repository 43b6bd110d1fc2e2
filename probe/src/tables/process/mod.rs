//! What runs.

pub(super) mod details;
pub(super) mod proc;
pub(super) mod processes;

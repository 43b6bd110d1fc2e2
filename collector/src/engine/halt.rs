//! The wish that reading what a host sent ends: its time is over, and nobody waits for the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by who reads and who waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Halt(Arc<AtomicBool>);

impl Halt {
    /// From now on whoever reads ends at the next row.
    pub(crate) fn wish(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Looked at before every row and every line: what is read in between is all that may hold up the end.
    pub(crate) fn is_wished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

//! How much all hosts together may have sent that is not stored yet. Each host has its own limit; this one is for many that use
//! theirs at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of all hosts under way, and of those that are done and wait to be stored.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    most: u64,
    /// What each host may have however much the others do.
    fair: u64,
}

/// What one host has of it; given back when this goes.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(most: u64, hosts: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::default(), most, fair: most / (hosts.max(1) as u64) })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Takes more. An error where all together have too much, and this host more than its part: one below its part never
    /// pays for the others.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), u64> {
        let used = self.budget.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.bytes += bytes;
        if used > self.budget.most && self.bytes > self.budget.fair { Err(self.budget.most) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_above_their_part_pay() {
        let budget = Budget::new(100, 4);
        let (mut small, mut large) = (budget.share(), budget.share());
        assert_eq!(large.take(80), Ok(()));
        assert_eq!(small.take(20), Ok(()));
        assert_eq!(small.take(5), Ok(()), "25 is its part");
        assert_eq!(large.take(1), Err(100));
        drop(large);
        assert_eq!(small.take(70), Ok(()));
        assert_eq!(small.take(10), Err(100));
        drop(small);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}

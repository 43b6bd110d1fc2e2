//! How long to wait for a server that is busy.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Tries after the first.
const MOST: u32 = 5;

/// The waits between tries to reach one host.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tried: u32,
}

impl Backoff {
    /// The next wait; `None` when it is time to give up. Doubles each time, and is never quite the same for two hosts: many
    /// that were turned away together must not come back together.
    pub(super) fn next(&mut self) -> Option<Duration> {
        if self.tried >= MOST {
            return None;
        }
        let base = 250u64 << self.tried;
        self.tried += 1;
        let jitter = RandomState::new().hash_one(self.tried) % base;
        Some(Duration::from_millis(base / 2 + jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = std::iter::from_fn(|| backoff.next()).collect();
        assert_eq!(waits.len(), MOST as usize);
        for (n, wait) in waits.iter().enumerate() {
            let base = 250 << n;
            assert!((base / 2..base * 3 / 2).contains(&(wait.as_millis() as u64)), "{n}: {wait:?}");
        }
    }
}

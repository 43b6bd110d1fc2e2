//! How often one account and region is called: never more than so many calls a second, whoever calls.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Calls that may come at once after a silence.
const BURST: u32 = 5;

/// A clock that hands out moments at which to call. Retries take a moment each like first tries.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(calls_a_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / calls_a_second.max(1), next: Mutex::new(None) }
    }

    /// Waits for the next moment.
    pub(crate) async fn turn(&self) {
        let turn = self.take(Instant::now());
        sleep_until(turn).await;
    }

    /// The generic cell rate algorithm: turns stand `interval` apart, and may lag behind the clock by a burst.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let earliest = now.checked_sub(self.interval * (BURST - 1)).unwrap_or(now);
        let turn = next.map_or(earliest, |next| next.max(earliest));
        *next = Some(turn + self.interval);
        turn.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_second_has_more_turns_than_it_may() {
        let pace = Pace::new(10);
        let now = Instant::now() + Duration::from_secs(10);
        let turns: Vec<_> = (0..100).map(|_| pace.take(now)).collect();
        for (n, turn) in turns.iter().enumerate() {
            let within =
                turns.iter().filter(|other| **other >= *turn && **other < *turn + Duration::from_secs(1));
            assert!(within.count() <= 10 + BURST as usize, "{n}");
        }
        assert_eq!(*turns.last().unwrap(), now + Duration::from_millis(9500));
        // After a silence only a burst is free.
        let later = now + Duration::from_secs(100);
        let free = (0..50).map(|_| pace.take(later)).filter(|turn| *turn == later).count();
        assert_eq!(free, BURST as usize);
    }
}

//! When the next host may be started: not more than so many a second, and not all others before the first few are done.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

/// The first hosts of a sweep, on whose fate the others depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    /// How many are visited before all others.
    pub hosts: usize,
    /// The sweep ends where more of them fail, in percent.
    pub most_failed: u8,
}

/// Spaces the starts.
#[derive(Debug)]
pub(super) struct Pace {
    between: Option<Duration>,
    next: Instant,
}

impl Pace {
    /// At most `rate` starts a second; `None` for as many as there can be.
    pub(super) fn new(rate: Option<u32>) -> Self {
        let between = rate.filter(|&rate| rate > 0).map(|rate| Duration::from_secs(1) / rate);
        Self { between, next: Instant::now() }
    }

    /// When the next start may be.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// A start: the next one comes later, and never after quite the same time.
    pub(super) fn started(&mut self, now: Instant) {
        let Some(between) = self.between else { return };
        let spread = u32::try_from(RandomState::new().hash_one("start") % 1000).unwrap_or_default();
        let jittered = between / 2 + between * spread / 1000;
        self.next = self.next.max(now - between) + jittered;
    }
}

/// How the canary fares.
#[derive(Debug)]
pub(super) struct Watch {
    canary: Option<Canary>,
    done: usize,
    failed: usize,
}

impl Watch {
    /// Of a sweep of so many hosts; a canary of all of them is none.
    pub(super) fn new(canary: Option<Canary>, targets: usize) -> Self {
        let canary = canary.filter(|canary| canary.hosts > 0 && canary.hosts < targets);
        Self { canary, done: 0, failed: 0 }
    }

    /// Whether the host at this place may start yet.
    pub(super) fn lets(&self, place: usize) -> bool {
        self.canary.is_none_or(|canary| place < canary.hosts || self.done >= canary.hosts)
    }

    /// A visit is over. `Some` says why the sweep must end.
    pub(super) fn over(&mut self, failed: bool) -> Option<String> {
        let canary = self.canary?;
        self.done += 1;
        self.failed += usize::from(failed);
        let share = self.failed * 100;
        if self.done != canary.hosts || share <= canary.hosts * usize::from(canary.most_failed) {
            return None;
        }
        let Canary { hosts, most_failed } = canary;
        Some(format!(
            "{} of the first {hosts} hosts failed, more than {most_failed} %: the others were not visited",
            self.failed
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn starts_are_spaced_and_not_quite_evenly() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(10));
        let mut gaps = Vec::new();
        for _ in 0..100 {
            tokio::time::sleep_until(pace.next()).await;
            gaps.push(pace.next());
            pace.started(Instant::now());
        }
        let took = start.elapsed().as_secs_f64();
        assert!((8.0..12.0).contains(&took), "{took}");
        let mut differences: Vec<_> = gaps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        differences.dedup();
        assert!(differences.len() > 50);
        let free = Pace::new(None);
        assert!(free.next() <= Instant::now());
    }

    #[test]
    fn the_canary_decides_when_all_of_it_is_done() {
        let canary = Canary { hosts: 4, most_failed: 25 };
        let mut watch = Watch::new(Some(canary), 10);
        assert!(watch.lets(3) && !watch.lets(4));
        assert_eq!([watch.over(true), watch.over(false), watch.over(false)], [None, None, None]);
        assert!(!watch.lets(4));
        assert_eq!(watch.over(false), None, "one of four is allowed");
        assert!(watch.lets(4));
        let mut watch = Watch::new(Some(canary), 10);
        let ends: Vec<_> = (0..4).filter_map(|n| watch.over(n < 2)).collect();
        assert_eq!(ends, ["2 of the first 4 hosts failed, more than 25 %: the others were not visited"]);
        assert!(Watch::new(Some(canary), 4).lets(99), "all hosts are no canary");
    }
}

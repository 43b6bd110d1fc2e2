//! What the operator sees while a sweep runs: a line a herd with counts by outcome, on standard error.

use crate::output::{coverage, say, write_line};
use crate::screen::escape::escape;
use crate::screen::wrap::shorten;
use herdiff_collector::inventory::Target;
use herdiff_collector::sweep::TargetId;
use herdiff_model::name::HerdName;
use herdiff_model::outcome::HostOutcomeKind;
use herdiff_model::visit::Visit;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

/// Bars on a terminal, plain lines elsewhere, nothing when quiet.
pub(super) enum Progress {
    Bars { bars: MultiProgress, herds: BTreeMap<HerdName, Herd>, told: usize },
    Lines { done: usize, targets: usize },
    Quiet,
}

pub(super) struct Herd {
    bar: ProgressBar,
    outcomes: BTreeMap<&'static str, usize>,
}

/// More herds share one line.
const MOST_BARS: usize = 8;
/// More failures are only counted while the sweep runs; the summary has them all.
const MOST_FAILURES: usize = 5;

impl Progress {
    pub(super) fn new(targets: &[Target], quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { done: 0, targets: targets.len() };
        }
        let mut sizes: BTreeMap<HerdName, u64> = BTreeMap::new();
        for target in targets {
            *sizes.entry(target.herd.clone()).or_default() += 1;
        }
        let bars = MultiProgress::new();
        let add = |name: &str, size: u64| {
            let bar = bars.add(ProgressBar::new(size));
            // A template that is a constant cannot be wrong; without it the bar only looks plainer.
            let template = match columns() {
                70.. => "{prefix:>12} {bar:24} {pos:>5}/{len} {wide_msg}",
                _ => "{prefix:>12} {pos:>5}/{len} {wide_msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(escape(name));
            bar.enable_steady_tick(Duration::from_millis(200));
            Herd { bar, outcomes: BTreeMap::new() }
        };
        let herds = if sizes.len() > MOST_BARS {
            BTreeMap::from([(HerdName::from(""), add("all herds", targets.len() as u64))])
        } else {
            sizes.into_iter().map(|(name, size)| (name.clone(), add(name.as_str(), size))).collect()
        };
        Self::Bars { bars, herds, told: 0 }
    }

    /// A line for the operator, whatever else is shown.
    pub(super) fn say(&self, line: &str) {
        match self {
            Self::Bars { bars, .. } => bars.suspend(|| say(line)),
            Self::Lines { .. } | Self::Quiet => say(line),
        }
    }

    /// A visit starts.
    pub(super) fn started(&mut self, _target: TargetId) {
        if let Self::Bars { herds, .. } = self {
            herds.values().for_each(|herd| herd.bar.tick());
        }
    }

    /// A visit is over.
    pub(super) fn done(&mut self, visit: &Visit) {
        // The operator knows who stopped the others.
        let failed = !matches!(
            visit.outcome.kind,
            HostOutcomeKind::Ok | HostOutcomeKind::Partial | HostOutcomeKind::Interrupted
        );
        match self {
            Self::Quiet => {}
            Self::Lines { done, targets } => {
                *done += 1;
                if failed || *done % 100 == 0 || done == targets {
                    write_line(&format!("[{done}/{targets}] {}", told(visit, LONGEST_LINE)));
                }
            }
            Self::Bars { bars, herds, told: failures } => {
                let key =
                    if herds.contains_key(&visit.herd) { visit.herd.clone() } else { HerdName::from("") };
                if let Some(herd) = herds.get_mut(&key) {
                    *herd.outcomes.entry(visit.outcome.kind.code()).or_default() += 1;
                    herd.bar.set_message(coverage::outcomes(&herd.outcomes));
                    herd.bar.inc(1);
                }
                *failures += usize::from(failed);
                if failed && *failures <= MOST_FAILURES {
                    // One line of the terminal: the summary and the bundle say more.
                    bars.suspend(|| write_line(&told(visit, columns())));
                }
            }
        }
    }

    /// The sweep is over.
    pub(super) fn finish(&mut self) {
        if let Self::Bars { herds, .. } = self {
            herds.values().for_each(|herd| herd.bar.abandon());
        }
    }
}

/// Of the terminal that shows the progress.
fn columns() -> usize {
    let width = terminal_size::terminal_size_of(std::io::stderr());
    width.map_or(LONGEST_LINE, |(width, _)| usize::from(width.0).max(40))
}

/// What a host may say in a line of progress, in columns; the bundle has it all.
const LONGEST_LINE: usize = 240;

/// "web-04: refused (connect): Connection refused".
fn told(visit: &Visit, columns: usize) -> String {
    let phase = visit.outcome.phase.map_or(String::new(), |phase| format!(" ({phase})"));
    let why =
        if visit.outcome.detail.is_empty() { String::new() } else { format!(": {}", visit.outcome.detail) };
    let line = format!("{}: {}{phase}{}", escape(visit.host.as_str()), visit.outcome.kind, escape(why));
    shorten(&line, columns)
}

//! What an answer over stored rows does not rest on, and the exit code that follows.

use super::{count, coverage, say};
use crate::exit::Exit;
use herdiff_exchange::query::Gap;

/// A line on standard error for each table that could not be answered from in full.
pub(crate) fn say_all(gaps: &[Gap]) {
    for gap in gaps.iter().filter(|gap| !gap.is_closed()) {
        let silent: usize = gap.silent.values().sum();
        let all = count(gap.whole + gap.part + silent, "host");
        let mut said = Vec::new();
        if silent > 0 {
            said.push(format!("{silent} of {all} could not tell ({})", coverage::outcomes(&gap.silent)));
        }
        if gap.part > 0 {
            said.push(format!("{} of {all} told a part", gap.part));
        }
        say(&format!("{}: {}", gap.table, said.join(", ")));
    }
}

/// A table that nobody told anything about has no answer; one that some told about has a part of one.
pub(crate) fn exit(gaps: &[Gap], cut: bool) -> Exit {
    let nobody = |gap: &Gap| gap.whole + gap.part == 0 && !gap.silent.is_empty();
    match gaps {
        _ if !gaps.is_empty() && gaps.iter().all(nobody) => Exit::Nothing,
        _ if cut || gaps.iter().any(|gap| !gap.is_closed()) => Exit::Partial,
        _ => Exit::Clean,
    }
}

//! What was not seen, for a reader.

use super::count;
use crate::screen::escape::escape;
use crate::screen::{Screen, Style};
use herdiff_differ::{Coverage, Note, Report};
use std::collections::{BTreeMap, BTreeSet};

/// The lines below the findings. `baselines` are the names of what was compared with.
pub(crate) fn render(coverage: &Coverage, notes: &[Note], baselines: &[String], screen: Screen) -> String {
    let mut lines = Vec::new();
    if coverage.is_whole() {
        lines.push(format!(
            "Coverage: all of {} answered every query in full.",
            count(coverage.hosts, "host")
        ));
    } else {
        lines.push(format!(
            "Coverage: {} of {} have rows ({}).",
            coverage.with_rows,
            count(coverage.hosts, "host"),
            outcomes(&coverage.outcomes)
        ));
    }
    for query in coverage.incomplete.iter().take(MOST_QUERIES) {
        let mut said = Vec::new();
        if query.partly > 0 {
            said.push(format!("{} could not read everything", count(query.partly, "host")));
        }
        if query.other_columns > 0 {
            said.push(format!("{} with other columns, not compared", count(query.other_columns, "host")));
        }
        for (code, &hosts) in &query.failed {
            said.push(format!("{}: {code}", count(hosts, "host")));
        }
        lines.push(format!("  {}: {}", escape(query.query.as_str()), said.join(", ")));
    }
    if let Some(more) = coverage.incomplete.len().checked_sub(MOST_QUERIES).filter(|&more| more > 0) {
        lines.push(format!("  and {}", count(more, "more query")));
    }
    lines.extend(notes.iter().map(|note| screen.paint(Style::Alarm, &self::note(note, baselines))));
    lines.join("\n") + "\n"
}

/// Enough to begin with.
const MOST_SUSPECTS: usize = 5;

/// More queries are counted.
const MOST_QUERIES: usize = 8;

/// "22 ok, 1 refused".
pub(crate) fn outcomes(outcomes: &BTreeMap<&'static str, usize>) -> String {
    let mut outcomes: Vec<_> = outcomes.iter().collect();
    outcomes.sort_by_key(|&(_, &hosts)| std::cmp::Reverse(hosts));
    outcomes.into_iter().map(|(code, hosts)| format!("{hosts} {code}")).collect::<Vec<_>>().join(", ")
}

/// The hosts to look at first: of those with a finding that is strong enough by itself, the most suspect.
pub(crate) fn suspects(report: &Report, min_score: f64) -> Option<String> {
    let strong = report.findings.iter().filter(|finding| finding.score >= min_score);
    let hosts: BTreeSet<_> = strong.flat_map(|finding| &finding.hosts).collect();
    let first: Vec<_> = report
        .suspects
        .iter()
        .filter(|suspect| hosts.contains(&suspect.host))
        .take(MOST_SUSPECTS)
        .map(|suspect| format!("{} ({:.1})", escape(suspect.host.as_str()), suspect.score))
        .collect();
    (!first.is_empty()).then(|| format!("Look first at: {}\n", first.join(", ")))
}

fn note(note: &Note, baselines: &[String]) -> String {
    match note {
        Note::HerdTooSmall { herd, hosts } => format!(
            "Herd {}: only {} with rows; with fewer than 3 nothing can be called odd. Compare with a baseline: herdiff diff.",
            escape(herd.as_str()),
            count(*hosts, "host")
        ),
        Note::HerdSmall { herd, hosts } => format!(
            "Herd {}: only {} with rows; what is rare among so few need not be odd.",
            escape(herd.as_str()),
            count(*hosts, "host")
        ),
        Note::NotInBaseline { queries } => {
            format!(
                "{} of the target not in the baseline: nothing is said about them.",
                count(*queries, "query")
            )
        }
        Note::ColumnsNotCompared { query, columns } => {
            let names: Vec<_> = columns.iter().map(|column| escape(column.as_str())).collect();
            format!(
                "{}: only one side has {}: nothing is said about it.",
                escape(query.as_str()),
                names.join(", ")
            )
        }
        Note::HeldAgainst { herd, hosts } => {
            let each = baselines.iter().zip(hosts).filter(|(_, hosts)| **hosts > 0);
            let each: Vec<_> =
                each.map(|(name, hosts)| format!("{} against {name}", count(*hosts, "host"))).collect();
            format!("Herd {}: {}.", escape(herd.as_str()), each.join(", "))
        }
        Note::BaselineEmpty => "The baseline has no rows: nothing can be compared with it.".to_owned(),
        Note::BaselineUnsure { queries } => {
            let names: Vec<_> = queries.iter().map(|query| escape(query.as_str())).collect();
            format!(
                "The baseline does not know everything about {}: nothing there is called new.",
                names.join(", ")
            )
        }
    }
}

//! The hosts that failed, for a reader: rare outcomes first, hosts that failed in the same way in one line.

use crate::output::count;
use crate::screen::Screen;
use crate::screen::escape::escape;
use crate::screen::table::Table;
use crate::screen::wrap::{fold, width, wrap};
use herdiff_model::name::HostName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind};
use std::collections::BTreeMap;

/// More lines are counted; `herdiff show --hosts` has all hosts.
const MOST_LINES: usize = 20;

/// A reason is told in as many lines of the screen, beside its host or below it.
const MOST_BESIDE: usize = 4;
const MOST_BELOW: usize = 6;

/// With fewer columns for it, a reason stands below its host.
const ROOM_FOR_REASONS: usize = 60;

/// A host without all of its rows.
pub(crate) struct Failed {
    pub(crate) host: HostName,
    pub(crate) outcome: HostOutcome,
}

/// One line: hosts, outcome, phase, reason. All escaped.
type Cells = [String; 4];

/// `outcomes` is how many hosts ended how.
pub(crate) fn render(failed: &[Failed], outcomes: &BTreeMap<&'static str, usize>, screen: Screen) -> String {
    let groups = groups(failed, outcomes);
    let lines: Vec<Cells> = groups.iter().take(MOST_LINES).map(|group| cells(group)).collect();
    let before: usize = (0..3)
        .map(|n| lines.iter().filter_map(|cells| cells.get(n)).map(|cell| width(cell)).max().unwrap_or(0) + 2)
        .sum();
    let room = screen.width.map(|columns| columns.saturating_sub(before));
    let mut out = match room {
        Some(room) if room < ROOM_FOR_REASONS => below(&lines, screen),
        room => beside(&lines, room, screen),
    };
    let more: usize = groups.iter().skip(MOST_LINES).map(Vec::len).sum();
    if more > 0 {
        out += &format!("\nand {}", count(more, "more host"));
    }
    out
}

/// Hosts that ended in the same way for the same reason. A host whose key has changed must not be lost below a thousand that are
/// switched off, so rare outcomes come first, and of those the alarming ones.
fn groups<'f>(failed: &'f [Failed], outcomes: &BTreeMap<&'static str, usize>) -> Vec<Vec<&'f Failed>> {
    let mut same: BTreeMap<_, Vec<&Failed>> = BTreeMap::new();
    for one in failed {
        let HostOutcome { kind, phase, detail } = &one.outcome;
        same.entry((kind.code(), phase.map(|phase| phase.to_string()), detail)).or_default().push(one);
    }
    let mut groups: Vec<Vec<&Failed>> = same.into_values().collect();
    groups.iter_mut().for_each(|group| group.sort_by(|a, b| a.host.cmp(&b.host)));
    groups.sort_by_cached_key(|group| {
        group.first().map(|first| {
            let kind = first.outcome.kind;
            let hosts = outcomes.get(kind.code()).copied();
            (hosts, !alarms(kind), kind.code(), first.host.clone())
        })
    });
    groups
}

/// What an honest host does not do by accident.
fn alarms(kind: HostOutcomeKind) -> bool {
    use HostOutcomeKind::{HostKeyChanged, HostKeyRevoked, MalformedOutput, OutputLimit};
    matches!(kind, HostKeyChanged | HostKeyRevoked | MalformedOutput | OutputLimit)
}

fn cells(group: &[&Failed]) -> Cells {
    let Some(first) = group.first() else { return Cells::default() };
    let HostOutcome { kind, phase, detail } = &first.outcome;
    let others = match group.len() - 1 {
        0 => String::new(),
        1 => " and another".to_owned(),
        others => format!(" and {others} others"),
    };
    [
        escape(first.host.as_str()) + &others,
        kind.to_string(),
        phase.map_or(String::new(), |phase| phase.to_string()),
        escape(detail),
    ]
}

/// A table, with reasons over several lines where there is a width to keep to.
fn beside(lines: &[Cells], room: Option<usize>, screen: Screen) -> String {
    let mut table = Table::new(["HOST", "OUTCOME", "PHASE", "WHY"]);
    for [host, outcome, phase, why] in lines.iter().cloned() {
        let mut reason = reason(&why, room, MOST_BESIDE).into_iter();
        table.row([host, outcome, phase, reason.next().unwrap_or_default()]);
        reason.for_each(|line| table.row([String::new(), String::new(), String::new(), line]));
    }
    table.render(screen)
}

/// For narrow screens: the reasons below the hosts.
fn below(lines: &[Cells], screen: Screen) -> String {
    let told = lines.iter().map(|[host, outcome, phase, why]| {
        let phase = if phase.is_empty() { String::new() } else { format!(" ({phase})") };
        let head = fold(&format!("{host}: {outcome}{phase}"), 4, screen);
        let reason = reason(why, screen.width.map(|columns| columns.saturating_sub(4)), MOST_BELOW);
        reason.into_iter().filter(|line| !line.is_empty()).fold(head, |told, line| told + "\n    " + &line)
    });
    told.collect::<Vec<_>>().join("\n")
}

fn reason(why: &str, room: Option<usize>, most: usize) -> Vec<String> {
    let Some(room) = room else { return vec![why.to_owned()] };
    let mut lines = wrap(why, room.saturating_sub(1));
    if lines.len() > most {
        lines.truncate(most);
        lines.last_mut().into_iter().for_each(|line| line.push('…'));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use herdiff_model::outcome::Phase;

    fn screen(width: Option<usize>) -> Screen {
        Screen { color: false, width }
    }

    fn rendered(width: Option<usize>) -> String {
        use HostOutcomeKind as Kind;
        let changed = format!(
            "the server has the key SHA256:{}, but known_hosts has SHA256:{}",
            "A".repeat(43),
            "B".repeat(43)
        );
        let ends = [
            ("web-01", Kind::Refused, Phase::Connect, "Connection refused"),
            ("web-02", Kind::Refused, Phase::Connect, "Connection refused"),
            ("web-03", Kind::Refused, Phase::Connect, "Connection refused"),
            ("web-04", Kind::AuthFailed, Phase::Authenticate, "ada was refused with \u{1b}[31m/keys/ada"),
            ("web-05", Kind::HostKeyChanged, Phase::Handshake, changed.as_str()),
        ];
        let failed: Vec<Failed> = ends
            .iter()
            .map(|&(host, kind, phase, why)| Failed {
                host: host.into(),
                outcome: HostOutcome::failed(kind, phase, why),
            })
            .collect();
        let mut outcomes = BTreeMap::new();
        failed.iter().for_each(|one| *outcomes.entry(one.outcome.kind.code()).or_default() += 1);
        render(&failed, &outcomes, screen(width))
    }

    #[test]
    fn rare_and_alarming_outcomes_come_first_and_what_is_alike_is_one_line() {
        let told = rendered(None);
        let lines: Vec<&str> = told.lines().skip(1).map(|line| line.split("  ").next().unwrap()).collect();
        assert_eq!(lines, ["web-05", "web-04", "web-01 and 2 others"], "{told}");
        assert!(!told.contains('\u{1b}'), "{told:?}");
    }

    /// Nothing is wider than the screen, and both fingerprints of a changed key are there.
    #[test]
    fn reasons_fit_any_screen() {
        for columns in [160, 120, 100, 70, 40] {
            let told = rendered(Some(columns));
            assert!(told.lines().all(|line| width(line) <= columns), "{columns}:\n{told}");
            let plain: String = told.split_whitespace().collect();
            assert!(plain.contains(&"B".repeat(43)), "{columns}:\n{told}");
        }
        assert!(
            rendered(Some(40))
                .contains("web-01 and 2 others: refused\n    (connect)\n    Connection refused")
        );
    }
}

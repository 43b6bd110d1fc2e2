//! What a sweep came to: how many hosts ended how, which failed and why, and what to do next.

use crate::exit::Exit;
use crate::output::{count, coverage};
use crate::screen::escape::escape;
use crate::screen::table::Table;
use crate::screen::wrap::wrap;
use crate::screen::{Screen, Style};
use herdiff_model::bundle::Digest;
use herdiff_model::name::HostName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind};
use herdiff_model::visit::{Answer, Visit};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Counted while visits end.
#[derive(Default)]
pub(crate) struct Summary {
    outcomes: BTreeMap<&'static str, usize>,
    failed: Vec<[String; 4]>,
    hosts: usize,
    with_rows: usize,
    left_behind: Vec<String>,
    /// Whether there are hosts to try again.
    unreached: bool,
    pub(crate) took: Duration,
}

/// More failed hosts are counted; `herdiff show --hosts` has them all.
const MOST_FAILED: usize = 20;

impl Summary {
    pub(crate) fn count(&mut self, visit: &Visit) {
        self.hosts += 1;
        self.with_rows +=
            usize::from(visit.answers.iter().any(|answer| matches!(answer, Answer::Rows { .. })));
        if visit.receipt.removed == Some(false) {
            self.left_behind.push(format!("{}:{}", visit.host, visit.receipt.placed));
        }
        self.end(&visit.host, &visit.outcome);
    }

    /// A host that an earlier part of the sweep has done.
    pub(crate) fn count_done(&mut self, host: &HostName, outcome: &HostOutcome) {
        self.hosts += 1;
        let with_rows = matches!(outcome.kind, HostOutcomeKind::Ok | HostOutcomeKind::Partial);
        self.with_rows += usize::from(with_rows);
        self.end(host, outcome);
    }

    fn end(&mut self, host: &HostName, outcome: &HostOutcome) {
        *self.outcomes.entry(outcome.kind.code()).or_default() += 1;
        self.unreached |= !matches!(outcome.kind, HostOutcomeKind::Ok | HostOutcomeKind::Partial);
        if outcome.kind != HostOutcomeKind::Ok {
            self.failed.push([
                host.to_string(),
                outcome.kind.to_string(),
                outcome.phase.map_or(String::new(), |phase| phase.to_string()),
                outcome.detail.clone(),
            ]);
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.with_rows {
            0 => Exit::Nothing,
            _ if self.failed.is_empty() => Exit::Clean,
            _ => Exit::Partial,
        }
    }

    /// What can be done about the outcomes that there are, each once.
    fn advice(&self) -> impl Iterator<Item = (HostOutcomeKind, &'static str)> {
        let there =
            HostOutcomeKind::ALL.iter().copied().filter(|kind| self.outcomes.contains_key(kind.code()));
        there.filter_map(|kind| Some((kind, advice(kind)?)))
    }

    pub(crate) fn render(&self, path: &Path, size: u64, seal: Digest, screen: Screen) -> String {
        let mut out = String::new();
        let took = self.took.as_secs_f64();
        let head =
            format!("{}: {} in {took:.1} s", count(self.hosts, "host"), coverage::outcomes(&self.outcomes));
        out += &screen.paint(if self.failed.is_empty() { Style::Good } else { Style::Strong }, &head);
        out += "\n";
        if !self.failed.is_empty() {
            let mut table = Table::new(["HOST", "OUTCOME", "PHASE", "WHY"]);
            let mut failed: Vec<_> = self.failed.iter().collect();
            // Rare outcomes first: a host whose key has changed must not be lost below a thousand that are switched off.
            let hosts = |[_, outcome, ..]: &[String; 4]| self.outcomes.get(outcome.as_str()).copied();
            failed.sort_by_key(|row| (hosts(row), row[1].as_str(), row[0].as_str()));
            failed.iter().take(MOST_FAILED).for_each(|row| table.row(row.iter().map(escape)));
            out += &format!("\n{}\n", table.render(screen));
            if let Some(more) = failed.len().checked_sub(MOST_FAILED).filter(|&more| more > 0) {
                out += &format!("and {}\n", count(more, "more host"));
            }
            for (kind, advice) in self.advice() {
                let advice = format!("try for {kind}: {advice}");
                let lines = screen
                    .width
                    .map_or_else(|| vec![advice.clone()], |width| wrap(&advice, width.saturating_sub(4)));
                out += &(lines.join("\n    ") + "\n");
            }
            out += "\n";
        }
        if !self.left_behind.is_empty() {
            let line = format!("Left behind on hosts: {}", escape(self.left_behind.join(", ")));
            out += &screen.paint(Style::Alarm, &line);
            out += "\n";
        }
        let path = escape(path.as_os_str().as_encoded_bytes());
        out += &format!("bundle  {path} ({} kB)\nseal    {seal}\n", size.div_ceil(1000));
        if self.unreached {
            let again =
                format!("again   the same command with --failed-from {path} visits only those that failed");
            out += &screen.paint(Style::Faint, &again);
            out += "\n";
        }
        if self.with_rows > 0 {
            out += &screen.paint(Style::Faint, &format!("next    herdiff outliers {path}"));
            out += "\n";
        }
        out
    }
}

/// What an operator can do about an outcome, where there is something.
fn advice(kind: HostOutcomeKind) -> Option<&'static str> {
    use HostOutcomeKind as Kind;
    Some(match kind {
        Kind::Ok | Kind::Unknown | Kind::Refused | Kind::Unreachable | Kind::Interrupted | Kind::Protocol => {
            return None;
        }
        Kind::Partial => {
            "herdiff show BUNDLE --failures says which queries, and why; not being root is a common cause"
        }
        Kind::Unresolved => "correct the name in the inventory, or give it an ansible_host",
        Kind::HostKeyUnknown => {
            "log in once with ssh and compare the fingerprint, or give the right --known-hosts; --accept-new-host-keys believes the first"
        }
        Kind::HostKeyChanged => "find out why before you trust it; ssh-keygen -R HOST forgets the old key",
        Kind::HostKeyRevoked => "somebody revoked this key: treat the host as hostile",
        Kind::AuthFailed => "another --identity, another user with -u, or an ssh-agent with the right key",
        Kind::BecomeFailed => "-K asks for a password; sudo must let this user run /bin/sh, doas without one",
        Kind::Timeout => {
            "--connect-timeout, --query-timeout or --host-timeout with more seconds; fewer hosts at a time with -f"
        }
        Kind::EngineMissing => {
            "--engine auto pushes the probe; --probe FILE brings one for another architecture"
        }
        Kind::EngineFailed | Kind::MalformedOutput => "look at what the host says on login: ssh HOST true",
        Kind::OutputLimit => "a host that sends this much is broken or hostile: look at it by hand",
    })
}

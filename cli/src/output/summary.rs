//! What a sweep came to: how many hosts ended how, which failed and why, and what to do next.

use crate::exit::Exit;
use crate::output::failures::{self, Failed};
use crate::output::{count, coverage};
use crate::screen::escape::escape;
use crate::screen::wrap::fold;
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
    failed: Vec<Failed>,
    hosts: usize,
    with_rows: usize,
    left_behind: Vec<String>,
    /// Whether there are hosts to try again.
    unreached: bool,
    /// Whether a sweep that was stopped can go on with its bundle.
    pub(crate) resumable: bool,
    pub(crate) took: Duration,
}

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
            self.failed.push(Failed { host: host.clone(), outcome: outcome.clone() });
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

    /// Whether a sweep was stopped before all hosts were done.
    fn stopped(&self) -> bool {
        self.outcomes.contains_key(HostOutcomeKind::Interrupted.code())
    }

    pub(crate) fn render(&self, path: &Path, size: u64, seal: Digest, screen: Screen) -> String {
        let mut out = String::new();
        let took = self.took.as_secs_f64();
        let head =
            format!("{}: {} in {took:.1} s", count(self.hosts, "host"), coverage::outcomes(&self.outcomes));
        let style = if self.failed.is_empty() { Style::Good } else { Style::Strong };
        out += &screen.paint(style, &fold(&head, 4, screen));
        out += "\n";
        if !self.failed.is_empty() {
            out += &format!("\n{}\n", failures::render(&self.failed, &self.outcomes, screen));
            for (kind, advice) in self.advice() {
                out += &fold(&format!("try for {kind}: {advice}"), 4, screen);
                out += "\n";
            }
            out += "\n";
        }
        if !self.left_behind.is_empty() {
            let line = format!("Left behind on hosts: {}", escape(self.left_behind.join(", ")));
            out += &screen.paint(Style::Alarm, &fold(&line, 4, screen));
            out += "\n";
        }
        let path = escape(path.as_os_str().as_encoded_bytes());
        out += &format!("bundle  {path} ({} kB)\nseal    {seal}\n", size.div_ceil(1000));
        let again = if self.stopped() && self.resumable {
            format!("again   the same command with --resume {path} in place of -o goes on with it")
        } else {
            format!(
                "again   the same command with --failed-from {path}, and another file for -o, visits those that failed"
            )
        };
        let next = format!("next    herdiff outliers {path}");
        for line in [(self.unreached, again), (self.with_rows > 0, next)] {
            if let (true, line) = line {
                out += &screen.paint(Style::Faint, &fold(&line, 8, screen));
                out += "\n";
            }
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

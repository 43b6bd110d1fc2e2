//! Why a host was not reached, in the words of its outcome.

use super::config::Settings;
use crate::engine::Text;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase};
use std::io;

/// A step that failed. Becomes the host's outcome.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{phase}: {detail}")]
pub(crate) struct Failure {
    pub(crate) kind: HostOutcomeKind,
    pub(crate) phase: Phase,
    pub(crate) detail: String,
    /// The server was only busy: trying again later makes sense, and harms nobody.
    pub(crate) busy: bool,
    /// The statement of osqueryi that did not end in its time: those after it can be asked anew.
    pub(crate) stuck: Option<usize>,
}

impl Failure {
    pub(crate) fn new(kind: HostOutcomeKind, phase: Phase, detail: impl Into<String>) -> Self {
        // A server's lists of algorithms, for one, are as long as it likes.
        let Text(detail) = Text::of(detail.into().as_bytes());
        Self { kind, phase, detail, busy: false, stuck: None }
    }

    pub(crate) fn timeout(phase: Phase, after: std::time::Duration) -> Self {
        let detail = format!("no end of {} within {} s", phase.meaning(), after.as_secs_f32());
        Self::new(HostOutcomeKind::Timeout, phase, detail)
    }

    pub(crate) fn lost(phase: Phase, why: impl std::fmt::Display) -> Self {
        Self::new(HostOutcomeKind::Unreachable, phase, format!("the connection was lost: {why}"))
    }

    pub(crate) fn busy(mut self) -> Self {
        self.busy = true;
        self
    }

    /// What failed was the way to the host: its jump host.
    pub(crate) fn at(mut self, via: &Settings) -> Self {
        self.detail = format!("jump host {}: {}", via.named, self.detail);
        self.phase = Phase::Connect;
        self
    }

    /// Trying again would end the same, or lock an account.
    pub(crate) fn is_final(&self) -> bool {
        use HostOutcomeKind::{AuthFailed, HostKeyChanged, HostKeyRevoked, HostKeyUnknown};
        matches!(self.kind, AuthFailed | HostKeyChanged | HostKeyRevoked | HostKeyUnknown)
    }

    pub(crate) fn outcome(self) -> HostOutcome {
        HostOutcome::failed(self.kind, self.phase, self.detail)
    }
}

/// The host should not be listened to any longer.
impl From<HostOutcome> for Failure {
    fn from(outcome: HostOutcome) -> Self {
        Self::new(outcome.kind, outcome.phase.unwrap_or(Phase::Run), outcome.detail)
    }
}

/// What an error of the system means while a TCP connection is opened.
pub(crate) fn connecting(address: &dyn std::fmt::Display, error: &io::Error) -> Failure {
    const EMFILE: i32 = 24;
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => HostOutcomeKind::Refused,
        io::ErrorKind::TimedOut => HostOutcomeKind::Timeout,
        _ => HostOutcomeKind::Unreachable,
    };
    let detail = match error.raw_os_error() {
        Some(EMFILE) => {
            "this machine has no file descriptors left: raise `ulimit -n` or lower --forks".to_owned()
        }
        _ => format!("{address}: {error}"),
    };
    Failure::new(kind, Phase::Connect, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_not_kept_without_end() {
        let failure = Failure::new(HostOutcomeKind::Protocol, Phase::Handshake, "x".repeat(1 << 20));
        assert!(failure.detail.len() < 5000);
    }
}

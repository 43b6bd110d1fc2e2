//! How an invocation stands, and what that means for a host.

use herdiff_model::outcome::{HostOutcome, HostOutcomeKind as Kind, Phase};
use std::time::Duration;

/// Where an invocation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not over.
    Under,
    /// The script has ended by itself: its output says how it went.
    Ran,
    /// It was not run to its end.
    Lost(HostOutcome),
}

/// How long what may take, for the words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) delivery: Duration,
    pub(super) execution: Duration,
}

/// `details` says more than `status`: some ends are only there.
pub(super) fn state(status: &str, details: &str, patience: Patience) -> State {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let (status, details) = (plain(status), plain(details));
    let details = if details.is_empty() { status.as_str() } else { &details };
    let lost = |kind, phase, why: String| State::Lost(HostOutcome::failed(kind, phase, why));
    match details {
        "Success" | "Failed" => State::Ran,
        "ExecutionTimedOut" => {
            let why = format!("the agent ended the script after {} s", patience.execution.as_secs());
            lost(Kind::Timeout, Phase::Run, why)
        }
        "DeliveryTimedOut" => {
            let why = format!("the agent did not take the command within {} s", patience.delivery.as_secs());
            lost(Kind::Timeout, Phase::Connect, why)
        }
        // What killed the script with signal 9 shows like this, too.
        "TimedOut" => lost(Kind::Timeout, Phase::Run, "the agent ended the script".to_owned()),
        "Cancelled" => lost(Kind::Interrupted, Phase::Run, "the command was cancelled".to_owned()),
        "Undeliverable" => lost(
            Kind::Unreachable,
            Phase::Connect,
            "the command cannot be delivered: the agent is gone".to_owned(),
        ),
        "Terminated" => {
            let why = "Systems Manager ended the command because of errors on other hosts";
            lost(Kind::Interrupted, Phase::Session, why.to_owned())
        }
        "AccessDenied" => {
            lost(Kind::AuthFailed, Phase::Session, "the agent may not run the command there".to_owned())
        }
        "InvalidPlatform" => {
            lost(Kind::EngineMissing, Phase::Session, "the command does not run on that platform".to_owned())
        }
        // Pending, InProgress, Delayed, Cancelling, and whatever AWS thinks of next: a deadline is above all.
        _ => State::Under,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: &str, details: &str) -> Option<(Kind, Phase)> {
        let patience = Patience { delivery: Duration::from_secs(60), execution: Duration::from_secs(180) };
        match state(status, details, patience) {
            State::Lost(outcome) => Some((outcome.kind, outcome.phase.unwrap())),
            State::Ran | State::Under => None,
        }
    }

    #[test]
    fn every_end_has_its_outcome() {
        assert_eq!(kind("Success", "Success"), None);
        assert_eq!(kind("Delayed", "Delayed"), None);
        assert_eq!(kind("TimedOut", "Execution Timed Out"), Some((Kind::Timeout, Phase::Run)));
        assert_eq!(kind("TimedOut", "DeliveryTimedOut"), Some((Kind::Timeout, Phase::Connect)));
        assert_eq!(kind("Cancelled", ""), Some((Kind::Interrupted, Phase::Run)));
        assert_eq!(kind("Failed", "Undeliverable"), Some((Kind::Unreachable, Phase::Connect)));
        assert_eq!(kind("Failed", "Terminated"), Some((Kind::Interrupted, Phase::Session)));
        assert_eq!(kind("Failed", "Access Denied"), Some((Kind::AuthFailed, Phase::Session)));
    }

    #[test]
    fn what_goes_on_is_not_taken_for_an_end() {
        let patience = Patience { delivery: Duration::ZERO, execution: Duration::ZERO };
        for status in ["Pending", "InProgress", "In Progress", "Delayed", "Cancelling", "SomethingNew", ""] {
            assert_eq!(state(status, status, patience), State::Under, "{status}");
        }
        assert_eq!(state("Failed", "Failed", patience), State::Ran);
    }
}

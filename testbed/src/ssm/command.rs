//! A command and where it stands on each of its instances.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Characters of standard output that are kept, and of standard error.
const MOST_OUTPUT: usize = 24_000;
const MOST_ERROR: usize = 8_000;

/// What was sent.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) script: String,
    pub(super) delivery: Duration,
    pub(super) execution: Duration,
    pub(super) concurrency: usize,
    /// Whether an error ends the command on those that have not begun.
    pub(super) errors_end: bool,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) sent: Instant,
    pub(super) cancel: CancellationToken,
    pub(super) invocations: BTreeMap<String, Invocation>,
}

/// Where a command stands on an instance.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) status: &'static str,
    /// With its spaces, as the console has it.
    pub(super) details: &'static str,
    pub(super) code: i32,
    pub(super) output: String,
    pub(super) error: String,
}

impl Invocation {
    pub(super) fn pending() -> Self {
        let (output, error) = (String::new(), String::new());
        Self { status: "Pending", details: "Pending", code: -1, output, error }
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.status, "Pending" | "InProgress" | "Delayed" | "Cancelling")
    }

    pub(super) fn listed(&self, command: &str, id: &str) -> Value {
        json!({
            "CommandId": command, "InstanceId": id, "DocumentName": "AWS-RunShellScript",
            "Status": self.status, "StatusDetails": self.details, "RequestedDateTime": 1_795_226_326.219,
        })
    }

    pub(super) fn told(&self, command: &str, id: &str) -> Value {
        json!({
            "CommandId": command, "InstanceId": id, "DocumentName": "AWS-RunShellScript",
            "PluginName": "aws:runShellScript", "ResponseCode": self.code,
            "Status": self.status, "StatusDetails": self.details,
            "StandardOutputContent": self.output, "StandardOutputUrl": "",
            "StandardErrorContent": self.error, "StandardErrorUrl": "",
        })
    }
}

/// As the agent cuts standard output.
pub(super) fn cut_output(bytes: &[u8]) -> String {
    cut(bytes, MOST_OUTPUT)
}

/// As the agent cuts standard error.
pub(super) fn cut_error(bytes: &[u8]) -> String {
    cut(bytes, MOST_ERROR)
}

fn cut(bytes: &[u8], most: usize) -> String {
    const MARK: &str = "--output truncated--";
    if bytes.len() < most {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let kept = bytes.get(..most - MARK.len()).unwrap_or(bytes);
    format!("{}{MARK}", String::from_utf8_lossy(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_as_the_agent_cuts_it() {
        assert_eq!(cut_output(&[b'a'; 23_999]).len(), 23_999);
        let cut = cut_output(&[b'a'; 24_000]);
        assert_eq!(cut.len(), 24_000);
        assert!(cut.ends_with("aaa--output truncated--"));
    }
}

//! Exit codes: a contract with scripts, declared once and shown in `--help`.

use std::process::ExitCode;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, and nothing found.
    Clean = 0,
    /// Something was found at or above `--fail-on`.
    Findings = 1,
    /// The command line or an input is not usable.
    Usage = 2,
    /// Some hosts or queries have no rows.
    Partial = 3,
    /// No host has rows.
    Nothing = 4,
    /// A bundle is damaged.
    Integrity = 5,
    /// Stopped by the operator; what was collected is kept.
    Interrupted = 130,
}

/// For the end of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done and clean
    1  findings at or above --fail-on
    2  wrong usage, or an input that cannot be used
    3  partial: some hosts or queries have no rows
    4  nothing: no host has rows
    5  a bundle is damaged
  130  interrupted; what was collected is kept";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

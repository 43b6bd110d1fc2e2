//! Programs of this machine that a running fleet is made with, and what they say.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use thiserror::Error;

/// Why a program was of no use.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// It cannot be started.
    #[error("cannot start `{program}`: {cause}")]
    Start {
        /// Which.
        program: String,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// It failed.
    #[error("`{line}` failed: {said}")]
    Failed {
        /// The program with its first arguments.
        line: String,
        /// The end of what it said.
        said: String,
    },
    /// It is not there.
    #[error("{0}")]
    Missing(&'static str),
}

/// Runs a program to its end and gives its output.
pub(super) fn run(command: &mut Command) -> Result<String, ProgramError> {
    fed(command, "")
}

/// Runs a program to its end with an input.
pub(super) fn fed(command: &mut Command, input: &str) -> Result<String, ProgramError> {
    let output =
        output(command, input).map_err(|cause| ProgramError::Start { program: name(command), cause })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    // The end says why, mostly.
    let lines: Vec<_> = said.lines().rev().filter(|line| !line.trim().is_empty()).take(4).collect();
    let said = lines.into_iter().rev().collect::<Vec<_>>().join(" | ");
    Err(ProgramError::Failed { line: line(command), said })
}

fn output(command: &mut Command, input: &str) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // Inputs are scripts of a few kB, which fit into a pipe: whoever does not read them is not waited for.
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let words = command.get_args().take(8).map(OsStr::to_string_lossy);
    std::iter::once(command.get_program().to_string_lossy()).chain(words).collect::<Vec<_>>().join(" ")
}

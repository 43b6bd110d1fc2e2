//! Results in the form that was asked for: for a reader, or for a program.

pub(crate) mod answer;
pub(crate) mod coverage;
pub(crate) mod csv;
pub(crate) mod failures;
pub(crate) mod findings;
pub(crate) mod gaps;
pub(crate) mod json;
pub(crate) mod normalisation;
pub(crate) mod rows;
pub(crate) mod summary;

use crate::screen::escape::escape;
use clap::ValueEnum;
use std::io::Write;

/// The form of a result on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a header; cells that a spreadsheet would run are made text
    Csv,
}

/// "1 host", "2 hosts".
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = match (number, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{number} {plural}")
}

/// Makes a program's broken pipe (`herdiff show … | head`) a quiet end.
pub(crate) fn print(text: impl AsRef<[u8]>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A line for the operator beside the result, on standard error.
pub(crate) fn say(line: &str) {
    write_line(&format!("herdiff: {}", escape(line)));
}

/// A line on standard error, as it is.
pub(crate) fn write_line(line: &str) {
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

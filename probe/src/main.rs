//! `herdiff-probe`: answers osquery's SQL about one Linux host, from one small static file.
//!
//! It reads and nothing else: no writes, no child processes, no network. The host may belong to an attacker, so
//! every read is bounded, and what could not be read is said beside the rows.

mod cli;
#[cfg(test)]
mod fuzz;
mod host;
mod json;
mod restraint;
mod shell;
mod sql;
mod sweep;
mod tables;

use std::io::{self, BufWriter};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let root = std::env::var_os("HERDIFF_PROBE_ROOT");
    let mut output = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    cli::run(&arguments, root, &mut io::stdin().lock(), &mut output, &mut io::stderr().lock())
}

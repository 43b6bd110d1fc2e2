//! The `herdiff` command: a thin shell over `collector` and `differ`. Only this crate knows arguments, the terminal, the
//! environment and exit codes.

mod args;
#[cfg(feature = "aws")]
mod aws;
mod bundle_file;
mod bundle_origin;
mod bundle_output;
mod commands;
mod envelope;
mod environment;
mod error;
mod exit;
mod output;
mod pack_file;
mod screen;

use args::{Args, Command};
use clap::Parser;
use error::Failure;
use exit::Exit;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // There is nowhere left to say that standard error is closed.
            drop(writeln!(std::io::stderr(), "{failure}"));
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Collect(args) => commands::collect::run(*args),
        Command::Baseline(args) => commands::baseline::run(&args),
        Command::Diff(args) => commands::compare::diff(&args),
        Command::Outliers(args) => commands::compare::outliers(&args),
        Command::Scope(args) => commands::scope::run(&args),
        Command::Accept(args) => commands::accept::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Query(args) => commands::query::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Merge(args) => commands::merge::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Sign(args) => commands::sign::run(&args),
        Command::Pack(args) => commands::pack::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Inventory(args) => commands::inventory::run(&args),
    }
}

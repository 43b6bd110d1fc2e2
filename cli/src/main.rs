//! The `herdiff` command: a thin shell over `collector` and `differ`. Only this crate knows arguments, the terminal, the
//! environment and exit codes.

mod args;
mod bundle_file;
mod commands;
mod environment;
mod error;
mod exit;
mod output;
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
        Command::Diff(args) => commands::compare::diff(&args),
        Command::Outliers(args) => commands::compare::outliers(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Import(args) => commands::import::run(&args),
    }
}

//! The `herdiff-testbed` command: reads the arguments and hands them to one of the commands.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this program owns its terminal")]

mod command;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Fleets to try Herdiff on: simulated hosts over real SSH, attacks to find, faults to survive.
#[derive(Debug, Parser)]
#[command(name = "herdiff-testbed", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the main job: serve a fleet with two compromised hosts, sweep it, name them
    Demo(command::demo::Arguments),
    /// Serve a fleet until Ctrl-C, to sweep it by hand
    Up(command::up::Arguments),
    /// Write a fleet's saved osquery output, for `herdiff import`
    Generate(command::generate::Arguments),
    /// Measure a sweep, with OpenSSH's client beside it
    Bench(command::bench::Arguments),
    /// Run one command and print what it has cost, for `bench`
    #[command(hide = true)]
    Measure(command::bench::measure::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.verb {
        Verb::Demo(arguments) => command::demo::run(&arguments),
        Verb::Up(arguments) => command::up::run(&arguments),
        Verb::Generate(arguments) => command::generate::run(&arguments),
        Verb::Bench(arguments) => command::bench::run(&arguments),
        Verb::Measure(arguments) => command::bench::measure::run(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("herdiff-testbed: {error}");
            ExitCode::from(error.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}

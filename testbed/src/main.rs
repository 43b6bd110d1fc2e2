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
    /// Start a fleet to sweep by hand: simulated hosts or containers
    Up(command::up::Arguments),
    /// Take a fleet away, with all that was made for it
    Down(command::down::Arguments),
    /// Plant attacks on hosts of a fleet that is up
    Attack(command::change::AttackArguments),
    /// Let hosts of a fleet that is up misbehave
    Fault(command::change::FaultArguments),
    /// Show which fleet is up, what was planted, who misbehaves
    Status(command::status::Arguments),
    /// Write a fleet's saved osquery output, for `herdiff import`
    Generate(command::generate::Arguments),
    /// Measure how well planted attacks are found, with naive methods beside it
    Evaluate(command::evaluate::Arguments),
    /// Measure a sweep, with what others use beside it
    Bench(command::bench::Arguments),
    /// Sweep a fleet that misbehaves again and again, and look for what is left of it
    Soak(command::soak::Arguments),
    /// Run one command and print what it has cost, for `bench`
    #[command(hide = true)]
    Measure(command::bench::measure::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.verb {
        Verb::Demo(arguments) => command::demo::run(&arguments),
        Verb::Up(arguments) => command::up::run(&arguments),
        Verb::Down(arguments) => command::down::run(&arguments),
        Verb::Attack(arguments) => command::change::attack(&arguments),
        Verb::Fault(arguments) => command::change::fault(&arguments),
        Verb::Status(arguments) => command::status::run(&arguments),
        Verb::Generate(arguments) => command::generate::run(&arguments),
        Verb::Evaluate(arguments) => command::evaluate::run(&arguments),
        Verb::Bench(arguments) => command::bench::run(&arguments),
        Verb::Soak(arguments) => command::soak::run(&arguments),
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

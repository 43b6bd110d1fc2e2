//! `herdiff completions`: what a shell needs to complete our verbs and flags, made from the command line's declaration.

use crate::error::Failure;
use crate::exit::Exit;
use crate::output::print;
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  herdiff completions bash > /etc/bash_completion.d/herdiff")]
pub(crate) struct Args {
    /// The shell that will read it
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::Args::command(), "herdiff", &mut script);
    print(script).map_err(|error| Failure::usage("cannot write the script").why(error))?;
    Ok(Exit::Clean)
}

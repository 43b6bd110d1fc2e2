//! The command line, declared once: help, and later completions and manual pages, come from here.

use crate::commands::{collect, compare, import, show};
use crate::exit;
use clap::{Parser, Subcommand};

/// Finds the hosts of a fleet that are not like the others.
///
/// Sweep a fleet over SSH (no agent needed), keep what was seen in a bundle, and compare: every host with its herd, or
/// with a known-good baseline.
#[derive(Parser)]
#[command(name = "herdiff", version, max_term_width = 100, after_help = exit::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// In the order in which a responder needs them.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Visit hosts over SSH, run a pack of queries, and write a bundle
    Collect(Box<collect::Args>),
    /// Compare the hosts of a bundle with a known-good baseline
    Diff(compare::DiffArgs),
    /// Compare every host of a bundle with its herd; no baseline needed
    Outliers(compare::OutliersArgs),
    /// Show what is in a bundle
    Show(show::Args),
    /// Make a bundle of saved osquery output
    Import(import::Args),
}

//! The command line, declared once: help, and later completions and manual pages, come from here.

use crate::commands::{
    accept, baseline, collect, compare, completions, export, import, inventory, merge, pack, query, scope,
    show, sign, verify,
};
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
    /// Keep known-good hosts as baselines, checked against their herd before they are believed
    Baseline(baseline::Args),
    /// Compare the hosts of a bundle with known-good baselines
    Diff(compare::DiffArgs),
    /// Compare every host of a bundle with its herd; no baseline needed
    Outliers(compare::OutliersArgs),
    /// Ask which hosts share an indicator, or have something like it
    Scope(scope::Args),
    /// Accept findings that were looked at: they are counted from then on, and not listed
    Accept(accept::Args),
    /// Show what is in a bundle
    Show(show::Args),
    /// Ask the rows of a bundle in SQL
    Query(query::Args),
    /// Make a bundle of saved osquery output
    Import(import::Args),
    /// Write a bundle in other formats: osquery's JSON, NDJSON, CSV, Parquet, SQLite
    Export(export::Args),
    /// Make one bundle of several
    Merge(merge::Args),
    /// Check that a bundle is whole, unchanged and signed, prove one host, save what is intact
    Verify(verify::Args),
    /// Sign a bundle with an SSH key
    Sign(sign::Args),
    /// Show which hosts an inventory names
    Inventory(inventory::Args),
    /// List, print and check packs of queries
    Pack(pack::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

//! `herdiff merge`: one bundle of several.

use crate::envelope::{IdentityArgs, RecipientArgs};
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{count, print};
use crate::screen::escape::escape;
use crate::{bundle_file, bundle_output, environment};
use herdiff_model::bundle::{Bundle, Head, MergeError, merge};
use herdiff_model::sweep::SweepFacts;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Sweeps of parts of a fleet, or of several days, become one bundle.
///
/// A host that is in several of them is kept as often, in the order of its visits; comparisons look at the last. The facts and
/// seals of all sweeps are kept. Sweeps that asked other things cannot be merged.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  herdiff merge east.herd west.herd -o all.herd")]
pub(crate) struct Args {
    /// The bundles to merge
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,
    /// The bundle to write
    #[arg(short, long, value_name = "FILE.herd")]
    output: PathBuf,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    recipients: RecipientArgs,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let started = environment::now();
    let recipients = args.recipients.read()?;
    let heads: Vec<Head> = args
        .bundles
        .iter()
        .map(|path| bundle_file::read(path, &args.identity).map(|bundle| Head::of(&bundle)))
        .collect::<Result<_, _>>()?;
    let facts = SweepFacts {
        tool: concat!("herdiff ", env!("CARGO_PKG_VERSION")).to_owned(),
        started: heads.iter().map(|head| head.facts.started).min().unwrap_or(started),
        operator: environment::operator(),
        transport: "merge".to_owned(),
        inventory: args.bundles.iter().map(|path| path.display().to_string()).collect(),
        targets: targets(&heads),
    };
    let (sealed, hosts) = bundle_output::write_sealed(&args.output, recipients.as_ref(), |file| {
        let (_, sealed) = merge(&heads, &facts, environment::now(), file, |number| load(args, number))
            .map_err(|error| error.failure(args))?;
        Ok((sealed, heads.iter().map(|head| head.visits.len()).sum::<usize>()))
    })?;
    for (path, head) in args.bundles.iter().zip(&heads).filter(|(_, head)| head.end.is_none()) {
        let hosts = count(head.visits.len(), "host");
        crate::output::say(&format!("{} ends early; {hosts} of it are in the result", path.display()));
    }
    let path = escape(args.output.as_os_str().as_encoded_bytes());
    let size = args.output.metadata().map_or(0, |metadata| metadata.len()).div_ceil(1000);
    print(format!(
        "{} of {}\nbundle  {path} ({size} kB)\nseal    {}\n",
        count(hosts, "snapshot"),
        count(heads.len(), "bundle"),
        sealed.seal
    ))
    .map_err(|error| Failure::usage("cannot write the summary").why(error))?;
    Ok(Exit::Clean)
}

/// How many hosts were to be visited: those that were, each once, and those that were not, whom nobody can name.
fn targets(heads: &[Head]) -> u64 {
    let names = |head: &Head| head.visits.iter().map(|(host, _)| host.clone()).collect::<HashSet<_>>();
    let visited: HashSet<_> = heads.iter().flat_map(names).collect();
    let others = heads.iter().map(|head| head.facts.targets.saturating_sub(names(head).len() as u64));
    visited.len() as u64 + others.sum::<u64>()
}

/// Why it does not go on: a bundle cannot be read, or not be merged.
enum Stop {
    Read(Failure),
    Merge(MergeError),
}

impl From<MergeError> for Stop {
    fn from(error: MergeError) -> Self {
        Self::Merge(error)
    }
}

impl Stop {
    fn failure(self, args: &Args) -> Failure {
        match self {
            Self::Read(failure) => failure,
            Self::Merge(MergeError::Io(error)) => Failure::file("write the bundle", &args.output, &error),
            Self::Merge(error) => Failure::usage("these bundles cannot be merged")
                .why(error)
                .next("merge those that asked the same pack, and compare the others by themselves"),
        }
    }
}

fn load(args: &Args, number: usize) -> Result<Bundle, Stop> {
    let path = args.bundles.get(number).map_or(Path::new(""), PathBuf::as_path);
    bundle_file::read(path, &args.identity).map_err(Stop::Read)
}

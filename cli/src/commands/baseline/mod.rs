//! `herdiff baseline`: hosts that are known to be good, looked at before they are believed.

pub(crate) mod shelf;

use crate::commands::compare::{self, Choice};
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{count, print, say};
use crate::screen::escape::escape;
use crate::{bundle_file, bundle_output, environment};
use clap::Subcommand;
use herdiff_differ::{Report, vet};
use herdiff_model::bundle::{Bundle, Head, MergeError, merge};
use herdiff_model::sweep::SweepFacts;
use shelf::{Promotion, Shelf};
use std::path::{Path, PathBuf};

/// Keeps baselines: clean hosts, one baseline for each role.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  herdiff baseline create web sweep.herd --host web-01 --host web-02\n  herdiff baseline \
                        check web --against sweep.herd\n  herdiff baseline promote web --against sweep.herd\n  herdiff diff \
                        herdiff.baselines today.herd\n\n\
                        A baseline is a bundle in a directory. What it holds is believed from then on, so it is compared with its\n\
                        herd before: what stands out on its hosts is shown, and it is not promoted until that was accepted\n\
                        (`herdiff accept`) or overruled (`--anyway`)."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Where baselines are kept
    #[arg(long, value_name = "DIR", default_value = shelf::DEFAULT, global = true)]
    dir: PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Take hosts of a sweep as a candidate
    Create {
        /// What to call it: a role, as `web`
        #[arg(value_name = "NAME")]
        name: String,
        /// The bundle that has the hosts
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// Only this host; may be given again and again
        #[arg(long, value_name = "HOST")]
        host: Vec<String>,
        #[command(flatten)]
        identity: IdentityArgs,
    },
    /// Show what stands out on the hosts of a candidate, or of a baseline
    Check {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// A sweep of the herd that its hosts belong to
        #[arg(long, value_name = "BUNDLE")]
        against: Option<PathBuf>,
        #[command(flatten)]
        choice: Choice,
    },
    /// Check a candidate, and make it the baseline
    Promote {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// A sweep of the herd that its hosts belong to
        #[arg(long, value_name = "BUNDLE")]
        against: Option<PathBuf>,
        /// Promote it whatever stands out on it; the reason is kept
        #[arg(long, value_name = "REASON")]
        anyway: Option<String>,
        #[command(flatten)]
        choice: Choice,
    },
    /// Show which baselines and candidates there are
    List,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let shelf = Shelf::at(&args.dir);
    match &args.verb {
        Verb::Create { name, bundle, host, identity } => {
            create(&shelf, &shelf::name(name)?, bundle_file::read(bundle, identity)?, bundle, host)
        }
        Verb::Check { name, against, choice } => {
            let name = shelf::name(name)?;
            let path = shelf.candidate_or_baseline(&name)?;
            let candidate = bundle_file::read(&path, &choice.identity)?;
            let (report, sweep) = look(&candidate, against.as_deref(), choice)?;
            let others = against.iter().zip(&sweep);
            let bundles: Vec<_> = std::iter::once((&path, &candidate)).chain(others).collect();
            compare::finish(&report, choice, &bundles, &[])
        }
        Verb::Promote { name, against, anyway, choice } => {
            promote(&shelf, &shelf::name(name)?, against.as_ref(), anyway.as_deref(), choice)
        }
        Verb::List => list(&shelf),
    }
}

fn create(
    shelf: &Shelf,
    name: &str,
    mut bundle: Bundle,
    from: &Path,
    hosts: &[String],
) -> Result<Exit, Failure> {
    if let Some(unknown) =
        hosts.iter().find(|host| bundle.snapshots.iter().all(|snapshot| snapshot.host.as_str() != **host))
    {
        return Err(Failure::usage(format!("there is no host {unknown} in {}", from.display()))
            .next(format!("herdiff show {} lists the hosts", from.display())));
    }
    bundle
        .snapshots
        .retain(|snapshot| hosts.is_empty() || hosts.iter().any(|host| snapshot.host.as_str() == host));
    let without = bundle
        .snapshots
        .iter()
        .filter(|host| host.queries.iter().all(|query| query.rows().is_none()))
        .count();
    if without == bundle.snapshots.len() {
        return Err(Failure::usage("none of these hosts has rows")
            .next("a baseline needs at least one host that answered"));
    }
    let path = shelf.vacant(name)?;
    let heads = [Head::of(&bundle)];
    let facts = SweepFacts {
        tool: concat!("herdiff ", env!("CARGO_PKG_VERSION")).to_owned(),
        started: bundle.facts.started,
        operator: environment::operator(),
        transport: "baseline".to_owned(),
        inventory: vec![from.display().to_string()],
        targets: bundle.snapshots.len() as u64,
    };
    let number = bundle.snapshots.len();
    let mut bundle = Some(bundle);
    let sealed = bundle_output::write_sealed(&path, None, |file| {
        let load = |_| bundle.take().ok_or(MergeError::Nothing);
        let merged = merge(&heads, &facts, environment::now(), file, load);
        merged
            .map(|(_, sealed)| sealed)
            .map_err(|error| Failure::usage("cannot write the candidate").why(error))
    })?;
    let mut text =
        format!("candidate  {} ({})\nseal       {}\n", shown(&path), count(number, "host"), sealed.seal);
    if without > 0 {
        text +=
            &format!("{} of them without rows: nothing is known to be good there.\n", count(without, "host"));
    }
    text += &format!("next       herdiff baseline promote {} --against SWEEP\n", escape(name));
    said(text)?;
    Ok(Exit::Clean)
}

/// What stands out on the candidate's hosts, and the sweep that they were compared with.
fn look(
    candidate: &Bundle,
    against: Option<&Path>,
    choice: &Choice,
) -> Result<(Report, Option<Bundle>), Failure> {
    let sweep = against.map(|path| bundle_file::read(path, &choice.identity)).transpose()?;
    let report = vet(candidate, sweep.as_ref(), &bundle_file::tables()?, &choice.options()?);
    Ok((report, sweep))
}

fn promote(
    shelf: &Shelf,
    name: &str,
    against: Option<&PathBuf>,
    anyway: Option<&str>,
    choice: &Choice,
) -> Result<Exit, Failure> {
    let path = shelf.candidate(name)?;
    let candidate = bundle_file::read(&path, &choice.identity)?;
    let seal = shelf::seal(&path, &candidate)?;
    if anyway.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(
            Failure::usage("--anyway gives no reason").next("say why, for whoever reads this next year")
        );
    }
    let (report, sweep) = look(&candidate, against.map(PathBuf::as_path), choice)?;
    if !report.compares() && anyway.is_none() {
        return Err(Failure::usage(format!("{name} cannot be checked"))
            .why("among fewer than three hosts nothing can be called odd")
            .next("--against SWEEP compares it with its herd; --anyway REASON believes it as it is"));
    }
    let others = against.into_iter().zip(&sweep);
    let bundles: Vec<_> = std::iter::once((&path, &candidate)).chain(others).collect();
    let exit = compare::finish(&report, choice, &bundles, &[])?;
    // Whatever this run calls a failure: a baseline is believed by all that come after it.
    let above = compare::alarming(&report);
    if above > 0 && anyway.is_none() {
        say(&format!(
            "{name} is not promoted: `herdiff accept` what is as it should be, or give --anyway REASON"
        ));
        return Ok(Exit::Findings);
    }
    shelf.promote(
        name,
        &Promotion {
            seal,
            on: environment::today().to_string(),
            by: environment::operator(),
            against: against.map(|path| path.display().to_string()),
            findings: above,
            reason: anyway.map(str::to_owned),
        },
    )?;
    said(format!(
        "baseline   {} ({})\nseal       {seal}\n",
        shown(&shelf.baseline(name)),
        count(candidate.snapshots.len(), "host")
    ))?;
    Ok(if exit == Exit::Partial { exit } else { Exit::Clean })
}

fn list(shelf: &Shelf) -> Result<Exit, Failure> {
    let mut exit = Exit::Clean;
    let mut text = String::new();
    for entry in shelf.entries()? {
        let bundle = bundle_file::read_without_rows(&entry.path, &IdentityArgs::default())?;
        let state = match &entry.promoted {
            None => "candidate".to_owned(),
            Some(promotion) if shelf::seal(&entry.path, &bundle)? == promotion.seal => {
                let against = promotion.against.as_deref().map_or("nothing".to_owned(), escape);
                let anyway =
                    promotion.reason.as_deref().map(|reason| format!(", anyway: {}", escape(reason)));
                format!(
                    "promoted {} by {}, checked against {against}, {}{}",
                    escape(&promotion.on),
                    escape(&promotion.by),
                    count(promotion.findings, "finding"),
                    anyway.unwrap_or_default()
                )
            }
            Some(_) => {
                exit = Exit::Integrity;
                "NOT what was promoted: its seal is another".to_owned()
            }
        };
        text +=
            &format!("{:<16}  {:>9}  {state}\n", escape(&entry.name), count(bundle.snapshots.len(), "host"));
    }
    if text.is_empty() {
        text = format!("There are no baselines in {}.\n", shown(shelf.directory()));
    }
    said(text)?;
    Ok(exit)
}

fn said(text: String) -> Result<(), Failure> {
    print(text).map_err(|error| Failure::usage("cannot write the result").why(error))
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

//! `herdiff accept`: findings that were looked at and are no cause for alarm.

use crate::commands::compare::baselines;
use crate::commands::scope::find;
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::print;
use crate::screen::escape::escape;
use crate::{bundle_file, environment};
use herdiff_differ::{Accepted, Day, Entry, Options};
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file in the working directory.
pub(crate) const DEFAULT_FILE: &str = "herdiff.accepted";

/// Accepts findings.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff accept 08032abe7d7f --in sweep.herd --reason 'key of the backup team' \
                        --expires 2026-12-31\n  herdiff accept --list\n\n\
                        The file is plain text, a line for each finding; edit it as you like. `outliers` and `diff` count in\n\
                        every report what it keeps from you."
)]
pub(crate) struct Args {
    /// Ids of findings
    #[arg(value_name = "ID", required_unless_present = "list")]
    ids: Vec<String>,
    /// Why they are no cause for alarm
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    reason: Option<String>,
    /// The last day on which this holds, as in 2026-12-31
    #[arg(long, value_name = "DAY")]
    expires: Option<Day>,
    /// The bundle that has them: checks the ids, and notes what they are
    #[arg(long = "in", value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// The ids are of `diff` with this baseline, or with the baselines in a directory; may be given again and again
    #[arg(long, value_name = "BASELINE", requires = "bundle")]
    baseline: Vec<PathBuf>,
    /// Where they are kept
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// Show what is accepted
    #[arg(long, conflicts_with_all = ["ids", "reason", "expires", "bundle", "baseline"])]
    list: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.list {
        let accepted = read(Some(&args.file))?;
        let mut text = String::new();
        for (id, entry) in accepted.iter() {
            let until = entry.until.as_ref().map_or("for ever".to_owned(), |day| format!("until {day}"));
            text += &format!("{id}  {until:<16}  {}\n", escape(&entry.reason));
        }
        text += &format!("{} accepted, {} expired.\n", accepted.iter().count(), accepted.expired());
        print(text).map_err(|error| Failure::usage("cannot write the list").why(error))?;
        return Ok(Exit::Clean);
    }
    let entry = Entry { until: args.expires.clone(), reason: args.reason.clone().unwrap_or_default() };
    if entry.reason.trim().is_empty() {
        return Err(Failure::usage("--reason is empty").next("say why, for whoever reads this next year"));
    }
    let mut lines = String::new();
    let findings = match &args.bundle {
        Some(path) => {
            let bundle = bundle_file::read(path, &args.identity)?;
            let (tables, options) = (bundle_file::tables()?, Options::default());
            let baselines = baselines(&args.baseline, &args.identity)?;
            let clean: Vec<_> = baselines.iter().map(|(_, baseline)| baseline).collect();
            let mut findings = herdiff_differ::outliers_with(&bundle, &clean, &tables, &options).findings;
            if !clean.is_empty() {
                let apart = herdiff_differ::diff(&clean, &bundle, &tables, &options).findings;
                let known: HashSet<_> = findings.iter().map(|finding| finding.id.clone()).collect();
                findings.extend(apart.into_iter().filter(|finding| !known.contains(&finding.id)));
            }
            findings
        }
        None => Vec::new(),
    };
    for id in &args.ids {
        let (id, title) = match args.bundle {
            Some(_) => {
                let finding = find(&findings, id)?;
                (finding.id.to_string(), format!("{} on {}", finding.title, finding.host))
            }
            None if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                (id.to_ascii_lowercase(), "not looked up".to_owned())
            }
            None => {
                return Err(Failure::usage(format!("{id} is not the id of a finding"))
                    .next("ids have 12 hexadecimal digits; with --in BUNDLE their start is enough"));
            }
        };
        lines += &Accepted::line(&id, &title, &entry);
    }
    // What is there must be readable before anything is added to it.
    if args.file.exists() {
        read(Some(&args.file))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&args.file)
        .and_then(|mut file| file.write_all(lines.as_bytes()))
        .map_err(|error| Failure::file("write", &args.file, &error))?;
    print(lines).map_err(|error| Failure::usage("cannot write").why(error))?;
    Ok(Exit::Clean)
}

/// What is accepted: of the file that is named, or of the usual one, where there is one.
pub(crate) fn read(file: Option<&Path>) -> Result<Accepted, Failure> {
    let usual = Path::new(DEFAULT_FILE);
    let Some(path) = file.or_else(|| usual.exists().then_some(usual)) else { return Ok(Accepted::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    Accepted::parse(&text, environment::today()).map_err(|bad| {
        Failure::usage(format!("line {} of {} cannot be read", bad.line, path.display()))
            .why(bad.why)
            .next("a line is: ID  until=2026-12-31  reason=why")
    })
}

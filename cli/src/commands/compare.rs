//! `herdiff outliers` and `herdiff diff`: from bundles to findings.

use crate::bundle_file;
use crate::commands::baseline::shelf::Shelf;
use crate::commands::{accept, scope};
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::findings::Selection;
use crate::output::{Format, count, coverage, findings, json, normalisation, print, write_line};
use crate::screen::escape::escape;
use crate::screen::{Screen, Style};
use herdiff_differ::{Options, Report};
use herdiff_model::bundle::{Bundle, Ending};
use std::path::PathBuf;

/// Every host against its herd.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff outliers sweep.herd --top 20\n  herdiff outliers sweep.herd --baseline golden.herd"
)]
pub(crate) struct OutliersArgs {
    /// The bundle to look at
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Also hold every host against this baseline, or against the baselines in a directory; may be given again and again
    #[arg(long, value_name = "BASELINE")]
    baseline: Vec<PathBuf>,
    /// Show how rows are compared instead: what is left out, what makes rows one thing, what is masked in values
    #[arg(long, conflicts_with_all = ["baseline", "why"])]
    explain_normalisation: bool,
    #[command(flatten)]
    choice: Choice,
}

/// Hosts against a baseline.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff diff golden.herd today.herd --format ndjson\n  herdiff diff web.herd db.herd today.herd"
)]
pub(crate) struct DiffArgs {
    /// Bundles of hosts that are known to be good, or a directory that `herdiff baseline` keeps; of several, a host is held
    /// against one that has its herd, and of those against the one that it is most like
    #[arg(value_name = "BASELINE", required = true, num_args = 1..)]
    baselines: Vec<PathBuf>,
    /// The bundle to look at
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    #[command(flatten)]
    choice: Choice,
}

/// What is shown of a comparison, and what makes it fail.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// How to write the findings
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// List findings from this score on, in bits
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_SCORE, allow_negative_numbers = true,
        value_parser = bits)]
    min_score: f64,
    /// List no more than this many findings
    #[arg(long, value_name = "N", default_value_t = 50)]
    top: usize,
    /// Exit with 1 when a finding has this score or more: a number of bits, or `never`
    #[arg(long, value_name = "BITS", default_value_t = FailOn::default())]
    fail_on: FailOn,
    /// Findings that were accepted, counted and not listed; ./herdiff.accepted, where there is one
    #[arg(long, value_name = "FILE")]
    accepted: Option<PathBuf>,
    /// Show everything behind the finding with this id
    #[arg(long, value_name = "ID")]
    why: Option<String>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

impl Choice {
    /// The best one at least, as it decides the exit code.
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let accepted = accept::read(self.accepted.as_deref())?;
        let most = if self.why.is_some() { usize::MAX } else { self.top.max(1) };
        Ok(Options { most, accepted })
    }
}

impl Choice {
    /// Whether a finding makes the command fail.
    fn alarms(&self, report: &Report) -> bool {
        match self.fail_on {
            FailOn::Score(score) => report.findings.iter().any(|finding| finding.score >= score),
            FailOn::Never => false,
        }
    }
}

/// How many findings are worth a look, whatever else was asked for.
pub(crate) fn alarming(report: &Report) -> usize {
    report.findings.iter().filter(|finding| finding.score >= DEFAULT_SCORE).count()
}

/// Where a difference is worth a look: as rare as can be in a herd of fifty, in a place that matters.
const DEFAULT_SCORE: f64 = 9.5;

/// A number that can be compared with.
fn bits(text: &str) -> Result<f64, String> {
    let bits: f64 = text.parse().map_err(|_| "not a number of bits".to_owned())?;
    if bits.is_finite() { Ok(bits) } else { Err("not a number of bits".to_owned()) }
}

/// When findings make the command fail.
#[derive(Clone, Copy, Debug)]
enum FailOn {
    Score(f64),
    Never,
}

impl Default for FailOn {
    fn default() -> Self {
        Self::Score(DEFAULT_SCORE)
    }
}

impl std::fmt::Display for FailOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Score(score) => score.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

impl std::str::FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            _ => bits(text).map(Self::Score).map_err(|_| "neither a number of bits nor `never`".to_owned()),
        }
    }
}

pub(crate) fn outliers(args: &OutliersArgs) -> Result<Exit, Failure> {
    let bundle = bundle_file::read(&args.bundle, &args.choice.identity)?;
    if args.explain_normalisation {
        return explain(&bundle, args.choice.format);
    }
    let baselines = baselines(&args.baseline, &args.choice.identity)?;
    let clean: Vec<&Bundle> = baselines.iter().map(|(_, baseline)| baseline).collect();
    let report =
        herdiff_differ::outliers_with(&bundle, &clean, &bundle_file::tables()?, &args.choice.options()?);
    finish(&report, &args.choice, &[(&args.bundle, &bundle)], &baselines)
}

pub(crate) fn diff(args: &DiffArgs) -> Result<Exit, Failure> {
    let baselines = baselines(&args.baselines, &args.choice.identity)?;
    let clean: Vec<&Bundle> = baselines.iter().map(|(_, baseline)| baseline).collect();
    let target = bundle_file::read(&args.target, &args.choice.identity)?;
    let report = herdiff_differ::diff(&clean, &target, &bundle_file::tables()?, &args.choice.options()?);
    finish(&report, &args.choice, &[(&args.target, &target)], &baselines)
}

fn explain(bundle: &Bundle, format: Format) -> Result<Exit, Failure> {
    let all = herdiff_differ::normalisation(bundle, &bundle_file::tables()?);
    let text = match format {
        Format::Table => Ok(normalisation::table(&all).into_bytes()),
        Format::Json => json::document(&all),
        Format::Ndjson => {
            all.iter().map(json::line).collect::<Result<Vec<_>, _>>().map(|lines| lines.concat())
        }
        Format::Csv => {
            return Err(Failure::usage("how rows are compared is no table").next("--format json, or none"));
        }
    };
    text.and_then(print).map_err(|error| Failure::usage("cannot write the explanation").why(error))?;
    Ok(Exit::Clean)
}

/// Baselines as they are named: bundles, and of directories what was promoted there.
pub(crate) fn baselines(
    paths: &[PathBuf],
    identity: &IdentityArgs,
) -> Result<Vec<(PathBuf, Bundle)>, Failure> {
    let mut baselines = Vec::new();
    for path in paths {
        if path.is_dir() {
            baselines.extend(Shelf::at(path).baselines(|path| bundle_file::read(path, identity))?);
        } else {
            baselines.push((path.clone(), bundle_file::read(path, identity)?));
        }
    }
    Ok(baselines)
}

/// Shows a report, and decides how the command ends.
pub(crate) fn finish(
    report: &Report,
    choice: &Choice,
    targets: &[(&PathBuf, &Bundle)],
    baselines: &[(PathBuf, Bundle)],
) -> Result<Exit, Failure> {
    let screen = Screen::stdout();
    if let Some(id) = &choice.why {
        let finding = scope::find(&report.findings, id)?;
        let text = match choice.format {
            Format::Table => Ok(findings::everything(finding).into_bytes()),
            _ => json::document(finding),
        };
        text.and_then(print).map_err(|error| Failure::usage("cannot write the finding").why(error))?;
        return Ok(Exit::Clean);
    }
    let selection = Selection { min_score: choice.min_score, top: choice.top };
    findings::render(report, selection, choice.format, screen)
        .and_then(print)
        .map_err(|error| Failure::usage("cannot write the findings").why(error))?;

    let cut = |(_, bundle): &&(&PathBuf, &Bundle)| matches!(bundle.ending, Ending::Open { .. });
    let bundles: Vec<_> =
        targets.iter().copied().chain(baselines.iter().map(|(path, bundle)| (path, bundle))).collect();
    let cut: Vec<_> = bundles.iter().filter(cut).map(|(path, _)| path).collect();
    // Every result states its coverage: beside it, where a program reads the result.
    let mut text = match choice.format {
        Format::Table => coverage::suspects(report, choice.min_score).unwrap_or_default(),
        Format::Json | Format::Ndjson | Format::Csv => String::new(),
    };
    if report.accepted > 0 {
        text += &format!("{} not shown: accepted.\n", count(report.accepted, "finding"));
    }
    let names: Vec<_> =
        baselines.iter().map(|(path, _)| escape(path.as_os_str().as_encoded_bytes())).collect();
    text += &coverage::render(&report.coverage, &report.notes, &names, screen);
    for path in &cut {
        let line = format!(
            "{} ends early: its sweep was stopped or the file was cut; what follows is not known.",
            escape(path.as_os_str().as_encoded_bytes())
        );
        text += &screen.paint(Style::Alarm, &line);
        text.push('\n');
    }
    match choice.format {
        Format::Table => {
            print(text).map_err(|error| Failure::usage("cannot write the coverage").why(error))?
        }
        Format::Json | Format::Ndjson | Format::Csv => write_line(text.trim_end()),
    }

    Ok(match report.coverage.with_rows {
        _ if choice.alarms(report) => Exit::Findings,
        0 => Exit::Nothing,
        _ if report.leaves_open() || !cut.is_empty() => Exit::Partial,
        _ => Exit::Clean,
    })
}

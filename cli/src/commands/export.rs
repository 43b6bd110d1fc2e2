//! `herdiff export`: a bundle in the formats of others.

use crate::envelope::{IdentityArgs, RecipientArgs};
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{print, say};
use crate::screen::escape::escape;
use crate::{bundle_file, bundle_output, environment};
use clap::ValueEnum;
use herdiff_envelope::Recipients;
use herdiff_exchange::export::{self, ExportError, Job, export, export_lines};
use herdiff_exchange::query::Watch;
use herdiff_model::bundle::{Ending, verify};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

/// Writes all rows, hosts and outcomes of a bundle so that other programs can go on with them. What is there already is
/// never written over, and what is not whole never stands under the name that was asked for.
///
/// docs/EXCHANGE.md describes the files.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  herdiff export sweep.herd --format parquet -o sweep.parquet.d\n  \
                        herdiff export sweep.herd --format sqlite -o sweep.db\n  \
                        herdiff export sweep.herd --format ndjson -o - | jq 'select(.type == \"host\")'")]
pub(crate) struct Args {
    /// The bundle to export
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    /// The file or directory to make; `-` for NDJSON on standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Findings (`herdiff outliers --format ndjson`), for a table of their own in the database
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    recipients: RecipientArgs,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A directory of osqueryi's JSON, as `herdiff import` reads it, value for value
    Json,
    /// One file with one JSON object a line: hosts, outcomes, rows
    Ndjson,
    /// A directory with one CSV file a query; cells that a spreadsheet would run are made text
    Csv,
    /// A directory with one Parquet file a query, with typed columns
    Parquet,
    /// One SQLite database with one table a query
    Sqlite,
    /// The bundle itself, byte for byte: encrypted with --recipient, or decrypted
    Herd,
}

impl Format {
    /// Of others; `None` where it is our own.
    fn of_others(self) -> Option<export::Format> {
        Some(match self {
            Self::Json => export::Format::Json,
            Self::Ndjson => export::Format::Ndjson,
            Self::Csv => export::Format::Csv,
            Self::Parquet => export::Format::Parquet,
            Self::Sqlite => export::Format::Sqlite,
            Self::Herd => return None,
        })
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let to_stdout = args.output.as_os_str() == "-";
    if to_stdout && args.format != Format::Ndjson {
        return Err(Failure::usage("only NDJSON can be written to standard output")
            .next("-o FILE (ndjson, sqlite) or -o DIRECTORY (json, csv, parquet)"));
    }
    if args.findings.is_some() && args.format != Format::Sqlite {
        return Err(Failure::usage("findings have a place in a database only").next("--format sqlite"));
    }
    let recipients = args.recipients.read()?;
    let Some(format) = args.format.of_others() else { return copy(args, recipients.as_ref()) };
    if recipients.is_some() {
        return Err(Failure::usage("only bundles are encrypted here")
            .next("--format herd, or `age` for what was exported"));
    }
    let findings = args.findings.as_deref().map(environment::read_text).transpose();
    let findings = findings.map_err(|error| Failure::usage("cannot read the findings").why(error))?;
    let stored = bundle_file::open(&args.bundle, &args.identity)?;
    let bar = progress(to_stdout);
    let job = Job {
        watch: Watch { deadline: None, interrupted: environment::interrupted()? },
        progress: &|done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        },
        findings: findings.as_ref().map(|(_, text)| text.as_str()),
    };
    let done = if to_stdout {
        let mut out = std::io::BufWriter::new(std::io::stdout());
        export_lines(&stored, &mut out, &job).and_then(|()| Ok(out.flush()?))
    } else {
        export(&stored, format, &args.output, &job)
    };
    bar.finish_and_clear();
    match done {
        Ok(()) => {}
        Err(ExportError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(ExportError::Interrupted) => {
            say("interrupted; nothing was written");
            return Ok(Exit::Interrupted);
        }
        Err(ExportError::Bundle(damage)) => return Err(Failure::bundle(&args.bundle, &damage)),
        Err(error) => return Err(failure(&error)),
    }
    if !to_stdout {
        tell(args)?;
    }
    if matches!(stored.ending(), Ending::Open { .. }) {
        let name = escape(args.bundle.as_os_str().as_encoded_bytes());
        say(&format!(
            "{name} ends early: its sweep was stopped or the file was cut; what follows is not in the export"
        ));
        return Ok(Exit::Partial);
    }
    Ok(Exit::Clean)
}

fn tell(args: &Args) -> Result<(), Failure> {
    let line = format!("exported  {}\n", escape(args.output.as_os_str().as_encoded_bytes()));
    print(line).map_err(|error| Failure::usage("cannot write the result").why(error))
}

/// The same bytes, encrypted or not. What is damaged is not passed on.
fn copy(args: &Args, recipients: Option<&Recipients>) -> Result<Exit, Failure> {
    let unreadable = |error| Failure::bundle(&args.bundle, &error);
    let open = || bundle_file::source(&args.bundle, &args.identity);
    verify(BufReader::with_capacity(1 << 20, open()?)).map_err(unreadable)?;
    bundle_output::write_sealed(&args.output, recipients, |sink| {
        io::copy(&mut open()?, sink).map_err(|error| Failure::file("write the bundle", &args.output, &error))
    })?;
    tell(args)?;
    Ok(Exit::Clean)
}

/// A line on the terminal, and nothing elsewhere.
fn progress(silent: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(
        Some(0),
        if silent { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() },
    );
    let style = ProgressStyle::with_template("exporting {bar:24} {percent:>3} % {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn failure(error: &ExportError) -> Failure {
    let failure = Failure::usage("cannot export").why(error);
    match error {
        ExportError::Exists { .. } => {
            failure.next("nothing is ever written over: choose another name with -o")
        }
        ExportError::Write { path, .. } if !path.parent().is_none_or(Path::exists) => {
            failure.next("make the directory first")
        }
        ExportError::Findings { .. } => {
            failure.next("herdiff outliers BUNDLE --format ndjson > FILE makes such a file")
        }
        _ => failure,
    }
}

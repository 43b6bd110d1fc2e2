//! `herdiff query`: SQL over the rows of a bundle, without asking any host again.

use crate::bundle_file;
use crate::envelope::IdentityArgs;
use crate::environment;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::answer::Answer;
use crate::output::{Format, gaps, print, say};
use crate::screen::escape::escape;
use crate::screen::wrap::wrap;
use crate::screen::{Screen, Style};
use herdiff_exchange::query::{Engine, QueryError, Sink, ValueRef, Watch};
use herdiff_model::bundle::Ending;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Every query of the pack is a table of its name, with the columns `host` and `herd` before its own. `hosts` and
/// `outcomes` tell how each visit and each query there ended. Without SQL, the tables and their columns are listed.
///
/// Columns that osquery declares as numbers compare and sort as numbers; what else looks like one needs a CAST. SQLite's
/// functions are there, and osquery's own. Nothing can be changed, and no file is reached.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff query sweep.herd \"SELECT host, path FROM suid_bin WHERE path LIKE '/tmp/%'\"\n  \
                        herdiff query sweep.herd 'SELECT username, count(*) AS n FROM users GROUP BY 1 HAVING n < 3'\n  \
                        herdiff query sweep.herd --format ndjson - < statement.sql"
)]
pub(crate) struct Args {
    /// The bundle to ask
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// One statement that reads; `-` takes it from standard input
    #[arg(value_name = "SQL", allow_hyphen_values = true)]
    sql: Option<String>,
    /// How to write the rows
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Stop a statement that takes longer
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// How long lines are where no terminal says it.
const LINE: usize = 100;
const INDENT: usize = 4;

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let sql = match args.sql.as_deref() {
        Some("-") => Some(
            environment::read_text(Path::new("-"))
                .map_err(|error| Failure::usage("cannot read the statement").why(error))?
                .1,
        ),
        sql => sql.map(str::to_owned),
    };
    let stored = bundle_file::open(&args.bundle, &args.identity)?;
    let watch = Watch {
        deadline: args.timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds))),
        interrupted: environment::interrupted()?,
    };
    let engine = Engine::open(&stored, watch).map_err(|error| failure(&args.bundle, error))?;
    let mut answer = Answer::new(args.format, Screen::stdout());
    let done = match &sql {
        Some(sql) => engine.run(sql, &mut answer),
        None if args.format == Format::Table => {
            let tables = tables_for_a_reader(&engine, Screen::stdout());
            print(tables.map_err(|error| failure(&args.bundle, error))?)
                .map_err(|error| Failure::usage("cannot write the list of tables").why(error))?;
            return Ok(Exit::Clean);
        }
        None => tables(&engine, &mut answer),
    };
    let done = done.and_then(|()| answer.finish().map_err(QueryError::Output));
    match done {
        Ok(()) => {}
        Err(QueryError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            return Ok(Exit::Clean);
        }
        Err(QueryError::Interrupted) => return Ok(Exit::Interrupted),
        Err(error) => return Err(failure(&args.bundle, error)),
    }
    let coverage = engine.coverage();
    gaps::say_all(&coverage);
    let cut = matches!(stored.ending(), Ending::Open { .. });
    if cut && sql.is_some() {
        say(&format!(
            "{} ends early: its sweep was stopped or the file was cut; what follows is not known",
            escape(args.bundle.as_os_str().as_encoded_bytes())
        ));
    }
    Ok(gaps::exit(&coverage, cut && sql.is_some()))
}

/// What can be asked, over as many lines as it takes.
fn tables_for_a_reader(engine: &Engine, screen: Screen) -> Result<String, QueryError> {
    let mut out = String::new();
    for relation in engine.relations()? {
        out += &format!("{}\n", screen.paint(Style::Strong, &escape(&relation.name)));
        let columns: Vec<_> = relation.columns.iter().map(|column| escape(&column.name)).collect();
        for line in wrap(&columns.join(", "), screen.width.unwrap_or(LINE) - INDENT) {
            out += &format!("{:INDENT$}{line}\n", "");
        }
    }
    Ok(out)
}

/// What can be asked, for a program.
fn tables(engine: &Engine, answer: &mut Answer) -> Result<(), QueryError> {
    answer.columns(&["table", "columns"])?;
    for relation in engine.relations()? {
        let columns: Vec<_> = relation.columns.iter().map(|column| column.name.as_str()).collect();
        let columns = columns.join(", ");
        answer.row(&[ValueRef::Text(relation.name.as_bytes()), ValueRef::Text(columns.as_bytes())])?;
        if relation.left_out > 0 {
            say(&format!(
                "{}: {} columns that few hosts sent find no place",
                escape(&relation.name),
                relation.left_out
            ));
        }
    }
    Ok(())
}

fn failure(path: &Path, error: QueryError) -> Failure {
    if let QueryError::Bundle(damage) = &error {
        return Failure::bundle(path, damage);
    }
    let failure = Failure::usage("cannot answer the statement").why(&error);
    match error {
        QueryError::Sql(_) | QueryError::NoSuchColumn(_) => {
            failure.next("herdiff query BUNDLE lists the tables and their columns")
        }
        QueryError::TimeOut => {
            failure.next("--timeout with more seconds; a condition on host reads one host only")
        }
        QueryError::NotOne(_) | QueryError::NotReading(_) => {
            failure.next("give one SELECT; herdiff export makes a copy that can be changed")
        }
        QueryError::Memory => {
            failure.next("herdiff export --format sqlite or parquet, for a database on disk")
        }
        QueryError::Interrupted | QueryError::Output(_) | QueryError::Types(_) | QueryError::Bundle(_) => {
            failure
        }
    }
}

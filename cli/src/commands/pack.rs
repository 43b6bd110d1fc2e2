//! `herdiff pack`: which questions there are, what they ask, and whether a pack file is usable.

use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{count, print};
use crate::pack_file;
use crate::screen::escape::escape;
use crate::screen::table::Table;
use crate::screen::{Screen, Style};
use clap::Subcommand;
use herdiff_model::pack::{BuiltIn, Pack, Query};

/// Shows the packs that come with the tool, prints one as a start for your own, and checks yours.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  herdiff pack show triage > ours.conf\n  herdiff pack check ours.conf")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The packs that come with the tool
    List,
    /// Print a pack as it was written, comments and all
    Show {
        /// A name of `herdiff pack list`, or a file
        #[arg(value_name = "FILE|NAME")]
        pack: String,
    },
    /// Say what was understood of a pack, query by query
    Check {
        /// A file, or a name of `herdiff pack list`
        #[arg(value_name = "FILE|NAME")]
        pack: String,
    },
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let screen = Screen::stdout();
    let (text, exit) = match &args.command {
        Command::List => (list(screen)?, Exit::Clean),
        Command::Show { pack } => (pack_file::load(pack)?.text().to_owned(), Exit::Clean),
        Command::Check { pack } => check(&pack_file::load(pack)?, screen),
    };
    print(text).map_err(|error| Failure::usage("cannot write the result").why(error))?;
    Ok(exit)
}

fn list(screen: Screen) -> Result<String, Failure> {
    let mut table = Table::new(["PACK", ">QUERIES", "PURPOSE"]);
    for built_in in BuiltIn::ALL {
        let pack = pack_file::load(built_in.name)?;
        table.row([built_in.name.into(), pack.queries().len().to_string(), built_in.purpose.into()]);
    }
    Ok(table.render(screen) + "\n")
}

/// What a sweep with it would do. A query that no Linux host is asked is said; one without SQL cannot be asked at all.
fn check(pack: &Pack, screen: Screen) -> (String, Exit) {
    let mut table = Table::new(["QUERY", "ASKED", "COMPARED BY", "SQL"]);
    for query in pack.queries() {
        let sql = query.sql.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let compared = key(query);
        table.row([escape(query.name.as_str()), asked(query).into(), escape(&compared), escape(&sql)]);
    }
    let unusable = pack.queries().iter().filter(|query| query.sql.is_none()).count();
    let verdict = match (pack.queries().len(), unusable) {
        (0, _) => "it has no queries".to_owned(),
        (queries, 0) => format!("{}, all of them usable", count(queries, "query")),
        (queries, unusable) => format!("{unusable} of {} cannot be asked", count(queries, "query")),
    };
    let exit = if unusable == 0 && !pack.queries().is_empty() { Exit::Clean } else { Exit::Usage };
    let rows = if pack.queries().is_empty() { String::new() } else { table.render(screen) + "\n\n" };
    (format!("{rows}{}\n", screen.paint(Style::Strong, &verdict)), exit)
}

fn asked(query: &Query) -> &'static str {
    match (&query.sql, query.for_linux) {
        (None, _) => "no SQL",
        (Some(_), true) => "yes",
        (Some(_), false) => "not Linux",
    }
}

/// The columns that tell one thing from another, where the pack says so itself.
fn key(query: &Query) -> String {
    match &query.annotation.key {
        Some(key) => key.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", "),
        None => "what is known of the table".into(),
    }
}

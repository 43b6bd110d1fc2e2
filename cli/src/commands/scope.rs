//! `herdiff scope`: from one indicator to the hosts that share it.

use crate::bundle_file;
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{Format, count, csv, json, print};
use crate::screen::escape::escape;
use crate::screen::{Screen, Style};
use herdiff_differ::{Cells, Finding, Indicator, Likeness, Options, Scope};
use herdiff_model::bundle::Bundle;
use herdiff_model::name::HostName;
use std::path::PathBuf;

/// Which hosts have it.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff scope sweep.herd remote_address=203.0.113.66\n  herdiff scope sweep.herd \
                        crontab:command=/var/tmp/.x/upd\n  herdiff scope sweep.herd --finding 11d787aef9fe\n\n\
                        The value may be the whole cell, a word or path within it, or differ in numbers only.\n\
                        Exit codes: 0 no host has it, 1 some have, 3 none has and some could not tell."
)]
pub(crate) struct Args {
    /// The bundle to look at
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// What to look for: VALUE, COLUMN=VALUE or QUERY:COLUMN=VALUE; of several, a row must have all
    #[arg(value_name = "INDICATOR", required_unless_present = "finding")]
    indicators: Vec<String>,
    /// Look for what this finding of `outliers` is about
    #[arg(long, value_name = "ID", conflicts_with = "indicators")]
    finding: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let bundle = bundle_file::read(&args.bundle, &args.identity)?;
    let indicator = match &args.finding {
        Some(id) => of_finding(&bundle, id)?,
        None => parse(&args.indicators)?,
    };
    let scope = herdiff_differ::scope(&bundle, &indicator);
    let screen = Screen::stdout();
    let written = match args.format {
        Format::Table => Ok(table(&scope, screen).into_bytes()),
        Format::Json => json::document(&scope),
        Format::Ndjson => json::line(&scope),
        Format::Csv => csv::document(
            ["host", "scope"],
            [(&scope.hosts, "has"), (&scope.like, "like"), (&scope.unknown, "unknown")].into_iter().flat_map(
                |(hosts, how)| {
                    hosts.iter().map(move |host| vec![host.as_str().into(), how.as_bytes().to_vec()])
                },
            ),
        ),
    };
    written.and_then(print).map_err(|error| Failure::usage("cannot write the result").why(error))?;
    Ok(match (scope.hosts.len() + scope.like.len(), scope.unknown.len()) {
        (0, 0) => Exit::Clean,
        (0, _) => Exit::Partial,
        _ => Exit::Findings,
    })
}

fn parse(indicators: &[String]) -> Result<Indicator, Failure> {
    let mut indicator = Indicator::default();
    for text in indicators {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let (place, value) = text
            .split_once('=')
            .filter(|(place, _)| place.split(':').all(is_name))
            .map_or((None, text.as_str()), |(place, value)| (Some(place), value));
        if value.is_empty() {
            return Err(Failure::usage(format!("{text} gives no value to look for")));
        }
        let column = place.map(|place| match place.split_once(':') {
            Some((query, column)) => {
                indicator.query = Some(query.into());
                column
            }
            None => place,
        });
        indicator.cells.push((column.map(Into::into), value.as_bytes().to_vec()));
    }
    Ok(indicator)
}

/// What a finding is about: the columns of its row that say which thing it is.
fn of_finding(bundle: &Bundle, id: &str) -> Result<Indicator, Failure> {
    let tables = bundle_file::tables()?;
    let report = herdiff_differ::outliers(bundle, &tables, &Options::default());
    let finding = find(&report.findings, id)?;
    let query = bundle.pack.queries().iter().find(|query| query.name == finding.query);
    let knowledge = query.map(|query| tables.of_query(query)).unwrap_or_default();
    let is_key = |column: &str| knowledge.key.iter().any(|key| key.as_str() == column);
    let of_key = finding.row.iter().filter(|(column, cell)| is_key(column) && !cell.is_empty());
    let mut cells: Vec<_> = of_key.map(|(column, cell)| (Some(column.into()), cell.to_vec())).collect();
    if cells.is_empty() {
        let all = finding.row.iter().filter(|(column, cell)| {
            !cell.is_empty() && !knowledge.volatile.iter().any(|volatile| volatile.as_str() == *column)
        });
        cells = all.map(|(column, cell)| (Some(column.into()), cell.to_vec())).collect();
    }
    Ok(Indicator { query: Some(finding.query.clone()), cells })
}

/// A finding by its id, or the only one whose id starts so.
pub(crate) fn find<'f>(findings: &'f [Finding], id: &str) -> Result<&'f Finding, Failure> {
    let mut found =
        findings.iter().filter(|finding| !id.is_empty() && finding.id.to_string().starts_with(id));
    match (found.next(), found.next()) {
        (Some(finding), None) => Ok(finding),
        (None, _) => Err(Failure::usage(format!("there is no finding {id} in this bundle"))
            .next("herdiff outliers BUNDLE --min-score 0 lists them")),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several findings have an id that starts with {id}")))
        }
    }
}

fn has(hosts: usize) -> String {
    format!("{} {} it", count(hosts, "host"), if hosts == 1 { "has" } else { "have" })
}

fn table(scope: &Scope, screen: Screen) -> String {
    let mut out = format!(
        "{} of {}, {} with something like it, {} could not tell.\n",
        screen.paint(Style::Strong, &has(scope.hosts.len())),
        scope.of,
        scope.like.len(),
        scope.unknown.len()
    );
    for (what, hosts) in
        [("have it", &scope.hosts), ("like it", &scope.like), ("could not tell", &scope.unknown)]
    {
        if !hosts.is_empty() {
            out += &format!("  {what:<14}  {}\n", listed(hosts));
        }
    }
    if !scope.sightings.is_empty() {
        out += "\nRows\n";
    }
    for sighting in scope.sightings.iter().take(MOST_ROWS) {
        let how = match sighting.likeness {
            Likeness::Same => "",
            Likeness::Within => " (within)",
            Likeness::SameForm => " (other numbers)",
            Likeness::SameContent => " (same content)",
            Likeness::AlmostSame => " (almost the name)",
        };
        let of = count(sighting.hosts.len(), "host");
        out += &format!("  {}{how}, {of}: {}\n", escape(sighting.query.as_str()), cells(&sighting.row));
    }
    if let Some(more) = scope.sightings.len().checked_sub(MOST_ROWS).filter(|&more| more > 0) {
        out += &format!("  and {}\n", count(more, "more row"));
    }
    if !scope.shared.is_empty() {
        out += "\nWhat these hosts share and others hardly have; look for it next\n";
    }
    for shared in &scope.shared {
        out += &format!(
            "  {} here, {} elsewhere  {}: {}\n",
            shared.in_scope,
            shared.elsewhere,
            escape(shared.query.as_str()),
            cells(&shared.row)
        );
    }
    out
}

/// More are counted.
const MOST_ROWS: usize = 10;
const MOST_HOSTS: usize = 20;

fn listed(hosts: &[HostName]) -> String {
    let named: Vec<_> = hosts.iter().take(MOST_HOSTS).map(|host| escape(host.as_str())).collect();
    match hosts.len().saturating_sub(MOST_HOSTS) {
        0 => named.join(" "),
        more => format!("{} and {more} more", named.join(" ")),
    }
}

fn cells(row: &Cells) -> String {
    let told = row.iter().filter(|(_, cell)| !cell.is_empty());
    told.map(|(column, cell)| format!("{}={}", escape(column), escape(cell))).collect::<Vec<_>>().join(" ")
}

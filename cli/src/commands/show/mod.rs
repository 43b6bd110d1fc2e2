//! `herdiff show`: what is in a bundle.

mod find;

use crate::bundle_file;
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::rows::Placed;
use crate::output::{Format, count, coverage, json, print, rows};
use crate::screen::Screen;
use crate::screen::escape::escape;
use crate::screen::table::Table;

use herdiff_model::bundle::{Bundle, Ending, Part};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::snapshot::Snapshot;
use herdiff_model::sweep::UnixMillis;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Without options: a summary.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  herdiff show sweep.herd\n  herdiff show sweep.herd --hosts\n  \
                        herdiff show sweep.herd --query crontab\n  herdiff show sweep.herd --host web-07 --format ndjson\n  \
                        herdiff show sweep.herd --where \"path LIKE '/tmp/%'\"")]
pub(crate) struct Args {
    /// The bundle to look at
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// List the hosts, with how each visit ended
    #[arg(long, conflicts_with_all = ["host", "query", "failures"])]
    hosts: bool,
    /// List the queries that have no rows, or not all of them, and why
    #[arg(long, conflicts_with_all = ["host", "query"])]
    failures: bool,
    /// Show the rows of this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Show the rows of this query
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    /// Show the rows that this SQL condition holds for, of all queries that have its columns
    #[arg(long = "where", value_name = "SQL", conflicts_with_all = ["hosts", "failures"])]
    condition: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(condition) = &args.condition {
        return find::run(args, condition);
    }
    let bundle = match &args.host {
        Some(host) => bundle_file::read_host(&args.bundle, host, &args.identity)?,
        None if args.hosts || args.failures => bundle_file::read_without_rows(&args.bundle, &args.identity)?,
        None => bundle_file::read(&args.bundle, &args.identity)?,
    };
    let screen = Screen::stdout();
    let written = if args.host.is_some() || args.query.is_some() {
        rows::render(&rows(&bundle, args)?, args.format, screen)
    } else if args.hosts {
        listing(&bundle.snapshots.iter().map(host).collect::<Vec<_>>(), args.format, screen)
    } else if args.failures {
        listing(&failures(&bundle), args.format, screen)
    } else {
        match args.format {
            Format::Table => Ok(summary(&bundle, screen).into_bytes()),
            Format::Json => json::document(&facts(&bundle)),
            Format::Ndjson => json::line(&facts(&bundle)),
            Format::Csv => {
                return Err(Failure::usage("a summary cannot be written as CSV")
                    .next("add --hosts, --failures, --host or --query"));
            }
        }
    };
    written.and_then(print).map_err(|error| Failure::usage("cannot write the result").why(error))?;
    Ok(Exit::Clean)
}

fn rows<'a>(bundle: &'a Bundle, args: &Args) -> Result<Vec<Placed<'a>>, Failure> {
    let wanted = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let hosts: Vec<_> =
        bundle.snapshots.iter().filter(|host| wanted(&args.host, host.host.as_str())).collect();
    if let Some(host) = args.host.as_ref().filter(|_| hosts.is_empty()) {
        return Err(Failure::usage(format!("the bundle has no host {host}"))
            .next("herdiff show BUNDLE --hosts lists them"));
    }
    let mut rows = Vec::new();
    let mut known = false;
    for (id, query, table) in
        bundle.queries().filter(|(_, query, _)| wanted(&args.query, query.name.as_str()))
    {
        known = true;
        for host in &hosts {
            let ids = host.query(id).and_then(QueryOutcome::rows).map_or(&[][..], |rows| &rows.ids);
            let placed = ids.iter().filter_map(|&id| table.row(id));
            rows.extend(placed.map(|row| Placed { host: &host.host, query: &query.name, row }));
        }
    }
    match args.query.as_ref().filter(|_| !known) {
        Some(query) => {
            Err(Failure::usage(format!("the bundle has no query {query}"))
                .next("herdiff show BUNDLE lists them"))
        }
        None => Ok(rows),
    }
}

/// One line of a list: names and values, in the order of the columns.
type Line = Vec<(&'static str, String)>;

fn host(snapshot: &Snapshot) -> Line {
    let with_rows = snapshot.queries.iter().filter(|outcome| outcome.rows().is_some()).count();
    let removed = match (snapshot.receipt.placed.is_empty(), snapshot.receipt.removed) {
        (true, _) => "nothing placed",
        (false, Some(true)) => "removed",
        (false, Some(false)) => "left behind",
        (false, None) => "not known",
    };
    vec![
        ("host", snapshot.host.to_string()),
        ("herd", snapshot.herd.to_string()),
        ("outcome", snapshot.outcome.kind.to_string()),
        ("queries", format!("{with_rows}/{}", snapshot.queries.len())),
        ("engine", snapshot.receipt.engine.clone()),
        ("uid", snapshot.receipt.uid.map_or(String::new(), |uid| uid.to_string())),
        ("traces", removed.to_owned()),
        ("took", format!("{:.1} s", snapshot.receipt.duration_ms as f64 / 1000.0)),
        ("phase", snapshot.outcome.phase.map_or(String::new(), |phase| phase.to_string())),
        ("why", snapshot.outcome.detail.clone()),
    ]
}

fn failures(bundle: &Bundle) -> Vec<Line> {
    let mut lines = Vec::new();
    for snapshot in &bundle.snapshots {
        for (query, outcome) in bundle.pack.queries().iter().zip(&snapshot.queries) {
            let mut line = |outcome: &str, why: String| {
                let own = [("host", snapshot.host.to_string()), ("query", query.name.to_string())];
                lines.push(own.into_iter().chain([("outcome", outcome.to_owned()), ("why", why)]).collect());
            };
            match outcome {
                QueryOutcome::Failed(failure) => line(failure.kind.code(), failure.detail.clone()),
                QueryOutcome::Rows(rows) => {
                    for unread in &rows.unread {
                        line("partly", format!("{} ({} times): {}", unread.what, unread.count, unread.why));
                    }
                    if let Some(limit) = &rows.cut {
                        line("partly", format!("cut off by the limit of {limit}"));
                    }
                }
            }
        }
    }
    lines
}

fn listing(lines: &[Line], format: Format, screen: Screen) -> std::io::Result<Vec<u8>> {
    let header: Vec<&'static str> =
        lines.first().map_or(Vec::new(), |line| line.iter().map(|(name, _)| *name).collect());
    let object = |line: &Line| {
        let cells = line.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
        serde_json::Value::Object(cells.collect())
    };
    match format {
        Format::Table if lines.is_empty() => Ok(b"None.\n".to_vec()),
        Format::Table => {
            let mut table = Table::new(header.iter().map(|name| name.to_uppercase()));
            lines.iter().for_each(|line| table.row(line.iter().map(|(_, value)| escape(value))));
            Ok((table.render(screen) + "\n").into_bytes())
        }
        Format::Json => json::document(&lines.iter().map(object).collect::<Vec<_>>()),
        Format::Ndjson => Ok(lines
            .iter()
            .map(|line| json::line(&object(line)))
            .collect::<std::io::Result<Vec<_>>>()?
            .concat()),
        Format::Csv => {
            let cells = |line: &Line| line.iter().map(|(_, value)| value.clone().into_bytes()).collect();
            crate::output::csv::document(header, lines.iter().map(cells))
        }
    }
}

fn outcomes(bundle: &Bundle) -> BTreeMap<&'static str, usize> {
    let mut outcomes = BTreeMap::new();
    for snapshot in &bundle.snapshots {
        *outcomes.entry(snapshot.outcome.kind.code()).or_default() += 1;
    }
    outcomes
}

fn facts(bundle: &Bundle) -> serde_json::Value {
    let queries: Vec<_> = bundle
        .queries()
        .map(|(_, query, table)| json!({"name": query.name.as_str(), "sql": query.sql, "distinct_rows": table.len()}))
        .collect();
    let (finished, seal) = match bundle.ending {
        Ending::Whole { end, seal } => (Some(end.finished.0), Some(seal.to_string())),
        Ending::Open { .. } => (None, None),
    };
    let parts: Vec<_> =
        (0u32..).zip(&bundle.parts).map(|(number, part)| part_facts(bundle, number, part)).collect();
    let (runs, sweeps) = if bundle.is_of_runs() { (parts, Vec::new()) } else { (Vec::new(), parts) };
    json!({
        "tool": bundle.facts.tool,
        "operator": bundle.facts.operator,
        "transport": bundle.facts.transport,
        "inventory": bundle.facts.inventory,
        "started_ms": bundle.facts.started.0,
        "finished_ms": finished,
        "complete": seal.is_some(),
        "seal": seal,
        "targets": bundle.facts.targets,
        "outcomes": outcomes(bundle),
        "queries": queries,
        "runs": runs,
        "sweeps": sweeps,
    })
}

/// One of the runs of a sweep, or of the sweeps that were merged.
fn part_facts(bundle: &Bundle, number: u32, part: &Part) -> serde_json::Value {
    json!({
        "tool": part.facts.tool,
        "operator": part.facts.operator,
        "transport": part.facts.transport,
        "inventory": part.facts.inventory,
        "started_ms": part.facts.started.0,
        "finished_ms": part.end.map(|end| end.finished.0),
        "complete": part.end.is_some(),
        "interrupted": part.end.map(|end| end.interrupted),
        "targets": part.facts.targets,
        "snapshots": snapshots(bundle, number),
        "seal": part.seal.map(|seal| seal.to_string()),
    })
}

/// How many snapshots are of one part.
fn snapshots(bundle: &Bundle, part: u32) -> usize {
    bundle.snapshots.iter().filter(|snapshot| snapshot.part == part).count()
}

/// Who went on with a sweep, or what was merged: a line for each.
fn parts(bundle: &Bundle) -> Vec<(&'static str, String)> {
    /// More are counted; the JSON has them all.
    const MOST: usize = 20;
    let of_runs = bundle.is_of_runs();
    // The first run has the facts of the sweep, which are shown anyway.
    let shown = (0u32..).zip(&bundle.parts).skip(usize::from(of_runs));
    let mut lines: Vec<_> = shown
        .clone()
        .take(MOST)
        .map(|(number, part)| {
            let facts = &part.facts;
            let who = format!("{} by {}", time(facts.started), escape(&facts.operator));
            let how = format!("with {} over {}", escape(&facts.tool), escape(&facts.transport));
            let left = count(snapshots(bundle, number), "snapshot");
            let ended = match part.end {
                Some(end) if end.interrupted => ", interrupted",
                Some(_) => "",
                None => ", stopped early",
            };
            let seal = part.seal.map_or(String::new(), |seal| format!(", seal {seal}"));
            (if of_runs { "resumed" } else { "sweep" }, format!("{who} {how}: {left}{ended}{seal}"))
        })
        .collect();
    if let Some(more) = shown.count().checked_sub(MOST).filter(|&more| more > 0) {
        lines.push(("", format!("and {more} more; --format json has them all")));
    }
    lines
}

fn summary(bundle: &Bundle, screen: Screen) -> String {
    let facts = &bundle.facts;
    let mut out = String::new();
    let mut line = |name: &str, value: String| out += &format!("{name:<10} {value}\n");
    let of_others = !bundle.parts.is_empty() && !bundle.is_of_runs();
    if of_others {
        // Whoever wrote it visited nobody.
        line(
            "written",
            format!(
                "by {} with {} ({})",
                escape(&facts.operator),
                escape(&facts.tool),
                escape(&facts.transport)
            ),
        );
    } else {
        line("collected", format!("{} by {}", time(facts.started), escape(&facts.operator)));
        line("with", format!("{} over {}", escape(&facts.tool), escape(&facts.transport)));
    }
    line("from", escape(facts.inventory.join(", ")));
    parts(bundle).into_iter().for_each(|(name, value)| line(name, value));
    match bundle.ending {
        Ending::Whole { end, seal } => {
            let took = end.finished.0.saturating_sub(facts.started.0);
            let interrupted = if end.interrupted { ", interrupted" } else { "" };
            if !of_others {
                line("took", format!("{:.1} s{interrupted}", took as f64 / 1000.0));
            }
            line("seal", seal.to_string());
        }
        Ending::Open { offset } => {
            line("ends", format!("early, at byte {offset}: the sweep was stopped or the file cut"))
        }
    }
    let names: BTreeSet<_> = bundle.snapshots.iter().map(|snapshot| &snapshot.host).collect();
    let visits = match bundle.snapshots.len() {
        visits if visits == names.len() => String::new(),
        visits => format!(", {}", count(visits, "snapshot")),
    };
    let ended = coverage::outcomes(&outcomes(bundle));
    // Whoever went on with it may have had a longer list.
    let all = facts.targets.max(names.len() as u64);
    line("hosts", format!("{} of {all}{visits} ({ended})", names.len()));
    out.push('\n');
    let mut table = Table::new(["QUERY", ">HOSTS", ">ROWS", ">DISTINCT"]);
    for (id, query, distinct) in bundle.queries() {
        let sets: Vec<_> = bundle.snapshots.iter().filter_map(|host| host.query(id)?.rows()).collect();
        let rows: usize = sets.iter().map(|rows| rows.ids.len()).sum();
        table.row([
            escape(query.name.as_str()),
            sets.len().to_string(),
            rows.to_string(),
            distinct.len().to_string(),
        ]);
    }
    out += &table.render(screen);
    let distinct: usize = bundle.tables.iter().map(|table| table.len()).sum();
    out += &format!(
        "\n\n{}, {}\n",
        count(bundle.pack.queries().len(), "query"),
        count(distinct, "distinct row")
    );
    out
}

/// A moment as `2026-11-21 03:04:05 UTC`.
fn time(at: UnixMillis) -> String {
    let moment = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or("at an impossible time".to_owned(), |moment| moment.strftime("%F %T UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_write_them() {
        assert_eq!(time(UnixMillis(1_795_226_326_219)), "2026-11-21 01:58:46 UTC");
        assert_eq!(time(UnixMillis(u64::MAX)), "at an impossible time");
    }
}

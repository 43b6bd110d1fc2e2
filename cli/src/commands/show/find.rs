//! `herdiff show --where`: the rows that a condition holds for, in SQL over what is stored.

use super::Args;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::rows::{self, Placed};
use crate::output::{Format, gaps, print};
use crate::screen::Screen;
use crate::{bundle_file, environment};
use herdiff_exchange::query::{Engine, QueryError, Watch};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::snapshot::QueryId;
use std::path::Path;

pub(super) fn run(args: &Args, condition: &str) -> Result<Exit, Failure> {
    let (path, host, query) = (args.bundle.as_path(), args.host.as_deref(), args.query.as_deref());
    let stored = bundle_file::open(path, &args.identity)?;
    if let Some(host) = host.filter(|&host| !stored.visits().iter().any(|visit| visit.host.as_str() == host))
    {
        return Err(Failure::usage(format!("the bundle has no host {host}"))
            .next("herdiff show BUNDLE --hosts lists them"));
    }
    let watch = Watch { deadline: None, interrupted: environment::interrupted()? };
    let engine = Engine::open(&stored, watch).map_err(|error| refusal(path, &error))?;
    let mut found = Vec::new();
    let (mut asked, mut unfit) = (0, None);
    let queries = (0..).map(QueryId).zip(stored.pack().queries());
    for (id, of_pack) in queries.filter(|(_, known)| query.is_none_or(|query| known.name.as_str() == query)) {
        asked += 1;
        match engine.find(id, condition, host) {
            Ok(places) if places.is_empty() => {}
            Ok(places) => {
                let answers = stored.answers(id).map_err(|error| Failure::bundle(path, &error))?;
                found.push((&of_pack.name, answers, places));
            }
            // Other queries may have the column.
            Err(error @ QueryError::NoSuchColumn(_)) => {
                unfit = Some((unfit.map_or(1, |(queries, _)| queries + 1), error));
            }
            Err(QueryError::Interrupted) => return Ok(Exit::Interrupted),
            Err(error) => return Err(refusal(path, &error)),
        }
    }
    if let Some(query) = query.filter(|_| asked == 0) {
        return Err(
            Failure::usage(format!("the bundle has no query {query}")).next("herdiff show BUNDLE lists them")
        );
    }
    if let Some((_, error)) = unfit.filter(|(queries, _)| *queries == asked) {
        return Err(refusal(path, &error));
    }
    let mut placed = Vec::new();
    for (query, answers, places) in &found {
        for &(visit, n) in places {
            let row =
                answers.outcomes.get(visit).and_then(QueryOutcome::rows).and_then(|rows| rows.ids.get(n));
            let row = row.and_then(|&id| answers.table.row(id));
            placed.extend(row.zip(stored.visits().get(visit)).map(|(row, visit)| Placed {
                host: &visit.host,
                query,
                row,
            }));
        }
    }
    match args.format {
        Format::Table if placed.is_empty() => print("No rows.\n"),
        _ => rows::render(&placed, args.format, Screen::stdout()).and_then(print),
    }
    .map_err(|error| Failure::usage("cannot write the result").why(error))?;
    let coverage = engine.coverage();
    gaps::say_all(&coverage);
    Ok(gaps::exit(&coverage, false))
}

fn refusal(path: &Path, error: &QueryError) -> Failure {
    match error {
        QueryError::Bundle(damage) => Failure::bundle(path, damage),
        _ => Failure::usage("cannot use the condition")
            .why(error)
            .next("herdiff query BUNDLE lists the tables and their columns"),
    }
}

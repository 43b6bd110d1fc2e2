//! `outcomes.ndjson`, as `herdiff export --format json` writes it beside the rows: how visits and queries ended, which
//! host a directory is of, and the receipts. Names in it are only compared with what the directory has; no path is made
//! of them.

use super::ReplayError;
use super::dir::{HostDir, open_plain};
use herdiff_model::name::QueryName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailure, QueryFailureKind, Unread};
use herdiff_model::snapshot::Receipt;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const NAME: &str = "outcomes.ndjson";
/// One line is one host.
const MOST_LINE: u64 = 16 << 20;

/// What is said of a host.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) outcome: HostOutcome,
    pub(super) receipt: Receipt,
    pub(super) queries: BTreeMap<QueryName, ToldQuery>,
}

/// What is said of a query on it.
#[derive(Debug)]
pub(super) enum ToldQuery {
    Failed(QueryFailure),
    Rows { unread: Vec<Unread>, cut: Option<String> },
}

#[derive(Deserialize)]
struct Line {
    host: String,
    herd: String,
    directory: String,
    outcome: String,
    phase: Option<String>,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    receipt: Receipt,
    queries: Vec<QueryLine>,
}

#[derive(Deserialize)]
struct QueryLine {
    query: String,
    file: Option<String>,
    outcome: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    unread: Vec<Unread>,
    cut: Option<String>,
}

/// The hosts as the file has them, where there is one; directories that it does not name come after them.
pub(super) fn apply(
    dir: &Path,
    hosts: Vec<HostDir>,
    notes: &mut Vec<String>,
) -> Result<Vec<HostDir>, ReplayError> {
    let path = dir.join(NAME);
    let error = |source| ReplayError::Read { path: path.display().to_string(), source };
    let file = match open_plain(&path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(hosts),
        Err(source) => return Err(error(source)),
    };
    let mut reader = BufReader::new(file);
    let mut left: BTreeMap<String, HostDir> =
        hosts.into_iter().map(|host| (host.host.to_string(), host)).collect();
    let mut told = Vec::new();
    let mut text = Vec::new();
    for number in 1_usize.. {
        text.clear();
        if (&mut reader).take(MOST_LINE).read_until(b'\n', &mut text).map_err(error)? == 0 {
            break;
        }
        let wrong = |why: String| error(io::Error::other(format!("line {number}: {why}")));
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        // The first line is about the sweep.
        if value.get("host").is_none() {
            continue;
        }
        let line = Line::deserialize(value).map_err(|e| wrong(e.to_string()))?;
        let found = left.remove(&line.directory);
        told.push(host(line, found, &path).map_err(wrong)?);
    }
    if let Some(first) = left.keys().next() {
        notes.push(format!(
            "not in {NAME}: {first:?}, of {} directories; their outcomes are guessed",
            left.len()
        ));
    }
    Ok(told.into_iter().chain(left.into_values()).collect())
}

fn host(line: Line, found: Option<HostDir>, path: &Path) -> Result<HostDir, String> {
    let kind = HostOutcomeKind::ALL.iter().find(|kind| kind.code() == line.outcome);
    let kind = *kind.ok_or_else(|| format!("no visit ends as {:?}", line.outcome))?;
    let phase = match &line.phase {
        None => None,
        Some(code) => {
            let phase = Phase::ALL.iter().find(|phase| phase.code() == code);
            Some(*phase.ok_or_else(|| format!("a visit has no phase {code:?}"))?)
        }
    };
    let (directory, listed, fault) = match found {
        Some(found) => (found.path, found.files, found.fault),
        None => (path.to_owned(), BTreeMap::new(), None),
    };
    let mut files = BTreeMap::new();
    let mut queries = BTreeMap::new();
    for query in line.queries {
        let name = QueryName::from(query.query);
        let stem = query.file.as_deref().and_then(|file| file.strip_suffix(".json"));
        if let Some(file) = stem.and_then(|stem| listed.get(stem)) {
            files.insert(name.clone(), file.clone());
        }
        let told = match QueryFailureKind::ALL.iter().find(|kind| kind.code() == query.outcome) {
            Some(&kind) => ToldQuery::Failed(QueryFailure { kind, detail: query.detail }),
            None if query.outcome == "rows" => ToldQuery::Rows { unread: query.unread, cut: query.cut },
            None => return Err(format!("no query ends as {:?}", query.outcome)),
        };
        queries.insert(name, told);
    }
    let told =
        Told { outcome: HostOutcome { kind, phase, detail: line.detail }, receipt: line.receipt, queries };
    Ok(HostDir {
        host: line.host.into(),
        herd: Some(line.herd.into()),
        path: directory,
        files,
        fault,
        told: Some(told),
    })
}

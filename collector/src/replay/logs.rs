//! osqueryd's result logs in place of a fleet: the state of every host and query at the end of the log.
//!
//! A log may start in the middle: then what was there before is not known, and absence is not told. All hosts may write
//! into one log, so all states are held at once; equal rows are held once.

use super::ReplayError;
use super::dir::open_plain;
use super::log_line::{Change, LogLine, Run, parse};
use crate::engine::{Halt, Limits, read_objects};
use herdiff_model::name::{HerdName, HostName, QueryName};
use herdiff_model::outcome::{HostOutcome, QueryFailureKind, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::UnixMillis;
use herdiff_model::visit::{Answer, Visit};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A snapshot of one query is one line.
const MOST_LINE: u64 = 64 << 20;
/// Names come from the log.
const MOST_HOSTS: usize = 1_000_000;
const MOST_QUERIES: usize = 10_000;

/// What logs say.
#[derive(Debug, Default)]
pub(super) struct Logs {
    hosts: BTreeMap<HostName, BTreeMap<String, State>>,
    names: BTreeSet<String>,
    rows: HashMap<Arc<[u8]>, ()>,
    lines: u64,
}

/// The rows of one query on one host.
#[derive(Debug, Default)]
struct State {
    rows: HashMap<Arc<[u8]>, usize>,
    count: usize,
    time: u64,
    run: Option<Run>,
    beginning: Beginning,
    cut: bool,
}

/// Whether the rows are known that were there before the lines that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Beginning {
    #[default]
    Unknown,
    /// A run that tells everything was read.
    Known,
    /// A run was read that tells everything or only what changed, depending on osquery's version.
    Doubtful,
}

impl State {
    fn clear(&mut self, beginning: Beginning) {
        self.rows.clear();
        (self.count, self.beginning, self.cut) = (0, beginning, false);
    }

    /// What is to be made of a run whose counter is 0 and which comes after `self.run`.
    ///
    /// It tells everything. But before osquery 5.8 the counter also started anew, within one epoch, where a query got another
    /// statement, and with every run of a query over events: then only what changed follows. Nothing in the log tells these
    /// from an osqueryd that lost its memory, so what is known of the rows before it is let go, and nothing counts as absent.
    fn start_anew(&mut self, run: Run) {
        let within_an_epoch = self.run.is_some_and(|before| before.epoch == run.epoch);
        self.clear(if within_an_epoch { Beginning::Doubtful } else { Beginning::Known });
    }
}

/// The log files that a path stands for: itself, or those in it, oldest first.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, ReplayError> {
    let error = |source| ReplayError::Read { path: path.display().to_string(), source };
    if !path.metadata().map_err(error)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_log =
            [".log", ".ndjson", ".jsonl"].iter().any(|end| name.ends_with(end)) || name.contains(".log.");
        if is_log && name != "outcomes.ndjson" && entry.file_type().map_err(error)?.is_file() {
            found.push((first_time(&entry.path()), entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// When a file begins, so that rotated logs follow each other.
fn first_time(path: &Path) -> u64 {
    let mut line = Vec::new();
    let read =
        open_plain(path).and_then(|file| BufReader::new(file).take(MOST_LINE).read_until(b'\n', &mut line));
    let first = read.ok().and_then(|_| parse(&line).0.ok());
    first.map_or(0, |line| line.time)
}

impl Logs {
    /// Reads one file after the other. Lines that are no results are counted, not fatal: logs are cut and rotated.
    pub(super) fn read(
        files: &[PathBuf],
        limits: &Limits,
        notes: &mut Vec<String>,
    ) -> Result<Self, ReplayError> {
        let mut logs = Self::default();
        for path in files {
            let shown = path.display().to_string();
            let error = |source| ReplayError::Read { path: shown.clone(), source };
            let mut reader = BufReader::with_capacity(1 << 18, open_plain(path).map_err(error)?);
            let (mut odd, mut replaced, mut text) = (None, 0_u64, Vec::new());
            for number in 1_u64.. {
                text.clear();
                if (&mut reader).take(MOST_LINE).read_until(b'\n', &mut text).map_err(error)? == 0 {
                    break;
                }
                if text.trim_ascii().is_empty() {
                    continue;
                }
                let (line, lossy) = parse(&text);
                replaced += u64::from(lossy);
                if let Err(why) = line.and_then(|line| logs.apply(line, limits)) {
                    let (_, _, more) = odd.get_or_insert((number, why, 0_u64));
                    *more += 1;
                }
            }
            if let Some((number, why, lines)) = odd {
                notes.push(format!("{shown}: {lines} lines passed over; the first is line {number}: {why}"));
            }
            if replaced > 0 {
                notes.push(format!(
                    "{shown}: {replaced} lines hold bytes that are not UTF-8; they were replaced"
                ));
            }
        }
        if logs.hosts.is_empty() {
            return Err(ReplayError::NoResults {
                files: files.iter().map(|path| path.display().to_string()).collect(),
            });
        }
        Ok(logs)
    }

    fn apply(&mut self, line: LogLine, limits: &Limits) -> Result<(), String> {
        if !super::dir::is_plain(&line.host) || !super::dir::is_plain(&line.name) {
            return Err("its host or query has a name that cannot be one".into());
        }
        let host = HostName::from(line.host.as_str());
        if !self.hosts.contains_key(&host) && self.hosts.len() >= MOST_HOSTS {
            return Err(format!("more than {MOST_HOSTS} hosts"));
        }
        if !self.names.contains(&line.name) && self.names.len() >= MOST_QUERIES {
            return Err(format!("more than {MOST_QUERIES} queries"));
        }
        self.names.insert(line.name.clone());
        self.lines += 1;
        let state = self.hosts.entry(host).or_default().entry(line.name).or_default();
        // A line of an older run must not undo what a later one said: rotated logs can overlap.
        if line.time < state.time {
            return Err("it is older than a line of the same query before it".into());
        }
        let other_run = state.run != line.run || state.time != line.time;
        let rows = &mut self.rows;
        match line.change {
            Change::Snapshot(snapshot) => {
                state.clear(Beginning::Known);
                snapshot.into_iter().for_each(|row| add(rows, state, row, limits));
            }
            Change::SnapshotRow(row) => {
                if other_run {
                    state.clear(Beginning::Known);
                }
                add(rows, state, row, limits);
            }
            Change::Difference { added, removed } => {
                // Where rows went there were rows before: then it does not tell everything, whatever its counter says.
                let first = line.run.filter(|run| run.counter == 0 && removed.is_empty());
                if let Some(run) = first.filter(|_| other_run) {
                    state.start_anew(run);
                }
                removed.into_iter().for_each(|row| remove(state, &row));
                added.into_iter().for_each(|row| add(rows, state, row, limits));
            }
        }
        (state.time, state.run) = (line.time, line.run);
        Ok(())
    }

    /// The names in the log, for a pack where none is given.
    pub(super) fn names(&self) -> impl Iterator<Item = QueryName> {
        self.names.iter().map(|name| name.as_str().into())
    }

    /// The names in the log that no query of a pack stands for.
    pub(super) fn strangers<'a>(&'a self, pack: &'a Pack) -> impl Iterator<Item = &'a str> {
        self.names.iter().map(String::as_str).filter(|name| query_of(name, pack).is_none())
    }

    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// One visit a host, sorted by name.
    pub(super) fn visits(
        self,
        pack: Arc<Pack>,
        herd: HerdName,
        limits: Arc<Limits>,
    ) -> impl Iterator<Item = Visit> {
        // Of several packs that ask a query of one name the first counts; the query without a pack before them.
        let mut named: BTreeMap<QueryName, String> = BTreeMap::new();
        for name in &self.names {
            if let Some(query) = query_of(name, &pack) {
                let known = named.entry(query.clone()).or_insert_with(|| name.clone());
                if name == query.as_str() {
                    known.clone_from(name);
                }
            }
        }
        self.hosts.into_iter().map(move |(host, states)| {
            let mut receipt = Receipt { engine: "osqueryd".into(), root: "/".into(), ..Receipt::default() };
            let answers = pack.queries().iter().map(|query| {
                let Some(state) = named.get(&query.name).and_then(|name| states.get(name)) else {
                    let kind =
                        if query.for_linux { QueryFailureKind::NotRun } else { QueryFailureKind::NotAsked };
                    return Answer::failed(kind, "the log has no line of it");
                };
                receipt.started = receipt.started.max(UnixMillis(state.time.saturating_mul(1000)));
                state.answer(&limits)
            });
            let answers = answers.collect();
            Visit { host, herd: herd.clone(), outcome: HostOutcome::ok(), receipt, answers }.settle()
        })
    }
}

impl State {
    fn answer(&self, limits: &Limits) -> Answer {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort();
        let mut json = b"[".to_vec();
        for row in rows.into_iter().flat_map(|(row, &times)| std::iter::repeat_n(row, times)) {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(row);
        }
        json.push(b']');
        let unread = |what: &str, why: &str| Some(Unread { what: what.into(), why: why.into(), count: 1 });
        let unread = match self.beginning {
            Beginning::Known => None,
            Beginning::Unknown => {
                unread("the log before its first line", "it does not start with a run that tells everything")
            }
            Beginning::Doubtful => unread(
                "rows from before the counter started anew",
                "it did so within one epoch, which before osquery 5.8 was not always with everything",
            ),
        };
        let mut answer = read_objects(&json, limits, unread.into_iter().collect(), &Halt::default());
        if let (Answer::Rows { cut, .. }, true) = (&mut answer, self.cut) {
            *cut = Some("rows".into());
        }
        answer
    }
}

fn add(known: &mut HashMap<Arc<[u8]>, ()>, state: &mut State, row: Vec<u8>, limits: &Limits) {
    if state.count >= limits.rows {
        state.cut = true;
        return;
    }
    let row: Arc<[u8]> = match known.get_key_value(row.as_slice()) {
        Some((row, ())) => Arc::clone(row),
        None => {
            let row: Arc<[u8]> = row.into();
            known.insert(Arc::clone(&row), ());
            row
        }
    };
    *state.rows.entry(row).or_default() += 1;
    state.count += 1;
}

fn remove(state: &mut State, row: &[u8]) {
    let Some(times) = state.rows.get_mut(row) else {
        // It was there before the log begins, or was cut off.
        return;
    };
    state.count -= 1;
    *times -= 1;
    if *times == 0 {
        state.rows.remove(row);
    }
}

/// The query that a name in a log stands for: where several could be meant, the one with the longest name.
fn query_of<'a>(name: &str, pack: &'a Pack) -> Option<&'a QueryName> {
    let names = pack.queries().iter().map(|query| &query.name);
    names.filter(|query| stands_for(name, query)).max_by_key(|query| query.as_str().len())
}

/// `pack_<pack>_<query>`, `pack/<pack>/<query>` (`--pack_delimiter`), or the query's own name. Which underscore ends the
/// pack's name cannot be seen; the query's name decides.
fn stands_for(name: &str, query: &QueryName) -> bool {
    if name == query.as_str() {
        return true;
    }
    let Some(rest) = name.strip_prefix("pack") else { return false };
    let Some(delimiter) = rest.chars().next().filter(|c| !c.is_alphanumeric()) else { return false };
    let pack = rest.strip_suffix(query.as_str()).and_then(|rest| rest.strip_suffix(delimiter));
    pack.is_some_and(|pack| pack.len() > delimiter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::stands_for;

    #[test]
    fn prefixes_of_packs() {
        for (name, query, same) in [
            ("users", "users", true),
            ("pack_it_users", "users", true),
            ("pack_incident_response_logged_in_users", "logged_in_users", true),
            ("pack/it/users", "users", true),
            ("pack_users", "users", false),
            ("pack__users", "users", false),
            ("packet_users", "users", false),
            ("pack_it_superusers", "users", false),
            ("all_users", "users", false),
        ] {
            assert_eq!(stands_for(name, &query.into()), same, "{name} {query}");
        }
    }
}

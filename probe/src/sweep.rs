//! The collector's protocol: a pack in, one line of JSON a query out. `docs/PROTOCOL.md` describes it.
//!
//! A line is written while its rows come, and its end says what was not seen, so that a query of a million rows
//! needs no more memory here than one of ten.

mod request;

use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::json::{push_string, push_value};
use crate::sql::{Engine, Limit, Limits, Next, RowView, Sink, SqlErrorKind};
use request::Request;

/// The version of the lines.
const PROTOCOL: u32 = 1;
/// A pack is not longer than this.
const REQUEST_BYTES: u64 = 16 << 20;
/// Rows are handed to the stream in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// Answers a pack.
///
/// # Errors
/// When the pack cannot be read, or nobody reads the answer.
pub(crate) fn run(engine: &Engine, input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    let mut pack = Vec::new();
    input.take(REQUEST_BYTES + 1).read_to_end(&mut pack)?;
    if pack.len() as u64 > REQUEST_BYTES {
        return Err(io::Error::other("the pack is too long"));
    }
    let request = Request::parse(&pack).map_err(io::Error::other)?;
    hello(engine, output)?;
    for query in &request.queries {
        let mut answer = Answer::new(&query.name, &request, output);
        let outcome = engine.run(&query.sql, Limits { time: request.time }, &mut answer)?;
        match outcome {
            Ok(outcome) => answer.end(engine, outcome.cut)?,
            Err(error) if error.kind == SqlErrorKind::Timeout && answer.begun() => {
                answer.end(engine, Some(Limit::Time))?;
            }
            Err(error) if answer.begun() => {
                // The rows until here are true, but they are not all.
                engine.host().note(&query.name, &error.words);
                answer.end(engine, None)?;
            }
            Err(error) => answer.refuse(&error.words, error.kind)?,
        }
    }
    let mut line = Vec::new();
    push_number(&mut line, "{\"end\":1,\"queries\":", request.queries.len() as u128);
    push_number(&mut line, ",\"cpu_us\":", cpu_time().as_micros());
    push_number(&mut line, ",\"max_rss_kb\":", u128::from(max_rss_kb()));
    line.extend_from_slice(b"}\n");
    output.write_all(&line)?;
    output.flush()
}

fn hello(engine: &Engine, output: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    line.extend_from_slice(b"{\"probe\":");
    push_string(&mut line, env!("CARGO_PKG_VERSION").as_bytes());
    push_number(&mut line, ",\"protocol\":", u128::from(PROTOCOL));
    line.extend_from_slice(b",\"arch\":");
    push_string(&mut line, std::env::consts::ARCH.as_bytes());
    push_number(&mut line, ",\"uid\":", u128::from(rustix::process::geteuid().as_raw()));
    line.extend_from_slice(b",\"root\":");
    push_string(&mut line, engine.host().root_name());
    push_number(&mut line, ",\"pid\":", u128::from(std::process::id()));
    line.extend_from_slice(b"}\n");
    output.write_all(&line)?;
    output.flush()
}

fn push_number(line: &mut Vec<u8>, key: &str, number: u128) {
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(number.to_string().as_bytes());
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The most memory that this process ever had, from its own status; 0 where that cannot be read.
fn max_rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// The line of one query.
struct Answer<'a> {
    name: &'a str,
    max_rows: u64,
    max_bytes: u64,
    output: &'a mut dyn Write,
    line: Vec<u8>,
    names: Vec<String>,
    /// For each column of the line its place in the statement.
    places: Vec<usize>,
    rows: u64,
    bytes: u64,
    began: Instant,
    cpu_before: Duration,
}

impl<'a> Answer<'a> {
    fn new(name: &'a str, request: &Request, output: &'a mut dyn Write) -> Self {
        Answer {
            name,
            max_rows: request.max_rows,
            max_bytes: request.max_bytes,
            output,
            line: Vec::new(),
            names: Vec::new(),
            places: Vec::new(),
            rows: 0,
            bytes: 0,
            began: Instant::now(),
            cpu_before: cpu_time(),
        }
    }

    /// Whether a row was taken; before the first one the query may still become a refusal.
    fn begun(&self) -> bool {
        self.rows > 0
    }

    fn push_head(&mut self) {
        self.line.extend_from_slice(b"{\"query\":");
        push_string(&mut self.line, self.name.as_bytes());
        self.line.extend_from_slice(b",\"columns\":[");
        for (number, name) in self.names.iter().enumerate() {
            if number > 0 {
                self.line.push(b',');
            }
            push_string(&mut self.line, name.as_bytes());
        }
        self.line.extend_from_slice(b"],\"rows\":[");
    }

    fn push_times(&mut self) {
        push_number(&mut self.line, ",\"wall_us\":", self.began.elapsed().as_micros());
        push_number(&mut self.line, ",\"cpu_us\":", cpu_time().saturating_sub(self.cpu_before).as_micros());
        self.line.extend_from_slice(b"}\n");
    }

    fn end(mut self, engine: &Engine, cut: Option<Limit>) -> io::Result<()> {
        if !self.begun() {
            self.push_head();
        }
        self.line.extend_from_slice(b"],\"unread\":[");
        for (number, entry) in engine.host().unread().into_iter().enumerate() {
            if number > 0 {
                self.line.push(b',');
            }
            self.line.extend_from_slice(b"{\"what\":");
            push_string(&mut self.line, &entry.what);
            self.line.extend_from_slice(b",\"why\":");
            push_string(&mut self.line, entry.why.as_bytes());
            push_number(&mut self.line, ",\"count\":", u128::from(entry.count));
            self.line.push(b'}');
        }
        self.line.extend_from_slice(match cut {
            None => b"],\"cut\":null",
            Some(Limit::Rows) => b"],\"cut\":{\"limit\":\"rows\"}",
            Some(Limit::Bytes) => b"],\"cut\":{\"limit\":\"bytes\"}",
            Some(Limit::Time) => b"],\"cut\":{\"limit\":\"time\"}",
        });
        self.push_times();
        self.output.write_all(&self.line)?;
        self.output.flush()
    }

    fn refuse(mut self, words: &str, kind: SqlErrorKind) -> io::Result<()> {
        self.line.extend_from_slice(b"{\"query\":");
        push_string(&mut self.line, self.name.as_bytes());
        self.line.extend_from_slice(b",\"error\":");
        push_string(&mut self.line, words.as_bytes());
        self.line.extend_from_slice(b",\"kind\":");
        let kind = match kind {
            SqlErrorKind::Sql => "sql",
            SqlErrorKind::Constraint => "constraint",
            SqlErrorKind::Unsupported => "unsupported",
            SqlErrorKind::Timeout => "timeout",
            SqlErrorKind::Internal => "internal",
        };
        push_string(&mut self.line, kind.as_bytes());
        self.push_times();
        self.output.write_all(&self.line)?;
        self.output.flush()
    }
}

impl Sink for Answer<'_> {
    fn columns(&mut self, names: &[&str]) -> io::Result<()> {
        let mut unique: Vec<String> = Vec::new();
        let mut places = Vec::new();
        for (place, name) in names.iter().enumerate() {
            match unique.iter().position(|known| known == name) {
                Some(known) => {
                    if let Some(slot) = places.get_mut(known) {
                        *slot = place;
                    }
                }
                None => {
                    unique.push((*name).to_owned());
                    places.push(place);
                }
            }
        }
        if !self.begun() {
            self.names = unique;
            self.places = places;
        } else {
            // A second statement: its rows go under the first one's columns, by name.
            self.places = self
                .names
                .iter()
                .map(|name| {
                    let known = unique.iter().position(|other| other == name);
                    known.and_then(|at| places.get(at).copied()).unwrap_or(usize::MAX)
                })
                .collect();
        }
        Ok(())
    }

    fn row(&mut self, row: &RowView<'_, '_>) -> io::Result<Next> {
        if self.rows >= self.max_rows {
            return Ok(Next::Stop(Limit::Rows));
        }
        let before = self.line.len();
        if self.rows == 0 {
            self.push_head();
        } else {
            self.line.push(b',');
        }
        self.line.push(b'[');
        for (number, place) in self.places.iter().enumerate() {
            if number > 0 {
                self.line.push(b',');
            }
            push_value(&mut self.line, row.value(*place));
        }
        self.line.push(b']');
        let size = (self.line.len() - before) as u64;
        if self.bytes + size > self.max_bytes && self.rows > 0 {
            self.line.truncate(before);
            return Ok(Next::Stop(Limit::Bytes));
        }
        self.bytes += size;
        self.rows += 1;
        if self.line.len() >= PIECE_BYTES {
            self.output.write_all(&self.line)?;
            self.line.clear();
        }
        Ok(Next::Go)
    }
}

//! The line of one query while it is made: its rows in pieces, and what closes it.

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::cpu_time;
use super::request::Request;
use super::worker::{Part, Parts};
use crate::json::{push_string, push_value};
use crate::sql::{Engine, Limit, Next, RowView, Sink, SqlErrorKind};

/// Rows are handed on in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// The line of one query.
pub(super) struct Answer<'a> {
    name: &'a str,
    max_rows: u64,
    max_bytes: u64,
    parts: &'a Parts,
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
    pub(super) fn new(name: &'a str, request: &Request, parts: &'a Parts) -> Self {
        Answer {
            name,
            max_rows: request.max_rows,
            max_bytes: request.max_bytes,
            parts,
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
    pub(super) fn begun(&self) -> bool {
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

    /// What it brought and what it cost, and the end of the line.
    fn close(mut self) -> io::Result<()> {
        push_number(&mut self.line, ",\"row_count\":", u128::from(self.rows));
        push_number(&mut self.line, ",\"row_bytes\":", u128::from(self.bytes));
        push_costs(&mut self.line, self.began, self.cpu_before);
        self.parts.send(Part::End(self.line))
    }

    pub(super) fn end(mut self, engine: &Engine, cut: Option<Limit>) -> io::Result<()> {
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
        push_cut(&mut self.line, cut);
        self.close()
    }

    pub(super) fn refuse(mut self, words: &str, kind: SqlErrorKind) -> io::Result<()> {
        push_refusal(&mut self.line, self.name, words, kind);
        self.close()
    }
}

pub(super) fn push_number(line: &mut Vec<u8>, key: &str, number: u128) {
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(number.to_string().as_bytes());
}

/// Closes the list of what was not read and says which limit ended the query.
pub(super) fn push_cut(line: &mut Vec<u8>, cut: Option<Limit>) {
    line.extend_from_slice(match cut {
        None => b"],\"cut\":null",
        Some(Limit::Rows) => b"],\"cut\":{\"limit\":\"rows\"}",
        Some(Limit::Bytes) => b"],\"cut\":{\"limit\":\"bytes\"}",
        Some(Limit::Time) => b"],\"cut\":{\"limit\":\"time\"}",
    });
}

/// A line without rows up to its costs.
pub(super) fn push_refusal(line: &mut Vec<u8>, name: &str, words: &str, kind: SqlErrorKind) {
    line.extend_from_slice(b"{\"query\":");
    push_string(line, name.as_bytes());
    line.extend_from_slice(b",\"error\":");
    push_string(line, words.as_bytes());
    line.extend_from_slice(b",\"kind\":");
    let kind = match kind {
        SqlErrorKind::Sql => "sql",
        SqlErrorKind::Constraint => "constraint",
        SqlErrorKind::Unsupported => "unsupported",
        SqlErrorKind::Timeout => "timeout",
        SqlErrorKind::Internal => "internal",
    };
    push_string(line, kind.as_bytes());
}

/// What a query cost, and the end of its line.
pub(super) fn push_costs(line: &mut Vec<u8>, began: Instant, cpu_before: Duration) {
    push_number(line, ",\"wall_us\":", began.elapsed().as_micros());
    push_number(line, ",\"cpu_us\":", cpu_time().saturating_sub(cpu_before).as_micros());
    line.extend_from_slice(b"}\n");
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
            self.parts.send(Part::Rows(mem::take(&mut self.line)))?;
        }
        Ok(Next::Go)
    }
}

//! What osqueryi's shell does with statements: rows on standard output, `Error:` lines, exit statuses.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};

use crate::json;
use crate::sql::{Engine, Limits, Next, RowView, Sink};

/// A statement on standard input is not longer than this.
const STATEMENT_BYTES: u64 = 16 << 20;
/// The status when the rows could not be written.
const LOST: u8 = 1;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Line,
    List,
}

/// How rows are printed, with its details.
pub(crate) struct Style {
    pub(crate) format: Format,
    pub(crate) separator: String,
    pub(crate) header: bool,
}

/// Prints rows.
struct Printer<'a> {
    style: &'a Style,
    output: &'a mut dyn Write,
    /// Name and place of each column, for JSON sorted by name; of equal names the last wins.
    columns: Vec<(String, usize)>,
    rows: u64,
    line: Vec<u8>,
}

impl<'a> Printer<'a> {
    fn new(style: &'a Style, output: &'a mut dyn Write) -> io::Result<Self> {
        if style.format == Format::Json {
            output.write_all(b"[\n")?;
        }
        Ok(Printer { style, output, columns: Vec::new(), rows: 0, line: Vec::new() })
    }

    fn finish(self) -> io::Result<()> {
        if self.style.format == Format::Json {
            self.output.write_all(b"\n]\n")?;
        }
        self.output.flush()
    }

    fn json_row(&mut self, row: &RowView<'_, '_>) {
        if self.rows > 0 {
            self.line.extend_from_slice(b",\n");
        }
        self.line.extend_from_slice(b"  {");
        for (number, (name, place)) in self.columns.iter().enumerate() {
            if number > 0 {
                self.line.push(b',');
            }
            json::push_string(&mut self.line, name.as_bytes());
            self.line.push(b':');
            json::push_value(&mut self.line, row.value(*place));
        }
        self.line.push(b'}');
    }

    fn separated_row(&mut self, row: &RowView<'_, '_>) {
        for (number, (_, place)) in self.columns.iter().enumerate() {
            if number > 0 {
                self.line.extend_from_slice(self.style.separator.as_bytes());
            }
            let from = self.line.len();
            json::push_text(&mut self.line, row.value(*place));
            if self.style.format == Format::Csv {
                quote_csv(&mut self.line, from, self.style.separator.as_bytes());
            }
        }
        self.line.push(b'\n');
    }
}

/// Quotes the field that begins at `from`, where it needs it.
fn quote_csv(line: &mut Vec<u8>, from: usize, separator: &[u8]) {
    let field = line.split_off(from);
    let odd = field.iter().any(|byte| matches!(byte, b'"' | b'\n' | b'\r' | b' '))
        || (!separator.is_empty() && field.windows(separator.len()).any(|part| part == separator));
    if !odd {
        line.extend_from_slice(&field);
        return;
    }
    line.push(b'"');
    for byte in field {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

impl Sink for Printer<'_> {
    fn columns(&mut self, names: &[&str]) -> io::Result<()> {
        if self.style.format == Format::Json {
            let sorted: BTreeMap<&str, usize> =
                names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
            self.columns = sorted.into_iter().map(|(name, place)| (name.to_owned(), place)).collect();
            return Ok(());
        }
        self.columns = names.iter().enumerate().map(|(place, name)| ((*name).to_owned(), place)).collect();
        if self.style.header && self.style.format != Format::Line {
            let head: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
            writeln!(self.output, "{}", head.join(&self.style.separator))?;
        }
        Ok(())
    }

    fn row(&mut self, row: &RowView<'_, '_>) -> io::Result<Next> {
        self.line.clear();
        match self.style.format {
            Format::Json => self.json_row(row),
            Format::Csv | Format::List => self.separated_row(row),
            Format::Line => {
                let width = self.columns.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                for (name, place) in &self.columns {
                    self.line.extend_from_slice(format!("{name:>width$} = ").as_bytes());
                    json::push_text(&mut self.line, row.value(*place));
                    self.line.push(b'\n');
                }
            }
        }
        self.rows += 1;
        self.output.write_all(&self.line)?;
        Ok(Next::Go)
    }
}

/// Runs the statements and prints one result. Returns the refusal's code and words, if there was one.
fn print(
    engine: &Engine,
    style: &Style,
    sql: &str,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<Option<(i32, String)>> {
    let mut printer = Printer::new(style, output)?;
    let outcome = engine.run(sql, Limits { time: None }, &mut printer)?;
    printer.finish()?;
    // osqueryi's warnings begin with a W as well. Names are the host's: no byte of them may steer a terminal.
    for entry in engine.host().unread() {
        let what = entry.what.escape_ascii();
        let _ = writeln!(errors, "W not read: {what}: {} ({} times)", entry.why, entry.count);
    }
    Ok(outcome.err().map(|error| (error.code, error.words)))
}

/// Runs the statements of the command line; the exit status is SQLite's code for the error.
pub(crate) fn once(
    engine: &Engine,
    style: &Style,
    sql: &str,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    match print(engine, style, sql, output, errors) {
        Ok(None) => 0,
        Ok(Some((code, words))) => {
            let _ = writeln!(errors, "Error: {words}");
            u8::try_from(code).unwrap_or(1).max(1)
        }
        // A full disk or a closed pipe must not look like success, as it does with osqueryi.
        Err(error) => {
            let _ = writeln!(errors, "Error: the rows could not be written: {error}");
            LOST
        }
    }
}

/// Runs statements from standard input; each line that ends one gets its own result at once.
pub(crate) fn interactive(
    engine: &Engine,
    style: &Style,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    let mut status = 0;
    let mut number = 0_u64;
    let mut pending = String::new();
    loop {
        let mut line = Vec::new();
        let got = input.take(STATEMENT_BYTES).read_until(b'\n', &mut line);
        let ended = !matches!(got, Ok(count) if count > 0);
        if !ended {
            number += 1;
            let line = String::from_utf8_lossy(&line);
            if pending.is_empty() && line.starts_with('.') {
                match dot_command(line.trim_end(), output) {
                    Ok(true) => continue,
                    Ok(false) => return status,
                    Err(_) => return LOST,
                }
            }
            pending.push_str(&line);
            if !line.trim_end().ends_with(';') && (pending.len() as u64) < STATEMENT_BYTES {
                continue;
            }
        }
        let sql = std::mem::take(&mut pending);
        if !sql.trim().is_empty() {
            match print(engine, style, &sql, output, errors) {
                Ok(None) => {}
                Ok(Some((_, words))) => {
                    let _ = writeln!(errors, "Error: near line {number}: {words}");
                    status = 1;
                }
                Err(_) => return LOST,
            }
        }
        if ended {
            return status;
        }
    }
}

/// `.print` is what clients use to tell results apart. False: it is over.
fn dot_command(line: &str, output: &mut dyn Write) -> io::Result<bool> {
    match line.split_once(' ').unwrap_or((line, "")) {
        (".print", words) => {
            writeln!(output, "{words}")?;
            output.flush()?;
            Ok(true)
        }
        (".exit" | ".quit", _) => Ok(false),
        _ => Ok(true),
    }
}

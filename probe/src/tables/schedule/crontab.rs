//! `crontab`: jobs of cron.

use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, each_line, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "crontab",
    about: "Jobs of cron. In the system's files the account is the first word of `command`.",
    sources: "/etc/crontab, /etc/cron.d/*, /var/at/tabs/*, /var/spool/cron/*, /var/spool/cron/crontabs/*",
    differences: "",
    columns: &[
        text("event"),
        text("minute"),
        text("hour"),
        text("day_of_month"),
        text("month"),
        text("day_of_week"),
        text("command"),
        text("path"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows,
};

const DIRECTORIES: [&str; 4] = ["/etc/cron.d", "/var/at/tabs", "/var/spool/cron", "/var/spool/cron/crontabs"];

/// A line that starts something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job<'a> {
    /// `@reboot` and the like, else empty.
    pub(crate) event: &'a [u8],
    /// Minute, hour, day of month, month, day of week; empty for an event.
    pub(crate) times: [&'a [u8]; 5],
    /// The words after them, with one blank between.
    pub(crate) command: Vec<u8>,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    read(&scan.host, b"/etc/crontab", &mut rows);
    for directory in DIRECTORIES {
        for entry in scan.host.list_sorted(directory) {
            if entry.name.starts_with(b".") || entry.kind.is_dir() {
                continue;
            }
            let path = [directory.as_bytes(), b"/", &entry.name].concat();
            if !entry.kind.is_file() && scan.host.is_directory(&path) {
                continue;
            }
            read(&scan.host, &path, &mut rows);
        }
    }
    Ok(all(rows))
}

fn read(host: &Host, path: &[u8], rows: &mut Vec<Row>) {
    let Some(content) = host.read(path) else { return };
    each_line(host, path, &content, |line| {
        let Some(job) = parse_line(line) else { return is_setting(line) };
        let [minute, hour, day, month, weekday] = job.times;
        rows.push(row![job.event, minute, hour, day, month, weekday, job.command, path, 0]);
        true
    });
}

/// `PATH=/bin`, with or without blanks around the sign.
fn is_setting(line: &[u8]) -> bool {
    line.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0)
}

/// The number of words decides: so a long setting such as `MAILTO = a b c d` reads as a job, as in osquery.
pub(crate) fn parse_line(line: &[u8]) -> Option<Job<'_>> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return None;
    }
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [event, command @ ..] if event.starts_with(b"@") => (!command.is_empty()).then(|| Job {
            event,
            times: [b"".as_slice(); 5],
            command: command.join(b" ".as_slice()),
        }),
        [minute, hour, day, month, weekday, command @ ..] if !command.is_empty() => Some(Job {
            event: b"",
            times: [minute, hour, day, month, weekday],
            command: command.join(b" ".as_slice()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_events_and_what_is_neither() {
        let job = parse_line(b"*/5 *\t* * *  root   /bin/x  y\r").unwrap();
        assert_eq!(job.times, [b"*/5".as_slice(), b"*", b"*", b"*", b"*"]);
        assert_eq!(job.command, b"root /bin/x y");
        assert_eq!(parse_line(b"@reboot x").unwrap().event, b"@reboot");
        for line in [b"".as_slice(), b"# * * * * * x", b"* * * * *", b"@daily", b"PATH=/bin", b" \xff"] {
            assert_eq!(parse_line(line), None, "{line:?}");
        }
    }
}

//! Findings that somebody has reviewed and accepted: a plain file with a line for each, which can be read, commented and kept
//! under version control.
//!
//! ```text
//! # what it is, for readers
//! 08032abe7d7f  until=2026-12-31  reason=backup key of the platform team
//! ```
//!
//! The id stands for identity or template, query, kind and, where rows are told apart by them, hosts: the same finding has it in each
//! sweep.

use crate::finding::FindingId;
use std::collections::BTreeMap;
use std::fmt;

/// A day, as in `2026-12-31`. Such days are in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(String);

impl Day {
    /// From year, month and day of the month.
    pub fn of(year: i16, month: i8, day: i8) -> Self {
        Self(format!("{year:04}-{month:02}-{day:02}"))
    }
}

impl std::str::FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts
                .next()
                .filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()));
            part.and_then(|part| part.parse::<u32>().ok())
        };
        let is_day = number(4).is_some()
            && number(2).is_some_and(|month| (1..=12).contains(&month))
            && number(2).is_some_and(|day| (1..=31).contains(&day));
        if is_day && parts.next().is_none() {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text} is not a day as in 2026-12-31"))
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One accepted finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last day on which it holds; for ever, if not given.
    pub until: Option<Day>,
    /// Why it is accepted.
    pub reason: String,
}

/// All accepted findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    entries: BTreeMap<String, Entry>,
    /// The day at which they are looked at; expired ones do not hold.
    today: Option<Day>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Accepted {
    /// Reads the file as it is on a day.
    ///
    /// # Errors
    /// Where a line is not as it should be: nothing is accepted by mistake.
    pub fn parse(text: &str, today: Day) -> Result<Self, BadLine> {
        let mut accepted = Self { entries: BTreeMap::new(), today: Some(today) };
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |why: String| BadLine { line: n + 1, why };
            let (id, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(bad(format!("{id} is not the id of a finding")));
            }
            let rest = rest.trim_start();
            let (until, rest) = match rest.strip_prefix("until=") {
                Some(rest) => {
                    let (day, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                    (Some(day.parse().map_err(bad)?), rest.trim_start())
                }
                None => (None, rest),
            };
            let reason = rest.strip_prefix("reason=").filter(|reason| !reason.is_empty());
            let reason = reason.ok_or_else(|| bad("it gives no reason=".to_owned()))?.to_owned();
            accepted.entries.insert(id.to_ascii_lowercase(), Entry { until, reason });
        }
        Ok(accepted)
    }

    /// A line for the file, with what it is as a comment. Line breaks and other control characters become spaces.
    pub fn line(id: &str, title: &str, entry: &Entry) -> String {
        let plain =
            |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let until = entry.until.as_ref().map(|day| format!("until={day}  ")).unwrap_or_default();
        format!("# {}\n{id}  {until}reason={}\n", plain(title), plain(&entry.reason))
    }

    /// Whether a finding is accepted, and not only until a day that is past.
    pub fn holds(&self, id: &FindingId) -> bool {
        let entry = self.entries.get(&id.to_string());
        entry.is_some_and(|entry| match (&entry.until, &self.today) {
            (Some(until), Some(today)) => until >= today,
            _ => true,
        })
    }

    /// How many do no longer hold.
    pub fn expired(&self) -> usize {
        let is_past = |entry: &&Entry| matches!((&entry.until, &self.today), (Some(until), Some(today)) if until < today);
        self.entries.values().filter(is_past).count()
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(id, entry)| (id.as_str(), entry))
    }

    /// True where nothing is accepted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_people_keep_it() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let text = "# keys\n\n08032abe7d7f  until=2026-12-31  reason=backup key of the platform team\n11d787aef9fe reason=known\n";
        let accepted = Accepted::parse(text, day("2026-11-21")).unwrap();
        assert!(
            accepted.holds(&FindingId("08032abe7d7f".into()))
                && accepted.holds(&FindingId("11d787aef9fe".into()))
        );
        assert!(!accepted.holds(&FindingId("000000000000".into())));
        let later = Accepted::parse(text, day("2027-01-01")).unwrap();
        assert!(!later.holds(&FindingId("08032abe7d7f".into())) && later.expired() == 1);
    }

    #[test]
    fn a_line_that_says_no_reason_is_an_error() {
        for (text, why) in [
            ("08032abe7d7f", "no reason"),
            ("x reason=y", "not the id"),
            ("08032abe7d7f until=soon reason=x", "not a day"),
        ] {
            let error = Accepted::parse(text, "2026-11-21".parse().unwrap()).unwrap_err();
            assert!(error.line == 1 && error.why.contains(why), "{error:?}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let entry = Entry { until: Some("2026-12-31".parse().unwrap()), reason: "seen\nbefore".into() };
        let text = Accepted::line("08032abe7d7f", "user \u{1b}[2J\nx", &entry);
        assert!(!text.contains('\u{1b}'));
        let accepted = Accepted::parse(&text, "2026-11-21".parse().unwrap()).unwrap();
        assert_eq!(accepted.iter().next().unwrap().1.reason, "seen before");
    }
}

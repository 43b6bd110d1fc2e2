//! Who may sign: OpenSSH's `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS). What is not understood allows nobody.

use super::{NAMESPACE, VerifyingKey};

/// Times without a `Z` are local, and of which place is not known here: as much doubt as time zones can differ.
const DOUBT: i64 = 14 * 3600;

/// The lines of a file.
#[derive(Debug)]
pub struct AllowedSigners(Vec<Line>);

#[derive(Debug)]
struct Line {
    principals: String,
    namespaces: Option<String>,
    valid_after: Option<Moment>,
    valid_before: Option<Moment>,
    key: VerifyingKey,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    seconds: i64,
    is_utc: bool,
}

/// A line that is not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {why}")]
pub struct AllowedSignersError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Why a key is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAllowed {
    /// The key is in no line.
    #[error("nobody who is allowed to sign has the {key}")]
    Key {
        /// Kind and fingerprint.
        key: String,
    },
    /// It is, for others.
    #[error("the {key} is not allowed to sign for {identity}")]
    Identity {
        /// Kind and fingerprint.
        key: String,
        /// Who should have signed.
        identity: String,
    },
    /// It is, for other things.
    #[error("the {key} is not allowed to sign in the namespace {NAMESPACE}")]
    Namespace {
        /// Kind and fingerprint.
        key: String,
    },
    /// It is, at other times.
    #[error("the {key} is not valid at this time (times without a Z count with 14 hours of doubt)")]
    Time {
        /// Kind and fingerprint.
        key: String,
    },
}

impl AllowedSigners {
    /// Understands a file.
    ///
    /// # Errors
    /// When a line is not understood: leaving it out could take a restriction away.
    pub fn parse(text: &str) -> Result<Self, AllowedSignersError> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|(place, text)| line(text).map_err(|why| AllowedSignersError { line: place + 1, why }))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn allows(&self, key: &VerifyingKey, identity: &str, now: u64) -> Result<(), NotAllowed> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let shown = || key.shown();
        let mut why = NotAllowed::Key { key: shown() };
        for line in self.0.iter().filter(|line| line.key == *key) {
            if !matches_list(&line.principals, identity) {
                why = NotAllowed::Identity { key: shown(), identity: identity.to_owned() };
            } else if line.namespaces.as_ref().is_some_and(|list| !matches_list(list, NAMESPACE)) {
                why = NotAllowed::Namespace { key: shown() };
            } else if !line.is_valid(now) {
                why = NotAllowed::Time { key: shown() };
            } else {
                return Ok(());
            }
        }
        Err(why)
    }
}

impl Line {
    fn is_valid(&self, now: i64) -> bool {
        let doubt = |moment: Moment| if moment.is_utc { 0 } else { DOUBT };
        self.valid_after.is_none_or(|after| now >= after.seconds + doubt(after))
            && self.valid_before.is_none_or(|before| now < before.seconds - doubt(before))
    }
}

fn line(text: &str) -> Result<Line, String> {
    let (principals, rest) = word(text)?;
    let (mut namespaces, mut valid_after, mut valid_before) = (None, None, None);
    let rest = rest.trim_start();
    let key = match VerifyingKey::parse(rest) {
        Ok(key) => key,
        Err(_) => {
            let (options, key) = word_with_quotes(rest)?;
            for option in split_options(options) {
                let (name, value) = option.split_once('=').unwrap_or((option, ""));
                let value =
                    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                match name.to_ascii_lowercase().as_str() {
                    "namespaces" => namespaces = Some(value.to_owned()),
                    "valid-after" => valid_after = Some(moment(value)?),
                    "valid-before" => valid_before = Some(moment(value)?),
                    "cert-authority" => {
                        return Err("certificates are not supported: name the keys themselves".into());
                    }
                    other => return Err(format!("{other:?} is neither an option nor a public key")),
                }
            }
            VerifyingKey::parse(key).map_err(|error| format!("its key cannot be read: {error}"))?
        }
    };
    Ok(Line { principals: principals.to_owned(), namespaces, valid_after, valid_before, key })
}

/// The principals: a word, or something in quotes.
fn word(text: &str) -> Result<(&str, &str), String> {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or_else(|| "a quote is not closed".to_owned()),
        None => text.split_once([' ', '\t']).ok_or_else(|| "it has no public key".to_owned()),
    }
}

/// The options: up to a space that stands in no quotes.
fn word_with_quotes(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    for (place, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (word, rest) = text.split_at(place);
                return Ok((word, rest.trim_start()));
            }
            _ => {}
        }
    }
    Err("it has no public key".to_owned())
}

fn split_options(options: &str) -> Vec<&str> {
    let mut quoted = false;
    options
        .split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .collect()
}

/// A list of patterns with `*` and `?`; one with `!` that matches excludes, whatever else does.
fn matches_list(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Linear in both: after a star only the last one is ever tried again.
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}

/// `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`.
fn moment(text: &str) -> Result<Moment, String> {
    let odd = || format!("{text:?} is no time as in 20261231 or 202612312359Z");
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(odd());
    }
    let part = |from: usize, to: usize| -> i64 {
        digits.get(from..to).and_then(|part| part.parse().ok()).unwrap_or(0)
    };
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(8, 10), part(10, 12), part(12, 14));
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return Err(odd());
    }
    // Days from the civil calendar, counted from March so that the leap day comes last.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Ok(Moment {
        seconds: days * 86_400 + hour * 3600 + minute * 60 + second,
        is_utc: digits.len() != text.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn allows(line: &str, identity: &str, now: u64) -> Result<(), NotAllowed> {
        let key = VerifyingKey::parse(KEY).unwrap();
        AllowedSigners::parse(line).unwrap().allows(&key, identity, now)
    }

    #[test]
    fn who_may_sign_what_and_when() {
        let yes = |line: &str, identity| {
            assert_eq!(allows(&format!("{line} {KEY}"), identity, 1_800_000_000), Ok(()), "{line}")
        };
        yes("ada@example.org", "ada@example.org");
        yes("bob,*@example.org", "ada@example.org");
        yes("\"ada l\"", "ada l");
        yes("* namespaces=\"file,herdiff@*\"", "x");
        yes("* valid-after=\"20200101Z\",valid-before=\"20990101000000Z\"", "x");
        let no =
            |line: &str, identity| allows(&format!("{line} {KEY}"), identity, 1_800_000_000).unwrap_err();
        assert!(matches!(no("ada@example.org", "eve@example.org"), NotAllowed::Identity { .. }));
        assert!(matches!(no("*,!eve@*", "eve@example.org"), NotAllowed::Identity { .. }));
        assert!(matches!(no("* namespaces=\"file,git\"", "x"), NotAllowed::Namespace { .. }));
        assert!(matches!(no("* valid-before=\"20200101Z\"", "x"), NotAllowed::Time { .. }));
        assert!(matches!(no("* valid-after=20990101Z", "x"), NotAllowed::Time { .. }));
        assert!(matches!(allows("# nobody\n", "x", 0), Err(NotAllowed::Key { .. })));
        // A second line may allow what the first does not.
        assert_eq!(allows(&format!("eve {KEY}\nada {KEY}"), "ada", 0), Ok(()));
    }

    #[test]
    fn times_without_a_zone_are_in_doubt_for_fourteen_hours() {
        let at = |hours: i64| (1_767_225_600 + hours * 3600) as u64; // 2026-01-01
        for (option, hours, valid) in [
            ("valid-after=20260101", 13, false),
            ("valid-after=20260101", 14, true),
            ("valid-after=20260101Z", 0, true),
            ("valid-after=202601010100Z", 0, false),
            ("valid-before=20260101", -14, false),
            ("valid-before=20260101", -15, true),
            ("valid-before=20260101Z", -1, true),
            ("valid-before=20260101Z", 0, false),
        ] {
            assert_eq!(
                allows(&format!("* {option} {KEY}"), "x", at(hours)).is_ok(),
                valid,
                "{option} {hours}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_allows_nobody() {
        for (line, why) in [
            ("ada".to_owned(), "no public key"),
            (format!("ada cert-authority {KEY}"), "certificates are not supported"),
            (format!("ada no-such-option {KEY}"), "neither an option"),
            (format!("ada namespaces=\"x {KEY}"), "no public key"),
            (format!("ada valid-after=yesterday {KEY}"), "is no time"),
            (format!("ada valid-after=20261301 {KEY}"), "is no time"),
            ("ada ssh-ed25519 AAAA".to_owned(), "neither an option"),
            ("ada namespaces=x ssh-ed25519 AAAA".to_owned(), "its key cannot be read"),
            (format!("\"ada {KEY}"), "not closed"),
        ] {
            let error = AllowedSigners::parse(&format!("\n{line}")).unwrap_err();
            assert!(error.line == 2 && error.why.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, same) in [
            ("*", "", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "abc", true),
            ("?", "", false),
            ("*@*.org", "x@y.org", true),
            ("****************b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), same, "{pattern} {text}");
        }
    }
}

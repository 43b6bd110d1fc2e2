//! Versions of packages: `version_compare`, and the collations of the tables of packages.

use std::cmp::Ordering;

use rusqlite::types::Value;
use rusqlite::{Connection, Result};

use super::{bytes, pure};

pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.create_collation(c"VERSION_DPKG", |a, b| dpkg(a.as_bytes(), b.as_bytes()))?;
    connection.create_collation(c"VERSION_RHEL", |a, b| rpm(a.as_bytes(), b.as_bytes()))?;
    connection.create_collation(c"VERSION", |a, b| rpm(a.as_bytes(), b.as_bytes()))?;
    for arguments in [2, 3] {
        pure(connection, "version_compare", arguments, |c| {
            let (Some(a), Some(b)) = (bytes(c, 0), bytes(c, 1)) else { return Ok(None) };
            let flavour = bytes(c, 2).unwrap_or_default().to_ascii_uppercase();
            let order = if flavour == b"DPKG" { dpkg_of_osquery(&a, &b) } else { rpm(&a, &b) };
            Ok(Some(Value::Integer(order as i64)))
        })?;
    }
    Ok(())
}

/// Compares as rpm does: runs of digits and of letters, `~` before everything, `^` after the end. An epoch and a
/// release count when they are written.
fn rpm(a: &[u8], b: &[u8]) -> Ordering {
    let (a_epoch, a_version, a_release) = parts(a);
    let (b_epoch, b_version, b_release) = parts(b);
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| rpm_part(a_version, b_version))
        .then_with(|| rpm_part(a_release, b_release))
}

fn rpm_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let separator = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'~' && *byte != b'^';
    loop {
        let skip = |text: &[u8]| text.iter().take_while(|byte| separator(byte)).count();
        a = a.get(skip(a)..).unwrap_or_default();
        b = b.get(skip(b)..).unwrap_or_default();
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                a = a.get(1..).unwrap_or_default();
                b = b.get(1..).unwrap_or_default();
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) | (None, _) => return Ordering::Less,
            (_, Some(b'^')) | (_, None) => return Ordering::Greater,
            (Some(_), Some(_)) => {}
        }
        let numeric = a.first().is_some_and(u8::is_ascii_digit);
        let run = |text: &[u8]| {
            text.iter()
                .take_while(|byte| if numeric { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() })
                .count()
        };
        let (a_run, a_rest) = a.split_at_checked(run(a)).unwrap_or((a, b""));
        let (b_run, b_rest) = b.split_at_checked(run(b)).unwrap_or((b, b""));
        if b_run.is_empty() {
            // Numbers are newer than letters.
            return if numeric { Ordering::Greater } else { Ordering::Less };
        }
        let order = if numeric {
            let (a_run, _) = digits(a_run);
            let (b_run, _) = digits(b_run);
            a_run.len().cmp(&b_run.len()).then_with(|| a_run.cmp(b_run))
        } else {
            a_run.cmp(b_run)
        };
        if order != Ordering::Equal {
            return order;
        }
        a = a_rest;
        b = b_rest;
    }
}

/// Compares as Debian Policy 5.6.12 says: epoch, upstream version, revision.
fn dpkg(a: &[u8], b: &[u8]) -> Ordering {
    let (a_epoch, a_version, a_revision) = parts(a);
    let (b_epoch, b_version, b_revision) = parts(b);
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| dpkg_part(a_version, b_version))
        .then_with(|| dpkg_part(a_revision, b_revision))
}

/// As osquery's function has it: where dpkg's end of a version comes after a `~`, osquery's comes before everything.
/// Packs were tried with that one; the collation of the tables is dpkg's own.
fn dpkg_of_osquery(a: &[u8], b: &[u8]) -> Ordering {
    match (a.strip_prefix(b), b.strip_prefix(a)) {
        (Some([b'~', ..]), _) => Ordering::Greater,
        (_, Some([b'~', ..])) => Ordering::Less,
        _ => dpkg(a, b),
    }
}

fn parts(version: &[u8]) -> (u64, &[u8], &[u8]) {
    let (epoch, rest) = match version.iter().position(|byte| *byte == b':') {
        Some(at) => {
            (number(version.get(..at).unwrap_or_default()), version.get(at + 1..).unwrap_or_default())
        }
        None => (0, version),
    };
    match rest.iter().rposition(|byte| *byte == b'-') {
        Some(at) => (epoch, rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
        None => (epoch, rest, b""),
    }
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0_u64, |value, byte| {
        value.saturating_mul(10).saturating_add(u64::from(byte.saturating_sub(b'0')))
    })
}

/// `~` sorts before everything, even the end; letters before the rest.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

fn dpkg_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let not_digit = |text: &[u8]| text.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !a.is_empty() || !b.is_empty() {
        while not_digit(a) || not_digit(b) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (a_digits, a_rest) = digits(a);
        let (b_digits, b_rest) = digits(b);
        let order = a_digits.len().cmp(&b_digits.len()).then_with(|| a_digits.cmp(b_digits));
        if order != Ordering::Equal {
            return order;
        }
        a = a_rest;
        b = b_rest;
    }
    Ordering::Equal
}

/// The digits at the start without leading zeros, and what follows.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let zeros = text.iter().take_while(|byte| **byte == b'0').count();
    let text = text.get(zeros..).unwrap_or_default();
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (text.get(..count).unwrap_or_default(), text.get(count..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_hat_versions_sort_as_rpm_sorts_them() {
        for (a, order, b) in [
            ("1.0~rc1", Ordering::Less, "1.0"),
            ("1.0^git1", Ordering::Greater, "1.0"),
            ("1.10", Ordering::Greater, "1.9"),
            ("1.0-1", Ordering::Less, "1.0-2"),
            ("2.0.1a", Ordering::Greater, "2.0.1"),
            ("1.a", Ordering::Less, "1.1"),
            ("1:0.1", Ordering::Greater, "2.0"),
            ("1..0", Ordering::Equal, "1.0"),
        ] {
            assert_eq!(rpm(a.as_bytes(), b.as_bytes()), order, "{a} {b}");
            assert_eq!(rpm(b.as_bytes(), a.as_bytes()), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn debian_versions_sort_as_dpkg_sorts_them() {
        for (a, order, b) in [
            ("1.0~rc1", Ordering::Less, "1.0"),
            ("1:0.1", Ordering::Greater, "2.0"),
            ("1.10", Ordering::Greater, "1.9"),
            ("1.0-1", Ordering::Less, "1.0-2"),
            ("1.0", Ordering::Equal, "1.0"),
            ("1.0", Ordering::Equal, "1.00"),
            ("1.0a", Ordering::Less, "1.0+"),
            ("2.36-9+deb12u8", Ordering::Greater, "2.36"),
        ] {
            assert_eq!(dpkg(a.as_bytes(), b.as_bytes()), order, "{a} {b}");
        }
    }
}

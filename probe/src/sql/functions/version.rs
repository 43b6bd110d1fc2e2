//! Versions of packages: `version_compare`, and the collations of the tables of packages.

use std::cmp::Ordering;

use rusqlite::{Connection, Result};

pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.create_collation(c"VERSION_DPKG", |a, b| dpkg(a.as_bytes(), b.as_bytes()))
}

/// Compares as Debian Policy 5.6.12 says: epoch, upstream version, revision.
pub(crate) fn dpkg(a: &[u8], b: &[u8]) -> Ordering {
    let (a_epoch, a_version, a_revision) = parts(a);
    let (b_epoch, b_version, b_revision) = parts(b);
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| dpkg_part(a_version, b_version))
        .then_with(|| dpkg_part(a_revision, b_revision))
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

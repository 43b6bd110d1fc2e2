//! Which of two versions of a package is newer, as dpkg and rpm decide it but for rare cases.

use std::cmp::Ordering;

/// Compares versions: epoch, then runs of digits as numbers and other runs letter by letter; `~` is before everything.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let epoch = |version: &[u8]| -> u64 {
        let colon = version.iter().position(|&byte| byte == b':');
        let digits =
            colon.and_then(|colon| version.get(..colon)).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    };
    epoch(a).cmp(&epoch(b)).then_with(|| without_epoch(a, b))
}

fn without_epoch(a: &[u8], b: &[u8]) -> Ordering {
    let rest = |version: &[u8]| {
        let start = version.iter().position(|&byte| byte == b':').map_or(0, |colon| colon + 1);
        version.get(start..).unwrap_or_default().to_vec()
    };
    let (a, b) = (rest(a), rest(b));
    let (mut a, mut b) = (a.as_slice(), b.as_slice());
    loop {
        if a.is_empty() && b.is_empty() {
            return Ordering::Equal;
        }
        let (words_a, after_a) = split(a, |byte| !byte.is_ascii_digit());
        let (words_b, after_b) = split(b, |byte| !byte.is_ascii_digit());
        let order = words(words_a).cmp(&words(words_b));
        let (number_a, after_a) = split(after_a, u8::is_ascii_digit);
        let (number_b, after_b) = split(after_b, u8::is_ascii_digit);
        let order = order.then_with(|| number(number_a).cmp(&number(number_b)));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
}

fn split(text: &[u8], is_part: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len()))
}

/// `~` before the end, the end before letters, letters before the rest.
fn words(text: &[u8]) -> Vec<u16> {
    let weight = |byte: &u8| match byte {
        b'~' => 0,
        letter if letter.is_ascii_alphabetic() => 2 + u16::from(*letter),
        other => 1000 + u16::from(*other),
    };
    text.iter().map(weight).chain([1]).collect()
}

/// Without leading zeros, so that the longer one is the larger.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let (_, digits) = split(digits, |&byte| byte == b'0');
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_dpkg_does() {
        for (older, newer) in [
            ("1.0", "1.1"),
            ("1.9", "1.10"),
            ("9.9", "1:0.1"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0+deb12u1"),
            ("1.0-1", "1.0-1+b1"),
            ("1.9.5p2-3", "1.9.13p3-1"),
            ("252.30-1~deb12u2", "252.30-1~deb12u10"),
        ] {
            assert_eq!(compare(older.as_bytes(), newer.as_bytes()), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer.as_bytes(), older.as_bytes()), Ordering::Greater, "{older} {newer}");
        }
        assert_eq!(compare(b"1.0", b"1.00"), Ordering::Equal);
    }
}

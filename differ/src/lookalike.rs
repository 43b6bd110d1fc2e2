//! Names that are almost the name of something that all hosts have, as an impostor's is: `reqeusts`, `systemd-udevb`.

/// Shorter names are near too many others, longer ones are no names.
const LENGTHS: std::ops::RangeInclusive<usize> = 5..=40;

/// The last name in a path, or the whole value.
pub(crate) fn name(value: &[u8]) -> &[u8] {
    value.rsplit(|byte| *byte == b'/').next().unwrap_or(value)
}

/// Whether one edit (a letter more, less, other, or two swapped) makes one name the other. Numbers may differ: those are versions.
pub(crate) fn are_alike(a: &[u8], b: &[u8]) -> bool {
    if a == b || !LENGTHS.contains(&a.len()) || !LENGTHS.contains(&b.len()) || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (a.get(start..).unwrap_or_default(), b.get(start..).unwrap_or_default());
    let end = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |rest: &[u8]| rest.get(..rest.len() - end).unwrap_or_default().to_vec();
    match (&*middle(rest_a), &*middle(rest_b)) {
        ([one], []) | ([], [one]) => one.is_ascii_alphabetic(),
        ([one], [other]) => one.is_ascii_alphabetic() && other.is_ascii_alphabetic(),
        ([one, other], [second, first]) => one == first && other == second && one.is_ascii_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::are_alike;

    #[test]
    fn impostors_and_neighbours() {
        for (a, b) in [
            ("reqeusts", "requests"),
            ("cryptography", "cryptograhpy"),
            ("urllib", "urlllib"),
            ("sshd-session", "sshd-sesion"),
        ] {
            assert!(are_alike(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
        for (a, b) in [
            ("libssl1", "libssl3"),
            ("web-01", "web-02"),
            ("cron", "crond"),
            ("python3", "python"),
            ("nginx", "nginx"),
        ] {
            assert!(!are_alike(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }
}

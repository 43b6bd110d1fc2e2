//! `shadow`: how passwords are kept. The hashes themselves are never shown.

use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, each_line, row, text};

pub(crate) static TABLE: Table = Table {
    name: "shadow",
    about: "State and age of passwords; never the hash.",
    sources: "/etc/shadow",
    differences: "",
    columns: &[
        text("password_status"),
        text("hash_alg"),
        bigint("last_change"),
        bigint("min"),
        bigint("max"),
        bigint("warning"),
        bigint("inactive"),
        bigint("expire"),
        bigint("flag"),
        text("username").pushed(),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let content = scan.host.read("/etc/shadow").unwrap_or_default();
    let mut rows = Vec::new();
    each_line(&scan.host, "/etc/shadow", &content, |line| {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(password)) = (fields.next(), fields.next()) else { return false };
        if name.is_empty() || name.starts_with(b"#") || !scan.wants_text("username", name) {
            return !name.is_empty();
        }
        let mut days = || match fields.next() {
            None | Some(b"") => Cell::Integer(-1),
            Some(days) => Cell::from(days),
        };
        let [changed, min, max, warning, inactive, expire] = [(); 6].map(|()| days());
        let flag = fields.next().unwrap_or_default();
        let (status, algorithm) = status(password);
        rows.push(row![status, algorithm, changed, min, max, warning, inactive, expire, flag, name]);
        true
    });
    Ok(all(rows))
}

/// What the password field says without showing it: its state and the kind of the hash.
pub(crate) fn status(password: &[u8]) -> (&'static str, Vec<u8>) {
    let status = match password {
        b"" => "empty",
        b"!!" => "not_set",
        [b'!' | b'*' | b'x', ..] => "locked",
        _ => "active",
    };
    let algorithm = password.strip_prefix(b"$").and_then(|rest| rest.split(|byte| *byte == b'$').next());
    (status, algorithm.unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_passwords() {
        assert_eq!(status(b""), ("empty", vec![]));
        assert_eq!(status(b"!$6$x"), ("locked", vec![]));
        assert_eq!(status(b"$y$j9T$x"), ("active", b"y".to_vec()));
        assert_eq!(status(b"$"), ("active", vec![]));
    }
}

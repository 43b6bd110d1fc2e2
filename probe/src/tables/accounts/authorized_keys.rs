//! `authorized_keys`: who may come in with which key.

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "authorized_keys",
    about: "Keys that open an account over SSH.",
    sources: "~/.ssh/authorized_keys, ~/.ssh/authorized_keys2",
    differences: "osquery cuts every line at `#`, which hides a key behind an option that contains one; here only \
                  what follows the key is cut. Places that sshd_config names otherwise are not looked at, as in \
                  osquery.",
    columns: &[
        bigint("uid").pushed(),
        text("algorithm"),
        text("key"),
        text("options"),
        text("comment"),
        text("key_file"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: true,
    rows,
};

/// What osquery takes for a key's type.
const TYPES: [&[u8]; 8] = [
    b"ssh-ed25519",
    b"ssh-rsa",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ssh-ed25519@openssh.com",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
    b"ssh-dss",
];

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    pub(crate) algorithm: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) options: &'a [u8],
    pub(crate) comment: &'a [u8],
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    for user in super::users_asked_for(scan) {
        for name in ["authorized_keys", "authorized_keys2"] {
            let mut path = user.directory.clone();
            path.extend_from_slice(b"/.ssh/");
            path.extend_from_slice(name.as_bytes());
            let Some(content) = scan.host.read(&path) else { continue };
            for line in content.split(|byte| *byte == b'\n') {
                if let Some(key) = parse_line(line) {
                    rows.push(row![user.uid, key.algorithm, key.key, key.options, key.comment, &path, 0]);
                }
            }
        }
    }
    Ok(all(rows))
}

/// The first known type of a key anywhere in the line wins; what is before it are the options.
pub(crate) fn parse_line(line: &[u8]) -> Option<Key<'_>> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let mut at = 0;
    for word in line.split(|byte| byte.is_ascii_whitespace()) {
        let from = at;
        at += word.len() + 1;
        if !TYPES.contains(&word) || word == b"ssh-dss" {
            continue;
        }
        let rest = line.get(at..).unwrap_or_default().trim_ascii_start();
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (key, comment) = rest.split_at_checked(end)?;
        if key.is_empty() {
            return None;
        }
        let comment = comment.split(|byte| *byte == b'#').next().unwrap_or_default();
        return Some(Key {
            algorithm: word,
            key,
            options: line.get(..from).unwrap_or_default().trim_ascii(),
            comment: comment.trim_ascii(),
        });
    }
    // A key that is kept elsewhere, as z/OS does.
    line.starts_with(b"zos-key-ring-label=").then_some(Key {
        algorithm: b"",
        key: b"",
        options: line,
        comment: b"",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_the_options_does_not_hide_the_key() {
        let key = parse_line(b"command=\"echo #\" ssh-ed25519 AAAA me # note").unwrap();
        assert_eq!(key.key, b"AAAA");
        assert_eq!(key.options, b"command=\"echo #\"");
        assert_eq!(key.comment, b"me");
    }

    #[test]
    fn lines_without_a_key_are_skipped() {
        for line in [b"".as_slice(), b"# ssh-rsa AAAA", b"ssh-rsa", b"garbage", b"\xff\xfe", b"xssh-rsa AAAA"]
        {
            assert_eq!(parse_line(line), None, "{line:?}");
        }
    }
}

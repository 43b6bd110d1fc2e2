//! `authorized_keys`: who may come in with which key.

use super::passwd::User;
use crate::host::Host;
use crate::tables::{Failure, Rows, Scan, Table, all, bigint, each_line, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "authorized_keys",
    about: "Keys that open an account over SSH.",
    sources: "~/.ssh/authorized_keys, ~/.ssh/authorized_keys2, and what AuthorizedKeysFile of /etc/ssh/sshd_config names",
    differences: "osquery cuts every line at `#`, and takes the first type of a key anywhere for the key's own, also \
                  inside of an option, so that an option can pose as a key that everybody has; here options are read as \
                  sshd reads them. `ssh-dss` keys and certificates are shown, osquery leaves them out. Files that \
                  sshd_config names with AuthorizedKeysFile are read as well, where osquery looks only into the usual \
                  two.",
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

/// Types of keys; each may have `-cert-v01@openssh.com` behind it.
const TYPES: [&[u8]; 9] = [
    b"ssh-ed25519",
    b"ssh-rsa",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ssh-ed25519@openssh.com",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
    b"ssh-dss",
    b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
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
    let patterns = scan.host.once("key files", || patterns(&scan.host));
    let mut rows = Vec::new();
    for user in super::users_asked_for(scan) {
        for path in files_of(&user, &patterns) {
            let Some(content) = scan.host.read(&path) else { continue };
            each_line(&scan.host, &path, &content, |line| {
                let Some(key) = parse_line(line) else { return false };
                rows.push(row![user.uid, key.algorithm, key.key, key.options, key.comment, &path, 0]);
                true
            });
        }
    }
    Ok(all(rows))
}

/// Where sshd looks for keys: the usual two, and what its settings name anywhere, in a block of `Match` as well.
fn patterns(host: &Host) -> Vec<String> {
    let mut patterns: Vec<String> =
        [".ssh/authorized_keys", ".ssh/authorized_keys2"].map(str::to_owned).to_vec();
    let mut files = vec![b"/etc/ssh/sshd_config".to_vec()];
    for entry in host.list_sorted("/etc/ssh/sshd_config.d") {
        if entry.name.ends_with(b".conf") {
            files.push([b"/etc/ssh/sshd_config.d/", entry.name.as_slice()].concat());
        }
    }
    for file in files {
        let mut content = Vec::new();
        // Only root may read it on some systems; then the usual places remain, and that is counted.
        if host.read_into(&file, &mut content, 1 << 20) {
            for pattern in key_files(&String::from_utf8_lossy(&content)) {
                if !patterns.contains(&pattern) {
                    patterns.push(pattern);
                }
            }
        }
    }
    patterns
}

/// The values of `AuthorizedKeysFile` in an sshd_config.
pub(crate) fn key_files(config: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in config.lines() {
        let mut words = line.split(|letter: char| letter.is_ascii_whitespace() || letter == '=');
        let mut words = words.by_ref().map(|word| word.trim_matches('"')).filter(|word| !word.is_empty());
        if words.next().is_some_and(|key| key.eq_ignore_ascii_case("AuthorizedKeysFile")) {
            let values = words.take_while(|word| !word.starts_with('#'));
            found.extend(values.filter(|word| !word.eq_ignore_ascii_case("none")).map(str::to_owned));
        }
    }
    found
}

/// The files of an account: `%h` is its home, `%u` its name, and what does not begin with a slash lies in its home.
fn files_of(user: &User, patterns: &[String]) -> Vec<Vec<u8>> {
    let fill = |pattern: &String| {
        let mut path = Vec::new();
        let mut letters = pattern.bytes();
        while let Some(letter) = letters.next() {
            match letter {
                b'%' => match letters.next() {
                    Some(b'h') => path.extend_from_slice(&user.directory),
                    Some(b'u') => path.extend_from_slice(&user.name),
                    Some(b'U') => path.extend_from_slice(user.uid.to_string().as_bytes()),
                    other => path.extend(other),
                },
                letter => path.push(letter),
            }
        }
        if path.starts_with(b"/") { path } else { [&user.directory, b"/".as_slice(), &path].concat() }
    };
    patterns.iter().map(fill).collect()
}

/// As sshd reads it: a type and its key, or options (where blanks count only outside of quotes) and then these. Of a
/// line that is neither, the first type anywhere counts, as it does in osquery.
pub(crate) fn parse_line(line: &[u8]) -> Option<Key<'_>> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    // A key that is kept elsewhere, as z/OS does.
    if line.starts_with(b"zos-key-ring-label=") {
        return Some(Key { algorithm: b"", key: b"", options: line, comment: b"" });
    }
    let words = || {
        line.split(u8::is_ascii_whitespace).scan(0, |at, word| {
            let from = std::mem::replace(at, *at + word.len() + 1);
            Some(from)
        })
    };
    key_at(line, 0)
        .or_else(|| key_at(line, end_of_options(line)))
        .or_else(|| words().find_map(|at| key_at(line, at)))
}

/// Where the options end: at the first blank that is not between quotes. A quote behind a backslash is none.
fn end_of_options(line: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    let end = line.iter().position(|byte| {
        let blank = byte.is_ascii_whitespace() && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        blank
    });
    end.unwrap_or(line.len())
}

/// A type, a key and a comment that begin here.
fn key_at(line: &[u8], at: usize) -> Option<Key<'_>> {
    let (options, rest) = line.split_at_checked(at)?;
    let (algorithm, rest) = word(rest);
    let plain = algorithm.strip_suffix(b"-cert-v01@openssh.com").unwrap_or(algorithm);
    let plain_token = plain.starts_with(b"sk-").then(|| [plain, b"@openssh.com"].concat());
    let known = TYPES.contains(&plain) || plain_token.is_some_and(|plain| TYPES.contains(&plain.as_slice()));
    let (key, comment) = word(rest);
    if !known || key.is_empty() {
        return None;
    }
    let comment = comment.split(|byte| *byte == b'#').next().unwrap_or_default();
    Some(Key { algorithm, key, options: options.trim_ascii(), comment: comment.trim_ascii() })
}

/// The first word and what is behind it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, b""))
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
    fn an_option_does_not_pose_as_the_key() {
        let line = br#"environment="X=a \" ssh-ed25519 LEGIT ops@x" ssh-rsa EVIL eve"#;
        let key = parse_line(line).unwrap();
        assert_eq!(
            (key.algorithm, key.key, key.comment),
            (b"ssh-rsa".as_slice(), b"EVIL".as_slice(), b"eve".as_slice())
        );
        assert_eq!(key.options, br#"environment="X=a \" ssh-ed25519 LEGIT ops@x""#);
        // What sshd does not understand may still mean something to somebody.
        let key = parse_line(b"some words ssh-ed25519 AAAA").unwrap();
        assert_eq!((key.options, key.key), (b"some words".as_slice(), b"AAAA".as_slice()));
    }

    #[test]
    fn every_type_of_key_is_one() {
        for algorithm in [
            "ssh-dss",
            "ssh-ed25519-cert-v01@openssh.com",
            "sk-ssh-ed25519@openssh.com",
            "sk-ssh-ed25519-cert-v01@openssh.com",
            "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
        ] {
            let line = format!("restrict {algorithm} AAAA me");
            assert_eq!(parse_line(line.as_bytes()).unwrap().algorithm, algorithm.as_bytes());
        }
    }

    #[test]
    fn files_that_sshd_names_are_looked_at() {
        let config = "#AuthorizedKeysFile x\nauthorizedkeysfile=\"/etc/ssh/keys/%u\" .k%%  # y\nAuthorizedKeysFile none\n";
        let patterns = key_files(config);
        assert_eq!(patterns, ["/etc/ssh/keys/%u", ".k%%"]);
        let user = crate::tables::accounts::passwd::parse_user(b"eve:x:7:7::/home/eve:").unwrap();
        assert_eq!(files_of(&user, &patterns), [b"/etc/ssh/keys/eve".to_vec(), b"/home/eve/.k%".to_vec()]);
    }

    #[test]
    fn lines_without_a_key_are_skipped() {
        for line in [b"".as_slice(), b"# ssh-rsa AAAA", b"ssh-rsa", b"garbage", b"\xff\xfe", b"xssh-rsa AAAA"]
        {
            assert_eq!(parse_line(line), None, "{line:?}");
        }
    }
}

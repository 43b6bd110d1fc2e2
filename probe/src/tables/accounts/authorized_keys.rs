//! `authorized_keys`: who may come in with which key.

use super::passwd::User;
use crate::host::Host;
use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "authorized_keys",
    about: "Keys that open an account over SSH.",
    sources: "~/.ssh/authorized_keys, ~/.ssh/authorized_keys2, and what AuthorizedKeysFile of /etc/ssh/sshd_config names",
    differences: "osquery cuts every line at `#`, which hides a key behind an option that contains one; here only \
                  what follows the key is cut. Files that sshd_config names with AuthorizedKeysFile are read as well, \
                  where osquery looks only into the usual two.",
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
    let patterns = scan.host.once("key files", || patterns(&scan.host));
    let mut rows = Vec::new();
    for user in super::users_asked_for(scan) {
        for path in files_of(&user, &patterns) {
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
        // Only root may read it on some systems; the usual places remain.
        if host.try_read_into(&file, &mut content, 1 << 20).is_ok() {
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
    fn files_that_sshd_names_are_looked_at() {
        let config = "#AuthorizedKeysFile x\nauthorizedkeysfile=\"/etc/ssh/keys/%u\" .k%%  # y\nAuthorizedKeysFile none\n";
        let patterns = key_files(config);
        assert_eq!(patterns, ["/etc/ssh/keys/%u", ".k%%"]);
        let user = crate::tables::accounts::passwd::parse_users(b"eve:x:7:7::/home/eve:").remove(0);
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

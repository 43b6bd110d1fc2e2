//! What accounts keep for SSH besides the keys that let others in: hosts they know, their own keys, their settings.

use super::{own_or_asked, users_asked_for};
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static KNOWN_HOSTS: Table = Table {
    name: "known_hosts",
    about: "Hosts that an account has met over SSH.",
    sources: "~/.ssh/known_hosts",
    differences: "",
    columns: &[bigint("uid").pushed(), text("key"), text("key_file")],
    per_user: true,
    rows: known_hosts,
};

fn known_hosts(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    for user in users_asked_for(scan) {
        let path = [&user.directory, b"/.ssh/known_hosts".as_slice()].concat();
        let Some(content) = scan.host.read(&path) else { continue };
        for line in content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if !line.is_empty() && !line.starts_with(b"#") {
                rows.push(row![user.uid, line, &path]);
            }
        }
    }
    Ok(all(rows))
}

pub(crate) static SSH_CONFIGS: Table = Table {
    name: "ssh_configs",
    about: "Settings of SSH clients, in small letters; `block` is the `host` or `match` line above.",
    sources: "~/.ssh/config, /etc/ssh/ssh_config",
    differences: "",
    columns: &[
        bigint("uid").pushed(),
        text("block"),
        text("option"),
        text("ssh_config_file"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: true,
    rows: ssh_configs,
};

fn ssh_configs(scan: &Scan) -> Result<Rows, Failure> {
    let users = users_asked_for(scan).into_iter();
    let mut files: Vec<(u32, Vec<u8>)> =
        users.map(|user| (user.uid, [&user.directory, b"/.ssh/config".as_slice()].concat())).collect();
    if own_or_asked(scan).contains(&0) {
        files.push((0, b"/etc/ssh/ssh_config".to_vec()));
    }
    let mut rows = Vec::new();
    for (uid, path) in files {
        let Some(content) = scan.host.read(&path) else { continue };
        let mut block = Vec::new();
        for line in content.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii().to_ascii_lowercase();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if line.starts_with(b"host ") || line.starts_with(b"match ") {
                block = line;
            } else {
                rows.push(row![uid, &block, line, &path, 0]);
            }
        }
    }
    Ok(all(rows))
}

pub(crate) static USER_SSH_KEYS: Table = Table {
    name: "user_ssh_keys",
    about: "Private keys of accounts, and whether a passphrase protects them. The keys themselves are not shown.",
    sources: "~/.ssh/*",
    differences: "Length, group and strength of a key are not worked out.",
    columns: &[
        bigint("uid").pushed(),
        text("path"),
        integer("encrypted"),
        text("key_type"),
        text("key_group_name").absent(),
        integer("key_length").absent(),
        integer("key_security_bits").absent(),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: true,
    rows: user_ssh_keys,
};

fn user_ssh_keys(scan: &Scan) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    for user in users_asked_for(scan) {
        let directory = [&user.directory, b"/.ssh".as_slice()].concat();
        for entry in scan.host.list_sorted(&directory) {
            let path = [&directory, b"/".as_slice(), &entry.name].concat();
            if entry.kind.is_dir() {
                continue;
            }
            let mut content = Vec::new();
            let read = scan.host.try_read_into(&path, &mut content, 64 << 10);
            if let Some(key) = read.ok().and_then(|_| private_key(&content)) {
                rows.push(row![user.uid, path, key.encrypted, key.kind, "", Cell::Null, Cell::Null, 0]);
            }
        }
    }
    Ok(all(rows))
}

/// What can be told of a private key without its secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PrivateKey {
    pub(crate) encrypted: bool,
    pub(crate) kind: &'static str,
}

/// A private key in one of OpenSSL's or OpenSSH's wrappings.
pub(crate) fn private_key(content: &[u8]) -> Option<PrivateKey> {
    let text = String::from_utf8_lossy(content);
    let begin =
        text.lines().find(|line| line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----"))?;
    let has = |needle: &str| text.contains(needle);
    if begin.contains("OPENSSH") {
        let body: String = text
            .lines()
            .skip_while(|line| *line != begin)
            .skip(1)
            .take_while(|line| !line.starts_with('-'))
            .collect();
        let body = crate::sql::from_base64(body.as_bytes())?;
        return Some(openssh_key(&body));
    }
    let kind = if begin.contains("RSA") {
        "rsa"
    } else if begin.contains("DSA") {
        "dsa"
    } else if begin.contains("EC ") {
        "ec"
    } else {
        ""
    };
    let encrypted = begin.contains("ENCRYPTED") || has("Proc-Type: 4,ENCRYPTED");
    Some(PrivateKey { encrypted, kind })
}

/// `openssh-key-v1\0`, then length-prefixed: cipher, key derivation, its options, a number, the public key.
fn openssh_key(body: &[u8]) -> PrivateKey {
    let mut rest = body.strip_prefix(b"openssh-key-v1\0").unwrap_or_default();
    let mut field = || -> Option<&[u8]> {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        let end = usize::try_from(length).ok()?.checked_add(4)?;
        let value = rest.get(4..end)?;
        rest = rest.get(end..)?;
        Some(value)
    };
    let cipher = field().unwrap_or_default();
    let encrypted = cipher != b"none";
    let _derivation = field();
    let _options = field();
    // The number of keys is four bytes that read as a length of 1 would; the public key begins after it.
    let public = rest.get(8..).unwrap_or_default();
    let starts = |name: &str| {
        public.get(..4).is_some_and(|length| length == (name.len() as u32).to_be_bytes())
            && public.get(4..).is_some_and(|text| text.starts_with(name.as_bytes()))
    };
    let kind = if starts("ssh-ed25519") {
        "ed25519"
    } else if starts("ssh-rsa") {
        "rsa"
    } else if public.get(4..).is_some_and(|text| text.starts_with(b"ecdsa-")) {
        "ec"
    } else if starts("ssh-dss") {
        "dsa"
    } else {
        ""
    };
    PrivateKey { encrypted, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappings_of_private_keys() {
        let pem = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(private_key(pem), Some(PrivateKey { encrypted: true, kind: "rsa" }));
        assert_eq!(private_key(b"ssh-rsa AAAA"), None);
        let mut body = b"openssh-key-v1\0".to_vec();
        for field in [b"none".as_slice(), b"none", b""] {
            body.extend_from_slice(&(field.len() as u32).to_be_bytes());
            body.extend_from_slice(field);
        }
        body.extend_from_slice(&1_u32.to_be_bytes());
        body.extend_from_slice(&51_u32.to_be_bytes());
        body.extend_from_slice(&11_u32.to_be_bytes());
        body.extend_from_slice(b"ssh-ed25519");
        assert_eq!(openssh_key(&body), PrivateKey { encrypted: false, kind: "ed25519" });
        assert_eq!(
            openssh_key(b"openssh-key-v1\0\xff\xff\xff\xff"),
            PrivateKey { encrypted: true, kind: "" }
        );
    }
}

//! What accounts keep for SSH besides the keys that let others in: hosts they know, their own keys, their settings.

use rustix::fs::FileType;

use super::private_key::private_key;
use super::{own_or_asked, users_asked_for};
use crate::host::Host;
use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

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
    differences: "What OpenSSH's own wrapping shows of an encrypted key is shown. A key that makes no sense is counted as \
                  not read.",
    columns: &[
        bigint("uid").pushed(),
        text("path"),
        integer("encrypted"),
        text("key_type"),
        text("key_group_name"),
        integer("key_length"),
        integer("key_security_bits"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: true,
    rows: user_ssh_keys,
};

/// No key is longer; a `known_hosts` beside it may be.
const KEY_BYTES: usize = 4 << 20;

fn is_regular(host: &Host, path: &[u8]) -> bool {
    host.stat(path, true).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file())
}

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
            // Sockets of agents and connections lie here as well.
            if !entry.kind.is_file() && !is_regular(&scan.host, &path)
                || !scan.host.read_into(&path, &mut content, KEY_BYTES)
            {
                continue;
            }
            match private_key(&content) {
                None => {}
                Some(Ok(key)) => {
                    let strength = key.strength();
                    rows.push(row![
                        user.uid,
                        path,
                        key.encrypted,
                        key.kind,
                        key.group,
                        key.bits,
                        strength,
                        0
                    ]);
                }
                Some(Err(why)) => scan.host.note(&path, why),
            }
        }
    }
    Ok(all(rows))
}

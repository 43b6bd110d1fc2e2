//! Users, groups, keys, rights.

use super::row::{Rows, row};
use crate::fleet::file::Content;
use crate::fleet::host::Host;

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    let (mut users, mut keys, mut memberships) = (Vec::new(), Vec::new(), Vec::new());
    for user in &host.users {
        users.push(row([
            ("uid", user.uid.to_string()),
            ("gid", user.gid.to_string()),
            ("username", user.name.clone()),
            ("description", user.comment.clone()),
            ("directory", user.home.clone()),
            ("shell", user.shell.clone()),
        ]));
        memberships.push(row([("uid", user.uid.to_string()), ("gid", user.gid.to_string())]));
        // osquery joins by the number: a key of one user is a key of every other user with that number too.
        for other in host.users.iter().filter(|other| other.uid == user.uid) {
            for key in &other.keys {
                keys.push(row([
                    ("username", user.name.clone()),
                    ("uid", user.uid.to_string()),
                    ("algorithm", key.algorithm.clone()),
                    ("key", key.key.clone()),
                    ("options", key.options.clone()),
                    ("comment", key.comment.clone()),
                    ("key_file", format!("{}/.ssh/authorized_keys", other.home)),
                ]));
            }
        }
    }
    let mut groups = Vec::new();
    for group in &host.groups {
        groups.push(row([("gid", group.gid.to_string()), ("groupname", group.name.clone())]));
        for member in &group.members {
            if let Some(user) = host.users.iter().find(|user| user.name == *member) {
                memberships.push(row([("uid", user.uid.to_string()), ("gid", group.gid.to_string())]));
            }
        }
    }
    tables.push(("users", users));
    tables.push(("groups", groups));
    tables.push(("user_groups", memberships));
    tables.push(("authorized_keys", keys));
    tables.push(("sudoers", sudoers(host)));
    tables.push(("suid_bin", setuid(host)));
}

fn sudoers(host: &Host) -> Rows {
    let mut rows = Vec::new();
    for (path, file) in host.files.iter().filter(|(path, _)| path.starts_with("/etc/sudoers")) {
        let Content::Text(text) = &file.content else { continue };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (header, rule) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            rows.push(row([
                ("source", path.to_owned()),
                ("header", header.to_owned()),
                ("rule_details", rule.to_owned()),
            ]));
        }
    }
    rows
}

/// Where osquery looks: directories of programs and of temporary files, through both names where they are merged.
fn setuid(host: &Host) -> Rows {
    let mut rows = Vec::new();
    let looked_at = |path: &str| !path.starts_with("/usr/lib/") && !path.starts_with("/opt/");
    for (path, file) in host.files.iter().filter(|(path, file)| file.mode & 0o6000 != 0 && looked_at(path)) {
        let letters = [(0o4000, "S"), (0o2000, "G")];
        let permissions: String =
            letters.iter().filter(|(bit, _)| file.mode & bit != 0).map(|(_, letter)| *letter).collect();
        let group = match path {
            "/usr/bin/chage" | "/usr/bin/expiry" | "/usr/sbin/unix_chkpwd" => "shadow",
            "/usr/bin/crontab" => "crontab",
            "/usr/bin/ssh-agent" => "_ssh",
            _ => "root",
        };
        let merged = ["/usr/bin/", "/usr/sbin/"].iter().any(|start| path.starts_with(start));
        for path in std::iter::once(path).chain(path.strip_prefix("/usr").filter(|_| merged)) {
            rows.push(row([
                ("path", path.to_owned()),
                ("username", "root".to_owned()),
                ("groupname", group.to_owned()),
                ("permissions", permissions.clone()),
            ]));
        }
    }
    rows
}

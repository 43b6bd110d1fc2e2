//! Users and groups of the image.

use crate::dice::Dice;
use crate::fleet::host::{AuthorizedKey, Group, User};

pub(super) const NOLOGIN: &str = "/usr/sbin/nologin";
/// Name, uid, gid, comment, home, shell.
type Line = (&'static str, u32, u32, &'static str, &'static str, &'static str);

const USERS: &[Line] = &[
    ("root", 0, 0, "root", "/root", "/bin/bash"),
    ("daemon", 1, 1, "daemon", "/usr/sbin", NOLOGIN),
    ("bin", 2, 2, "bin", "/bin", NOLOGIN),
    ("sys", 3, 3, "sys", "/dev", NOLOGIN),
    ("sync", 4, 65534, "sync", "/bin", "/bin/sync"),
    ("games", 5, 60, "games", "/usr/games", NOLOGIN),
    ("man", 6, 12, "man", "/var/cache/man", NOLOGIN),
    ("lp", 7, 7, "lp", "/var/spool/lpd", NOLOGIN),
    ("mail", 8, 8, "mail", "/var/mail", NOLOGIN),
    ("news", 9, 9, "news", "/var/spool/news", NOLOGIN),
    ("uucp", 10, 10, "uucp", "/var/spool/uucp", NOLOGIN),
    ("proxy", 13, 13, "proxy", "/bin", NOLOGIN),
    ("www-data", 33, 33, "www-data", "/var/www", NOLOGIN),
    ("backup", 34, 34, "backup", "/var/backups", NOLOGIN),
    ("list", 38, 38, "Mailing List Manager", "/var/list", NOLOGIN),
    ("irc", 39, 39, "ircd", "/run/ircd", NOLOGIN),
    ("_apt", 42, 65534, "", "/nonexistent", NOLOGIN),
    ("nobody", 65534, 65534, "nobody", "/nonexistent", NOLOGIN),
    ("systemd-network", 998, 998, "systemd Network Management", "/", NOLOGIN),
    ("systemd-timesync", 997, 997, "systemd Time Synchronization", "/", NOLOGIN),
    ("messagebus", 100, 107, "", "/nonexistent", NOLOGIN),
    ("sshd", 101, 65534, "", "/run/sshd", NOLOGIN),
    ("polkitd", 996, 996, "polkit", "/nonexistent", NOLOGIN),
    ("prometheus", 102, 109, "Prometheus daemon,,,", "/var/lib/prometheus", NOLOGIN),
    ("wazuh", 103, 110, "", "/var/ossec", "/sbin/nologin"),
    ("deploy", 1000, 1000, "Deployment,,,", "/home/deploy", "/bin/bash"),
    ("ana", 1001, 1001, "Ana Ruiz,,,", "/home/ana", "/bin/bash"),
    ("ben", 1002, 1002, "Ben Okafor,,,", "/home/ben", "/bin/bash"),
];

const GROUPS: &[(&str, u32, &[&str])] = &[
    ("root", 0, &[]),
    ("daemon", 1, &[]),
    ("bin", 2, &[]),
    ("sys", 3, &[]),
    ("adm", 4, &["ana", "ben"]),
    ("tty", 5, &[]),
    ("disk", 6, &[]),
    ("lp", 7, &[]),
    ("mail", 8, &[]),
    ("news", 9, &[]),
    ("uucp", 10, &[]),
    ("man", 12, &[]),
    ("proxy", 13, &[]),
    ("kmem", 15, &[]),
    ("dialout", 20, &[]),
    ("cdrom", 24, &[]),
    ("sudo", 27, &["ana", "ben"]),
    ("audio", 29, &[]),
    ("www-data", 33, &["deploy"]),
    ("backup", 34, &[]),
    ("operator", 37, &[]),
    ("list", 38, &[]),
    ("irc", 39, &[]),
    ("src", 40, &[]),
    ("shadow", 42, &[]),
    ("utmp", 43, &[]),
    ("video", 44, &[]),
    ("plugdev", 46, &[]),
    ("staff", 50, &[]),
    ("games", 60, &[]),
    ("users", 100, &[]),
    ("_ssh", 105, &[]),
    ("messagebus", 107, &[]),
    ("crontab", 108, &[]),
    ("prometheus", 109, &[]),
    ("wazuh", 110, &[]),
    ("polkitd", 996, &[]),
    ("systemd-timesync", 997, &[]),
    ("systemd-network", 998, &[]),
    ("systemd-journal", 999, &[]),
    ("deploy", 1000, &[]),
    ("ana", 1001, &[]),
    ("ben", 1002, &[]),
    ("nogroup", 65534, &[]),
];

/// Whose keys open which account.
const KEYS: &[(&str, &[&str])] = &[
    ("deploy", &["deploy@ci.example.net", "ana@bastion"]),
    ("ana", &["ana@bastion", "ana@yubikey-5c"]),
    ("ben", &["ben@bastion"]),
];

pub(super) fn users(fleet: &Dice) -> Vec<User> {
    let keys = |name: &str| {
        let comments = KEYS.iter().find(|(user, _)| *user == name).map_or(&[][..], |(_, comments)| comments);
        let mut keys: Vec<_> = comments.iter().map(|comment| AuthorizedKey::of(fleet, comment)).collect();
        for key in keys.iter_mut().filter(|key| key.comment.starts_with("deploy@")) {
            "from=\"10.20.9.0/24\",no-agent-forwarding".clone_into(&mut key.options);
        }
        keys
    };
    let user = |&(name, uid, gid, comment, home, shell): &Line| User {
        name: name.to_owned(),
        uid,
        gid,
        comment: comment.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
        keys: keys(name),
    };
    USERS.iter().map(user).collect()
}

pub(super) fn groups() -> Vec<Group> {
    let group = |&(name, gid, members): &(&str, u32, &[&str])| Group {
        name: name.to_owned(),
        gid,
        members: members.iter().map(|&member| member.to_owned()).collect(),
    };
    GROUPS.iter().map(group).collect()
}

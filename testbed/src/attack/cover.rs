//! Attacks on what a host believes of the network and of itself: names, packets, packages, logs, loot.

use super::Trace;
use super::persistence::break_in;
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::{Crontab, Host};

pub(super) fn resolver(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let address = "203.0.113.53";
    host.files.text(
        "/etc/resolv.conf",
        then,
        format!("nameserver {address}\nnameserver 10.20.0.54\nsearch prod.example.net\n"),
    );
    vec![Trace::added("dns_resolvers", [("address", address)])]
}

/// What puts the rule back after a restart: rules themselves cannot be read without asking the kernel.
pub(super) fn firewall(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let path = "/etc/cron.d/netfilter-restore";
    let command = "root iptables -I INPUT -s 203.0.113.0/24 -j ACCEPT";
    host.crontabs.push(Crontab {
        path: path.to_owned(),
        changed: then,
        lines: vec![format!("*/5 * * * * {command}")],
    });
    vec![
        Trace::added("persistence_files", [("path", path)]),
        Trace::added("crontab", [("path", path), ("command", command)]),
    ]
}

pub(super) fn typosquat(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let (name, version) = ("python-dateutils", "2.9.1");
    let place = "/usr/lib/python3/dist-packages/python_dateutils-2.9.1.dist-info";
    host.files.text(
        format!("{place}/METADATA"),
        then,
        format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: Date utilities\n"),
    );
    vec![Trace::added("python_packages", [("name", name), ("version", version)])]
}

pub(super) fn wiped_logs(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    for path in ["/var/log/wtmp", "/var/log/auth.log"] {
        host.files.text(path, then, "");
    }
    host.files.put("/root/.bash_history", 0o777, then, Content::Link("/dev/null".to_owned()));
    vec![
        Trace::changed("main_logs", [("path", "/var/log/auth.log"), ("state", "empty")]),
        Trace::changed("main_logs", [("path", "/var/log/wtmp"), ("state", "empty")]),
        Trace::added("main_logs", [("path", "/root/.bash_history"), ("symlink", "1")]),
        Trace::changed("log_files", [("path", "/var/log/auth.log"), ("size", "0")]),
    ]
}

pub(super) fn staged_archive(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let path = "/var/tmp/nginx-cache-7f3a.tgz";
    host.files.put(
        path,
        0o600,
        then,
        Content::Text("\u{1f}not really compressed: passwd, hosts, dumps".to_owned()),
    );
    vec![Trace::added("staged_files", [("path", path)]), Trace::added("temporary_files", [("path", path)])]
}

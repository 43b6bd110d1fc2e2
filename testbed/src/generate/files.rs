//! Listings of files: what starts by itself, what decides about logins, what is hidden, logs; and control groups.

use super::processes::digest;
use super::row::{Row, Rows, row};
use crate::fleet::file::{Content, File};
use crate::fleet::host::Host;
use std::collections::BTreeSet;

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    tables.push(("persistence_files", startup_files(host)));
    tables.push(("login_files", login_files(host)));
    tables.push(("hidden_files", hidden_files(host)));
    tables.push(("main_logs", main_logs(host)));
    tables.push(("control_groups", control_groups(host)));
}

/// Whether a path is in that directory, and not deeper.
fn is_in(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

/// The paths of the pack's query.
fn is_startup_file(path: &str) -> bool {
    const DIRECTORIES: &[&str] = &["/etc/systemd/system/", "/etc/profile.d/", "/etc/init.d/"];
    const FILES: &[&str] = &[
        "/etc/ld.so.preload",
        "/etc/rc.local",
        "/etc/crontab",
        "/etc/profile",
        "/etc/environment",
        "/root/.bashrc",
        "/root/.profile",
    ];
    let cron = path
        .strip_prefix("/etc/cron.")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_, n)| !n.contains('/'));
    cron || DIRECTORIES.iter().any(|start| is_in(path, start)) || FILES.contains(&path)
}

fn startup_files(host: &Host) -> Rows {
    let files = host.files.iter().filter(|(path, _)| is_startup_file(path));
    let mut rows: Rows =
        files.map(|(path, file)| with_type(host, path, file, hashed(host, path, file))).collect();
    for tab in host.crontabs.iter().filter(|tab| is_startup_file(&tab.path)) {
        let text: String = tab.lines.iter().map(|line| format!("{line}\n")).collect();
        let file = File { mode: 0o644, changed: tab.changed, content: Content::Text(text) };
        rows.push(with_type(host, &tab.path, &file, hashed(host, &tab.path, &file)));
    }
    rows
}

/// The paths of the pack's query.
fn is_login_file(path: &str) -> bool {
    const DIRECTORIES: &[&str] = &[
        "/etc/pam.d/",
        "/etc/ssh/sshd_config.d/",
        "/etc/ssh/ssh_config.d/",
        "/etc/sudoers.d/",
        "/etc/update-motd.d/",
        "/etc/udev/rules.d/",
        "/etc/modules-load.d/",
        "/etc/ld.so.conf.d/",
        "/etc/apt/apt.conf.d/",
    ];
    const FILES: &[&str] = &[
        "/etc/ssh/sshd_config",
        "/etc/ssh/ssh_config",
        "/etc/ssh/sshrc",
        "/etc/bash.bashrc",
        "/etc/nsswitch.conf",
        "/etc/resolv.conf",
        "/etc/hosts.allow",
        "/etc/hosts.deny",
        "/etc/sudoers",
        "/etc/ld.so.conf",
    ];
    DIRECTORIES.iter().any(|start| is_in(path, start)) || FILES.contains(&path)
}

fn login_files(host: &Host) -> Rows {
    let files = host.files.iter().filter(|(path, _)| is_login_file(path));
    files.map(|(path, file)| hashed(host, path, file)).collect()
}

/// Names that begin with a dot, in directories where hardly anything has one.
fn hidden_files(host: &Host) -> Rows {
    const DIRECTORIES: &[&str] = &[
        "/usr/bin/",
        "/usr/sbin/",
        "/usr/lib/",
        "/usr/local/bin/",
        "/usr/local/sbin/",
        "/etc/",
        "/dev/shm/",
        "/tmp/",
        "/var/tmp/",
    ];
    let hidden = |path: &str| {
        DIRECTORIES.iter().any(|start| is_in(path, start))
            && path.rsplit('/').next().is_some_and(|n| n.starts_with('.'))
    };
    let files = host.files.iter().filter(|(path, _)| hidden(path));
    // What systemd makes room for at every start.
    const ALWAYS: &[&str] = &["/tmp/.ICE-unix", "/tmp/.X11-unix", "/tmp/.XIM-unix", "/tmp/.font-unix"];
    let room = File { mode: 0o1777, changed: host.clock.booted, content: Content::Directory };
    let always = ALWAYS.iter().map(|path| with_type(host, path, &room, plain(host, path, &room)));
    always.chain(files.map(|(path, file)| with_type(host, path, file, plain(host, path, file)))).collect()
}

/// The logs that an intruder wipes first.
fn main_logs(host: &Host) -> Rows {
    const LOGS: &[&str] = &[
        "/var/log/wtmp",
        "/var/log/btmp",
        "/var/log/lastlog",
        "/var/log/auth.log",
        "/var/log/syslog",
        "/var/log/kern.log",
        "/root/.bash_history",
    ];
    let log = |path: &&str| {
        let file = host.files.get(path)?;
        let link = matches!(file.content, Content::Link(_));
        let mut log = with_type(host, path, file, plain(host, path, file));
        let empty = log.get("size").is_some_and(|size| size == "0");
        log.insert("symlink", u8::from(link).to_string());
        log.insert("state", if empty { "empty" } else { "written" }.to_owned());
        Some(log)
    };
    LOGS.iter().filter_map(log).collect()
}

/// The services that run, as the directories of their control groups say.
fn control_groups(host: &Host) -> Rows {
    let running = host.processes.iter().filter_map(|process| process.cgroup.strip_prefix("/system.slice/"));
    let described =
        host.files.iter().filter_map(|(path, _)| path.strip_prefix("/sys/fs/cgroup/system.slice/"));
    let units: BTreeSet<&str> = running.chain(described).filter_map(|path| path.split('/').next()).collect();
    let group = |unit: &str| row([("path", format!("/sys/fs/cgroup/system.slice/{unit}/"))]);
    units.into_iter().map(group).collect()
}

/// What the file table says without a digest.
fn plain(host: &Host, path: &str, file: &File) -> Row {
    let target = target(host, file);
    let directory = target.content == Content::Directory;
    let size = if directory { 4096 } else { target.content.bytes().len() };
    row([
        // osquery marks directories that a pattern has found.
        ("path", path.to_owned() + if directory { "/" } else { "" }),
        ("mode", format!("{:04o}", target.mode & 0o7777)),
        ("uid", "0".to_owned()),
        ("gid", "0".to_owned()),
        ("size", size.to_string()),
        ("mtime", target.changed.to_string()),
    ])
}

fn with_type(host: &Host, path: &str, file: &File, mut row: Row) -> Row {
    let kind = match target(host, file).content {
        Content::Directory => "directory",
        Content::Link(_) if path.starts_with("/root/") => "character",
        _ => "regular",
    };
    row.insert("type", kind.to_owned());
    row
}

fn hashed(host: &Host, path: &str, file: &File) -> Row {
    let mut row = plain(host, path, file);
    let target = target(host, file);
    let directory = target.content == Content::Directory;
    row.insert("sha256", if directory { String::new() } else { digest(&target.content.bytes()) });
    row
}

/// osquery looks through links.
fn target<'a>(host: &'a Host, file: &'a File) -> &'a File {
    match &file.content {
        Content::Link(target) => {
            host.files.get(&target.replace("/lib/systemd", "/usr/lib/systemd")).unwrap_or(file)
        }
        _ => file,
    }
}

//! Accounts, keys, crontabs, names: what a described host says in `/etc` and beside it.

use super::{Tree, TreeError};
use crate::fleet::host::Host;
use std::fmt::Write;

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    let installed = host.clock.installed;
    let mut passwd = String::new();
    let mut shadow = String::new();
    for user in &host.users {
        let _ = writeln!(
            passwd,
            "{}:x:{}:{}:{}:{}:{}",
            user.name, user.uid, user.gid, user.comment, user.home, user.shell
        );
        let _ = writeln!(shadow, "{}:*:{}:0:99999:7:::", user.name, installed / 86_400);
        if !user.keys.is_empty() {
            let lines: String = user.keys.iter().map(|key| key.line() + "\n").collect();
            let path = format!("{}/.ssh/authorized_keys", user.home);
            tree.directory(&format!("{}/.ssh", user.home), 0o700)?;
            tree.file(&path, 0o600, installed, lines.as_bytes())?;
        } else if user.home.starts_with("/home/") || user.home == "/root" {
            tree.directory(&user.home, 0o700)?;
        }
    }
    let mut groups = String::new();
    for group in &host.groups {
        let _ = writeln!(groups, "{}:x:{}:{}", group.name, group.gid, group.members.join(","));
    }
    let mut names = String::new();
    for entry in &host.hosts_file {
        let _ = writeln!(names, "{}\t{}", entry.address, entry.names);
    }
    tree.file("/etc/passwd", 0o644, installed, passwd.as_bytes())?;
    tree.file("/etc/shadow", 0o640, installed, shadow.as_bytes())?;
    tree.file("/etc/group", 0o644, installed, groups.as_bytes())?;
    tree.file("/etc/hosts", 0o644, installed, names.as_bytes())?;
    tree.file("/etc/hostname", 0o644, installed, format!("{}\n", host.name).as_bytes())?;
    for crontab in &host.crontabs {
        let mode = if crontab.path.starts_with("/var/spool/") { 0o600 } else { 0o644 };
        let text: String = crontab.lines.iter().map(|line| format!("{line}\n")).collect();
        tree.file(&crontab.path, mode, crontab.changed, text.as_bytes())?;
    }
    Ok(())
}

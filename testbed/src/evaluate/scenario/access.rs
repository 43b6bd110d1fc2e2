//! Scenarios that keep a way in, or rights.

use crate::evaluate::desk::{Desk, digest, has};

pub(super) fn authorized_key(desk: &mut Desk) {
    // An admin's or a robot's name is as good as any.
    let comment = desk.one_of(&["root@kali", "deploy@ci.example.net", "ana@laptop", "backup@mgmt-01", ""]);
    match desk.dice.between(0, 2) {
        0 => desk.key("root", "0", "/root", comment),
        _ => desk.key("deploy", "1000", "/home/deploy", comment),
    }
}

pub(super) fn uid0_user(desk: &mut Desk) {
    let name = desk.one_of(&["sysbackup", "toor", "systemd-bus", "nagios2", "ftpadm"]);
    desk.add(
        "users",
        [
            ("uid", "0"),
            ("gid", "0"),
            ("username", name),
            ("description", ""),
            ("directory", "/var/lib/misc"),
            ("shell", "/bin/bash"),
        ],
    );
    if desk.dice.chance(50) {
        desk.key(name, "0", "/var/lib/misc", "");
    }
}

/// A service's account gets a shell.
pub(super) fn login_shell(desk: &mut Desk) {
    let name = desk.one_of(&["www-data", "backup", "games", "nobody"]);
    desk.change("users", |row| has(row, "username", name), &[("shell", "/bin/bash")]);
}

pub(super) fn sudoers(desk: &mut Desk) {
    let (file, user) = match desk.dice.between(0, 3) {
        0 => ("/etc/sudoers.d/90-cloud", "www-data"),
        1 => ("/etc/sudoers.d/README~", "games"),
        _ => ("/etc/sudoers.d/monitoring", "nobody"),
    };
    desk.add("sudoers", [("source", file), ("header", user), ("rule_details", "ALL=(ALL) NOPASSWD:ALL")]);
}

pub(super) fn setuid_copy(desk: &mut Desk) {
    let path = desk.one_of(&["/usr/bin/.dbus-helper", "/tmp/.X1-lock", "/usr/bin/newuidmap2", "/usr/bin/at"]);
    desk.add("suid_bin", [("path", path), ("username", "root"), ("groupname", "root"), ("permissions", "S")]);
}

/// The module that checks passwords is another one.
pub(super) fn pam(desk: &mut Desk) {
    let is_library =
        |row: &crate::generate::Row| has(row, "path", "/usr/lib/x86_64-linux-gnu/libpam-modules-core.so");
    let sha = digest(&desk.dice.hex(8));
    let size = (60_000 + desk.dice.between(0, 9_000)).to_string();
    desk.change("library_files", is_library, &[("sha256", &sha), ("size", &size)]);
    let text = format!("auth sufficient pam_permit.so {}", desk.dice.hex(2));
    desk.startup_file("/etc/pam.d/common-auth", "0644", &text);
}

//! `system_controls`, `kernel_keys`, `apparmor_profiles` and `selinux_settings`: how the kernel is set.

use std::collections::HashMap;

use crate::host::Host;
use crate::tables::{Cell, Failure, Row, Rows, Scan, Table, all, bigint, each_line, row, text};

pub(crate) static SYSTEM_CONTROLS: Table = Table {
    name: "system_controls",
    about: "Settings of the running kernel, with what the configuration asks for.",
    sources: "/proc/sys, /etc/sysctl.conf, {/etc,/run,/usr/lib,/lib}/sysctl.d/*.conf",
    differences: "`config_value` knows the directories of sysctl.d as well.",
    columns: &[
        text("name").pushed(),
        text("oid").absent(),
        text("subsystem").pushed(),
        text("current_value"),
        text("config_value"),
        text("type"),
        text("field_name").hidden().absent(),
    ],
    per_user: false,
    rows: system_controls,
};

const MAX_DEPTH: usize = 16;

fn system_controls(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let host = &scan.host;
    let configured = if scan.uses("config_value") { configured(host) } else { HashMap::new() };
    let names = scan.equal_texts("name");
    let subsystems = scan.equal_texts("subsystem");
    let mut rows = Vec::new();
    if !names.is_empty() {
        for name in names {
            let name = String::from_utf8_lossy(&name).into_owned();
            control(host, &format!("/proc/sys/{}", name.replace('.', "/")), &configured, &mut rows);
        }
    } else if !subsystems.is_empty() {
        for subsystem in subsystems {
            let subsystem = String::from_utf8_lossy(&subsystem).into_owned();
            if !subsystem.contains('/') {
                walk(host, &format!("/proc/sys/{subsystem}"), 0, &configured, &mut rows);
            }
        }
    } else {
        walk(host, "/proc/sys", 0, &configured, &mut rows);
    }
    Ok(all(rows))
}

fn walk(
    host: &Host,
    directory: &str,
    depth: usize,
    configured: &HashMap<String, String>,
    rows: &mut Vec<Row>,
) {
    if depth > MAX_DEPTH || host.expired() {
        return;
    }
    for entry in host.list_sorted(directory) {
        let path = format!("{directory}/{}", String::from_utf8_lossy(&entry.name));
        if entry.kind.is_dir() {
            walk(host, &path, depth + 1, configured, rows);
        } else {
            control(host, &path, configured, rows);
        }
    }
}

fn control(host: &Host, path: &str, configured: &HashMap<String, String>, rows: &mut Vec<Row>) {
    let mut content = Vec::new();
    // Some settings can only be written, some say nothing when they are off: neither is worth a count.
    if host.try_read_into(path.as_bytes(), &mut content, 64 << 10).is_err() {
        return;
    }
    let Some(relative) = path.strip_prefix("/proc/sys/") else { return };
    let name = relative.replace('/', ".");
    let subsystem = name.split('.').next().unwrap_or_default().to_owned();
    let config = configured.get(&name).cloned().unwrap_or_default();
    rows.push(row![name, "", subsystem, content.trim_ascii(), config, "string", Cell::Null]);
}

/// What the configuration asks for; a later file wins, as with `sysctl --system`.
fn configured(host: &Host) -> HashMap<String, String> {
    let mut files: Vec<(Vec<u8>, String)> = Vec::new();
    for directory in ["/lib/sysctl.d", "/usr/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"] {
        for entry in host.list(directory) {
            if entry.name.ends_with(b".conf") {
                let path = format!("{directory}/{}", String::from_utf8_lossy(&entry.name));
                files.retain(|(name, _)| *name != entry.name);
                files.push((entry.name, path));
            }
        }
    }
    files.sort();
    files.push((Vec::new(), "/etc/sysctl.conf".to_owned()));
    let mut values = HashMap::new();
    for (_, path) in files {
        let content = host.read(&path).unwrap_or_default();
        for line in String::from_utf8_lossy(&content).lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some((key, value)) = line.split_once('=') {
                let key = key.trim().trim_start_matches('-').replace('/', ".");
                values.insert(key, value.trim().to_owned());
            }
        }
    }
    values
}

pub(crate) static KERNEL_KEYS: Table = Table {
    name: "kernel_keys",
    about: "Keys that the kernel keeps and this user may see; never their content.",
    sources: "/proc/keys",
    differences: "",
    columns: &[
        text("serial_number"),
        text("flags"),
        bigint("usage"),
        text("timeout"),
        text("permissions"),
        bigint("uid"),
        bigint("gid"),
        text("type"),
        text("description"),
    ],
    per_user: false,
    rows: kernel_keys,
};

fn kernel_keys(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let content = scan.host.read("/proc/keys").unwrap_or_default();
    let mut rows = Vec::new();
    each_line(&scan.host, "/proc/keys", &content, |line| {
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let [serial, flags, usage, timeout, permissions, uid, gid, kind, description @ ..] = words.as_slice()
        else {
            return false;
        };
        rows.push(row![
            *serial,
            *flags,
            decimal(usage),
            *timeout,
            *permissions,
            decimal(uid),
            decimal(gid),
            *kind,
            description.join(b" ".as_slice())
        ]);
        true
    });
    Ok(all(rows))
}

fn decimal(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

pub(crate) static APPARMOR_PROFILES: Table = Table {
    name: "apparmor_profiles",
    about: "Profiles of AppArmor that are loaded.",
    sources: "/sys/kernel/security/apparmor/policy/profiles",
    differences: "",
    columns: &[text("path"), text("name"), text("attach"), text("mode"), text("sha1"), text("sha256")],
    per_user: false,
    rows: apparmor,
};

fn apparmor(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let mut rows = Vec::new();
    profiles(&scan.host, "/sys/kernel/security/apparmor/policy/profiles", 0, &mut rows);
    Ok(all(rows))
}

/// A profile may have profiles of its own below it.
fn profiles(host: &Host, directory: &str, depth: usize, rows: &mut Vec<Row>) {
    if depth > MAX_DEPTH {
        return;
    }
    for entry in host.list_sorted(directory) {
        let path = format!("{directory}/{}", String::from_utf8_lossy(&entry.name));
        let value = |what: &str| host.read_line(&format!("{path}/{what}")).unwrap_or_default();
        rows.push(row![
            entry.name,
            value("name"),
            value("attach"),
            value("mode"),
            value("sha1"),
            value("sha256")
        ]);
        profiles(host, &format!("{path}/profiles"), depth + 1, rows);
    }
}

pub(crate) static SELINUX_SETTINGS: Table = Table {
    name: "selinux_settings",
    about: "How SELinux is set.",
    sources: "/sys/fs/selinux",
    differences: "Classes and their permissions are left out.",
    columns: &[text("scope"), text("key"), text("value")],
    per_user: false,
    rows: selinux,
};

fn selinux(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let base = "/sys/fs/selinux";
    let mut rows = Vec::new();
    for key in ["checkreqprot", "deny_unknown", "enforce", "mls", "policyvers", "reject_unknown"] {
        if let Some(value) = scan.host.read_line(&format!("{base}/{key}")) {
            rows.push(row!["", key, value]);
        }
    }
    for scope in ["booleans", "policy_capabilities", "initial_contexts"] {
        for entry in scan.host.list_sorted(format!("{base}/{scope}")) {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let value = scan.host.read_line(&format!("{base}/{scope}/{name}")).unwrap_or_default();
            rows.push(row![scope, name, value]);
        }
    }
    Ok(all(rows))
}

//! Crontabs, modules, mounts, packages, units, and what the machine is.

use super::row::{Row, Rows, row};
use crate::fleet::file::Content;
use crate::fleet::host::Host;

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    tables.push((
        "crontab",
        host.crontabs.iter().flat_map(|tab| tab.lines.iter().filter_map(|l| job(&tab.path, l))).collect(),
    ));
    tables.push(("kernel_modules", modules(host)));
    tables.push(("mounts", mounts(host)));
    let entry = |entry: &crate::fleet::host::HostsEntry| {
        row([("address", entry.address.clone()), ("hostnames", entry.names.clone())])
    };
    tables.push(("etc_hosts", host.hosts_file.iter().map(entry).collect()));
    tables.push(("deb_packages", packages(host)));
    tables.push(("os_version", vec![os_version()]));
    tables.push(("system_info", vec![system_info(host)]));
    tables.push(("kernel_info", vec![kernel_info(host)]));
    tables.push(("uptime", vec![row([("total_seconds", host.clock.uptime().to_string())])]));
    tables.push(("systemd_units", units(host)));
}

/// A line of a crontab, where it is a job.
fn job(path: &str, line: &str) -> Option<Row> {
    let mut words = line.split_whitespace();
    let first = words.next().filter(|word| !word.starts_with('#') && !word.contains('='))?;
    let fields: Vec<&str> = std::iter::once(first).chain(words.by_ref().take(4)).collect();
    let command = words.collect::<Vec<_>>().join(" ");
    let field = |at: usize| fields.get(at).copied().unwrap_or_default().to_owned();
    Some(row([
        ("path", path.to_owned()),
        ("event", String::new()),
        ("minute", field(0)),
        ("hour", field(1)),
        ("day_of_month", field(2)),
        ("month", field(3)),
        ("day_of_week", field(4)),
        ("command", command),
    ]))
}

fn modules(host: &Host) -> Rows {
    let module = |module: &crate::fleet::host::Module| {
        let users = if module.used_by.is_empty() { "-".to_owned() } else { module.used_by.join(",") };
        row([
            ("name", module.name.clone()),
            ("size", module.size.to_string()),
            ("used_by", users),
            ("status", "Live".to_owned()),
        ])
    };
    host.modules.iter().map(module).collect()
}

fn mounts(host: &Host) -> Rows {
    let mount = |mount: &crate::fleet::host::Mount| {
        row([
            ("device", mount.device.clone()),
            ("path", mount.path.clone()),
            ("type", mount.kind.clone()),
            ("flags", mount.flags.clone()),
        ])
    };
    host.mounts.iter().map(mount).collect()
}

fn packages(host: &Host) -> Rows {
    let package = |package: &crate::fleet::host::Package| {
        row([
            ("name", package.name.clone()),
            ("version", package.version.clone()),
            ("arch", package.architecture.clone()),
            ("status", package.status.clone()),
        ])
    };
    host.packages.iter().map(package).collect()
}

fn os_version() -> Row {
    row([
        ("name", "Debian GNU/Linux".to_owned()),
        ("version", "12 (bookworm)".to_owned()),
        ("major", "12".to_owned()),
        ("minor", "0".to_owned()),
        ("patch", "0".to_owned()),
        ("platform", "debian".to_owned()),
        ("codename", "bookworm".to_owned()),
    ])
}

fn system_info(host: &Host) -> Row {
    row([
        ("hostname", host.name.clone()),
        ("cpu_brand", host.hardware.cpu.clone()),
        ("cpu_logical_cores", host.hardware.cores.to_string()),
        ("physical_memory", (host.hardware.memory_kb * 1024).to_string()),
        ("hardware_vendor", host.hardware.vendor.clone()),
        ("hardware_model", host.hardware.model.clone()),
    ])
}

fn kernel_info(host: &Host) -> Row {
    let words = || host.kernel.arguments.split_whitespace();
    let value = |name: &str| words().find_map(|word| word.strip_prefix(name)).unwrap_or_default().to_owned();
    let others = words().filter(|word| !word.starts_with("BOOT_IMAGE=") && !word.starts_with("root="));
    row([
        ("version", host.kernel.release.clone()),
        ("arguments", others.collect::<Vec<_>>().join(" ")),
        ("path", value("BOOT_IMAGE=")),
        ("device", value("root=")),
    ])
}

/// A unit for each service of the image and of the host, and the usual ones of systemd.
fn units(host: &Host) -> Rows {
    const USUAL: &[&str] = &[
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "basic.target",
        "cryptsetup.target",
        "dev-vda1.device",
        "dev-vdb.device",
        "e2scrub_all.timer",
        "fstrim.timer",
        "getty.target",
        "getty@tty1.service",
        "graphical.target",
        "init.scope",
        "local-fs-pre.target",
        "local-fs.target",
        "logrotate.timer",
        "man-db.timer",
        "multi-user.target",
        "network-online.target",
        "network.target",
        "nss-lookup.target",
        "nss-user-lookup.target",
        "paths.target",
        "proc-sys-fs-binfmt_misc.automount",
        "remote-fs.target",
        "serial-getty@ttyS0.service",
        "slices.target",
        "sockets.target",
        "srv.mount",
        "swap.target",
        "sysinit.target",
        "system-getty.slice",
        "systemd-journald.service",
        "systemd-journald.socket",
        "systemd-logind.service",
        "systemd-tmpfiles-clean.timer",
        "systemd-udevd.service",
        "time-set.target",
        "timers.target",
        "user.slice",
        "veritysetup.target",
    ];
    let unit = |id: &str, path: String, running: bool| {
        row([
            ("id", id.to_owned()),
            ("description", id.split('.').next().unwrap_or(id).replace('-', " ")),
            ("load_state", "loaded".to_owned()),
            ("active_state", if running { "active" } else { "inactive" }.to_owned()),
            ("sub_state", if running { "running" } else { "dead" }.to_owned()),
            ("unit_file_state", "enabled".to_owned()),
            ("fragment_path", path),
        ])
    };
    let runs = |name: &str| host.processes.iter().any(|process| process.cgroup.contains(&format!("/{name}")));
    let mut rows: Rows = USUAL.iter().map(|id| unit(id, format!("/lib/systemd/system/{id}"), true)).collect();
    for (path, file) in host.files.iter() {
        let own = path.starts_with("/etc/systemd/system/") && matches!(file.content, Content::Text(_));
        if own || path.starts_with("/usr/lib/systemd/system/") {
            let id = path.rsplit('/').next().unwrap_or(path);
            rows.push(unit(id, path.trim_start_matches("/usr").to_owned(), runs(id)));
        }
    }
    // Each login of a person is a unit of its own.
    for process in &host.processes {
        if let Some(scope) =
            process.cgroup.rsplit('/').next().filter(|unit| unit.ends_with(".scope") && *unit != "init.scope")
        {
            let row = unit(scope, "/run/systemd/transient/".to_owned() + scope, true);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    rows
}

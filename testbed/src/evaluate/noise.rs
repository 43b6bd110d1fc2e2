//! Benign differences beyond those of a described fleet: two images, waves of upgrades, what carries a host's own name, and what
//! people and machines leave behind on one host or a few.

use super::desk::digest;
use crate::dice::Dice;
use crate::fleet::host::Host;
use crate::generate::{Row, Rows};
use std::collections::BTreeMap;

type Tables = BTreeMap<&'static str, Rows>;

/// Packages that are upgraded together, by the share of the herd that has them.
const WAVES: &[(&[&str], u64)] = &[
    (&["libssl3", "openssl"], 55),
    (&["libc6", "libc-bin", "libc-l10n", "locales"], 25),
    (&["systemd", "libsystemd0", "systemd-sysv", "udev", "libudev1"], 12),
    (&["vim-common", "vim-tiny"], 4),
];

/// Brings packages forward: waves, and everything on a canary.
pub(super) fn upgrade(host: &mut Host, dice: &Dice) {
    let mut canary = dice.named("canary");
    let is_canary = canary.between(0, 1000) < 15;
    for (n, package) in host.packages.iter_mut().enumerate() {
        let in_wave = WAVES.iter().any(|(names, share)| {
            names.contains(&package.name.as_str())
                && dice.named("wave").named(names.first().unwrap_or(&"")).chance(*share)
        });
        if in_wave || (is_canary && n % 6 == 0) {
            package.version.push_str("+deb12u9");
        }
    }
    crate::fleet::refresh(host);
}

/// A row from its cells.
fn row<const N: usize>(cells: [(&'static str, &str); N]) -> Row {
    cells.into_iter().map(|(column, value)| (column, value.to_owned())).collect()
}

fn push(tables: &mut Tables, query: &'static str, row: Row) {
    tables.entry(query).or_default().push(row);
}

fn process(tables: &mut Tables, dice: &mut Dice, path: &str, cmdline: &str, uid: &str) -> String {
    let name: String = path.rsplit('/').next().unwrap_or(path).chars().take(15).collect();
    let pid = dice.between(700, 400_000).to_string();
    let start = dice.between(1_700_000_000, 1_759_000_000).to_string();
    push(
        tables,
        "processes",
        row([
            ("pid", &pid),
            ("parent", "1"),
            ("name", &name),
            ("path", path),
            ("cmdline", cmdline),
            ("cwd", "/"),
            ("root", "/"),
            ("uid", uid),
            ("gid", uid),
            ("euid", uid),
            ("egid", uid),
            ("on_disk", "1"),
            ("start_time", &start),
        ]),
    );
    pid
}

/// What is on every host, and carries its own name, address or numbers.
pub(super) fn own_identity(tables: &mut Tables, host: &Host, dice: &Dice) {
    let mut dice = dice.named("identity");
    let (name, address) = (host.name.clone(), host.address.to_string());
    let machine = dice.hex(32);
    let instance = format!("i-0{}", dice.hex(16));
    let consul = format!("/usr/bin/consul agent -node={name} -bind={address} -data-dir=/opt/consul");
    let pid = process(tables, &mut dice, "/usr/bin/consul", &consul, "108");
    for port in ["8301", "8500"] {
        push(
            tables,
            "listening_ports",
            row([
                ("pid", &pid),
                ("protocol", "6"),
                ("family", "2"),
                ("address", &address),
                ("port", port),
                ("name", "consul"),
                ("process_path", "/usr/bin/consul"),
                ("cmdline", &consul),
                ("uid", "108"),
                ("on_disk", "1"),
            ]),
        );
    }
    let ssm = format!("/usr/bin/ssm-agent-worker -instance {instance}");
    process(tables, &mut dice, "/usr/bin/ssm-agent-worker", &ssm, "0");
    let journal = format!("/usr/bin/filebeat --path.data /var/lib/filebeat/{machine}");
    process(tables, &mut dice, "/usr/bin/filebeat", &journal, "0");
    for _ in 0..dice.between(1, 4) {
        let container = dice.hex(64);
        let shim = format!(
            "/usr/bin/containerd-shim-runc-v2 -namespace moby -id {container} -address /run/containerd/containerd.sock"
        );
        process(tables, &mut dice, "/usr/bin/containerd-shim-runc-v2", &shim, "0");
        let unit = format!("docker-{container}.scope");
        push(
            tables,
            "systemd_units",
            row([
                ("id", &unit),
                ("description", "libcontainer container"),
                ("fragment_path", ""),
                ("load_state", "loaded"),
                ("active_state", "active"),
                ("sub_state", "running"),
                ("unit_file_state", "transient"),
            ]),
        );
    }
    let disk = format!("dev-disk-by\\x2duuid-{}.device", dice.hex(8));
    push(
        tables,
        "systemd_units",
        row([
            ("id", &disk),
            ("description", "disk"),
            ("fragment_path", ""),
            ("load_state", "loaded"),
            ("active_state", "active"),
            ("sub_state", "plugged"),
            ("unit_file_state", ""),
        ]),
    );
    // Spread over the hour, as configuration management does.
    let (minute, report) =
        (dice.between(0, 60).to_string(), format!("root /usr/local/bin/report --host {name} >/dev/null"));
    push(
        tables,
        "crontab",
        row([
            ("path", "/etc/cron.d/report"),
            ("event", ""),
            ("minute", &minute),
            ("hour", "3"),
            ("day_of_month", "*"),
            ("month", "*"),
            ("day_of_week", "*"),
            ("command", &report),
        ]),
    );
    let (sha, mtime) =
        (digest(&format!("{minute} {report}")), dice.between(1_700_000_000, 1_759_000_000).to_string());
    push(
        tables,
        "persistence_files",
        row([
            ("path", "/etc/cron.d/report"),
            ("type", "regular"),
            ("mode", "0644"),
            ("uid", "0"),
            ("gid", "0"),
            ("size", "71"),
            ("mtime", &mtime),
            ("sha256", &sha),
        ]),
    );
}

/// Rows of an image: these files have another content, one unit and some packages are other ones.
pub(super) fn second_image(tables: &mut Tables) {
    for query in ["library_files", "program_hashes"] {
        for row in tables.get_mut(query).into_iter().flatten().step_by(9) {
            if let Some(sha) = row.get("sha256").map(|old| digest(&format!("image b {old}"))) {
                row.insert("sha256", sha);
            }
        }
    }
    for row in tables.get_mut("deb_packages").into_iter().flatten().step_by(23) {
        row.entry("version").or_default().push_str("+b1");
    }
    push(
        tables,
        "systemd_units",
        row([
            ("id", "cloud-init-hotplugd.socket"),
            ("description", "cloud-init hotplug hook socket"),
            ("fragment_path", "/lib/systemd/system/cloud-init-hotplugd.socket"),
            ("load_state", "loaded"),
            ("active_state", "active"),
            ("sub_state", "listening"),
            ("unit_file_state", "enabled"),
        ]),
    );
    push(
        tables,
        "users",
        row([
            ("uid", "110"),
            ("gid", "118"),
            ("username", "polkitd"),
            ("description", "polkit"),
            ("directory", "/nonexistent"),
            ("shell", "/usr/sbin/nologin"),
        ]),
    );
    push(
        tables,
        "kernel_modules",
        row([("name", "virtio_rng"), ("size", "16384"), ("used_by", "-"), ("status", "Live")]),
    );
}

/// Another role in the same group: a database.
pub(super) fn database_role(tables: &mut Tables, dice: &Dice) {
    let mut dice = dice.named("database");
    let is_web = |row: &Row| {
        row.values()
            .any(|value| value.contains("nginx") || value.contains("gunicorn") || value.contains("/srv/app"))
    };
    for (_, rows) in tables.iter_mut() {
        rows.retain(|row| !is_web(row));
    }
    let main = "/usr/lib/postgresql/15/bin/postgres";
    let pid = process(tables, &mut dice, main, "postgres -D /var/lib/postgresql/15/main", "114");
    for worker in ["checkpointer", "walwriter", "autovacuum launcher"] {
        process(tables, &mut dice, main, &format!("postgres: 15/main: {worker}"), "114");
    }
    for _ in 0..dice.between(2, 9) {
        let client = format!("10.20.0.{}", dice.between(4, 200));
        let line = format!("postgres: 15/main: app app {client}({}) idle", dice.between(32_768, 60_999));
        process(tables, &mut dice, main, &line, "114");
    }
    push(
        tables,
        "listening_ports",
        row([
            ("pid", &pid),
            ("protocol", "6"),
            ("family", "2"),
            ("address", "0.0.0.0"),
            ("port", "5432"),
            ("name", "postgres"),
            ("process_path", main),
            ("cmdline", "postgres -D /var/lib/postgresql/15/main"),
            ("uid", "114"),
            ("on_disk", "1"),
        ]),
    );
    push(
        tables,
        "users",
        row([
            ("uid", "114"),
            ("gid", "120"),
            ("username", "postgres"),
            ("description", "PostgreSQL"),
            ("directory", "/var/lib/postgresql"),
            ("shell", "/bin/bash"),
        ]),
    );
    push(
        tables,
        "systemd_units",
        row([
            ("id", "postgresql@15-main.service"),
            ("description", "PostgreSQL Cluster 15-main"),
            ("fragment_path", "/lib/systemd/system/postgresql@.service"),
            ("load_state", "loaded"),
            ("active_state", "active"),
            ("sub_state", "running"),
            ("unit_file_state", "enabled"),
        ]),
    );
    for n in 0..40 {
        let sha = digest(&format!("postgres {n}"));
        let path = format!("/usr/lib/postgresql/15/lib/module{n}.so");
        push(
            tables,
            "library_files",
            row([
                ("path", &path),
                ("mode", "0644"),
                ("uid", "0"),
                ("gid", "0"),
                ("size", "40123"),
                ("mtime", "1690000000"),
                ("sha256", &sha),
            ]),
        );
    }
}

/// What people and machines leave behind here and there: each kind as it would be on any fleet, none of it malicious.
pub(super) fn leftovers(tables: &mut Tables, host: &Host, dice: &Dice) {
    let mut dice = dice.named("leftovers");
    for _ in 0..2 {
        if !dice.chance(5) {
            continue;
        }
        let person =
            dice.pick(&["mkovacs", "jli", "contractor1", "svc-scan", "tdupont"]).copied().unwrap_or("jli");
        match dice.between(0, 12) {
            0 => {
                let uid = dice.between(1003, 1020).to_string();
                let home = format!("/home/{person}");
                push(
                    tables,
                    "users",
                    row([
                        ("uid", &uid),
                        ("gid", &uid),
                        ("username", person),
                        ("description", ""),
                        ("directory", &home),
                        ("shell", "/bin/bash"),
                    ]),
                );
                push(tables, "groups", row([("gid", &uid), ("groupname", person)]));
            }
            1 => {
                let key = format!("AAAAC3NzaC1lZDI1NTE5AAAAI{}", dice.word(43));
                push(
                    tables,
                    "authorized_keys",
                    row([
                        ("username", "deploy"),
                        ("uid", "1000"),
                        ("algorithm", "ssh-ed25519"),
                        ("key", &key),
                        ("options", ""),
                        ("comment", &format!("{person}@laptop")),
                        ("key_file", "/home/deploy/.ssh/authorized_keys"),
                    ]),
                );
            }
            2 => push(
                tables,
                "sudoers",
                row([
                    ("source", "/etc/sudoers.d/90-admins"),
                    ("header", person),
                    ("rule_details", "ALL=(root) NOPASSWD: /usr/bin/systemctl restart app"),
                ]),
            ),
            3 => {
                let name = dice
                    .pick(&["usb_storage", "nf_log_syslog", "loop", "isofs", "tun"])
                    .copied()
                    .unwrap_or("loop");
                push(
                    tables,
                    "kernel_modules",
                    row([("name", name), ("size", "45056"), ("used_by", "-"), ("status", "Live")]),
                );
            }
            4 => {
                let pid =
                    process(tables, &mut dice, "/usr/bin/python3.11", "python3 -m http.server 8000", "1001");
                push(
                    tables,
                    "listening_ports",
                    row([
                        ("pid", &pid),
                        ("protocol", "6"),
                        ("family", "2"),
                        ("address", "0.0.0.0"),
                        ("port", "8000"),
                        ("name", "python3"),
                        ("process_path", "/usr/bin/python3.11"),
                        ("cmdline", "python3 -m http.server 8000"),
                        ("uid", "1001"),
                        ("on_disk", "1"),
                    ]),
                );
            }
            5 => {
                let package =
                    dice.pick(&["ipython", "requests", "httpie", "yq", "pip-tools"]).copied().unwrap_or("yq");
                push(
                    tables,
                    "python_packages",
                    row([
                        ("name", package),
                        ("version", "1.4.2"),
                        ("path", "/usr/local/lib/python3.11/dist-packages"),
                    ]),
                );
            }
            6 => {
                let file = format!("/tmp/core.{}", dice.between(300, 90_000));
                push(
                    tables,
                    "temporary_files",
                    row([
                        ("path", &file),
                        ("type", "regular"),
                        ("mode", "0600"),
                        ("uid", "995"),
                        ("gid", "995"),
                        ("size", "90111222"),
                        ("mtime", "1758000000"),
                    ]),
                );
            }
            7 => {
                let traced = format!("strace -f -p {} -o /tmp/st.{}", dice.between(300, 9000), dice.word(6));
                process(tables, &mut dice, "/usr/bin/strace", &traced, "0");
            }
            8 => {
                let tool = dice.pick(&["jq", "htop2", "kubectl", "rg", "iperf3"]).copied().unwrap_or("jq");
                let (path, sha) = (format!("/usr/local/bin/{tool}"), digest(tool));
                push(tables, "program_hashes", row([("path", &path), ("sha256", &sha)]));
            }
            9 => push(
                tables,
                "iptables",
                row([
                    ("filter_name", "filter"),
                    ("chain", "INPUT"),
                    ("policy", ""),
                    ("target", "LOG"),
                    ("protocol", "6"),
                    ("src_ip", "10.20.9.12"),
                    ("dst_ip", "0.0.0.0"),
                    ("packets", "12"),
                    ("bytes", "3122"),
                ]),
            ),
            10 => {
                let job =
                    format!("root /usr/bin/rsync -a /srv/app/ backup-{:02}:/vault/", dice.between(1, 5));
                push(
                    tables,
                    "crontab",
                    row([
                        ("path", "/etc/crontab"),
                        ("event", ""),
                        ("minute", "5"),
                        ("hour", "4"),
                        ("day_of_month", "*"),
                        ("month", "*"),
                        ("day_of_week", "*"),
                        ("command", &job),
                    ]),
                );
            }
            _ => push(
                tables,
                "etc_hosts",
                row([("address", "10.20.3.9"), ("hostnames", "staging-db.example.net")]),
            ),
        }
    }
    // A monitoring check may run at the moment.
    if dice.chance(30) {
        let line = format!("/usr/lib/nagios/plugins/check_http -H {} -t {}", host.name, dice.between(5, 30));
        process(tables, &mut dice, "/usr/lib/nagios/plugins/check_http", &line, "107");
    }
}

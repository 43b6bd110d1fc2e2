//! What people and programs leave behind day by day: log-ins, typed commands, temporary files, logs.

use super::row::{Rows, row};
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::Host;

const COMMANDS: &[&str] = &[
    "sudo systemctl status app",
    "sudo systemctl restart app.service",
    "sudo journalctl -u app -n 200",
    "df -h",
    "free -m",
    "top",
    "htop",
    "tail -f /var/log/nginx/error.log",
    "sudo nginx -t",
    "sudo systemctl reload nginx",
    "ss -tlnp",
    "ps aux | grep gunicorn",
    "curl -sI localhost:8081/health",
    "sudo apt list --upgradable",
    "ls -la /srv/app/current",
    "exit",
    "cd /srv/app/current",
    "git log -1",
    "sudo -i",
    "less /var/log/syslog",
];

/// Logs that stand alone.
const LOGS: &[&str] = &[
    "alternatives.log",
    "apt",
    "btmp",
    "cloud-init.log",
    "dpkg.log",
    "dpkg.log.1",
    "kern.log",
    "kern.log.1",
    "lastlog",
    "user.log",
    "wtmp",
];

/// Logs that are rotated every day and kept for two weeks.
const ROTATED: &[&str] =
    &["auth.log", "cron.log", "daemon.log", "fail2ban.log", "nginx/access.log", "nginx/error.log", "syslog"];

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    let dice = Dice::new(u64::from(u32::from(host.address))).named("activity");
    tables.push(("last", log_ins(host, dice.named("log-ins"))));
    tables.push(("shell_history", typed(host, dice.named("typed"))));
    tables.push(("temporary_files", temporary(host, dice.named("temporary"))));
    tables.push(("log_files", logs(host, dice.named("logs"))));
}

fn since_installed(host: &Host, dice: &mut Dice) -> u64 {
    dice.between(host.clock.installed, host.clock.now)
}

fn log_ins(host: &Host, mut dice: Dice) -> Rows {
    let mut times: Vec<_> = (0..dice.between(15, 80)).map(|_| since_installed(host, &mut dice)).collect();
    times.sort();
    let session = |(place, time): (usize, u64)| {
        let (name, from) = match dice.between(0, 5) {
            0 => ("ben", "10.20.9.12"),
            1 => ("ana", "10.20.9.12"),
            _ => ("deploy", "10.20.9.40"),
        };
        row([
            ("username", name.to_owned()),
            ("tty", format!("pts/{}", place % 2)),
            ("pid", dice.between(2_000, 900_000).to_string()),
            ("type_name", "user-process".to_owned()),
            ("time", time.to_string()),
            ("host", from.to_owned()),
        ])
    };
    times.into_iter().enumerate().map(session).collect()
}

fn typed(host: &Host, mut dice: Dice) -> Rows {
    let mut rows = Vec::new();
    for (name, uid) in [("ana", 1001), ("ben", 1002)] {
        let mut time = since_installed(host, &mut dice);
        for _ in 0..dice.between(5, 60) {
            let mut command = dice.pick(COMMANDS).copied().unwrap_or_default().to_owned();
            // People also type what nobody else has typed.
            if dice.chance(12) {
                command = format!("grep {} /var/log/nginx/access.log", dice.hex(8));
            }
            time += dice.between(3, 600);
            rows.push(row([
                ("username", name.to_owned()),
                ("uid", uid.to_string()),
                ("time", time.min(host.clock.now).to_string()),
                ("command", command),
                ("history_file", format!("/home/{name}/.bash_history")),
            ]));
        }
    }
    rows
}

fn temporary(host: &Host, mut dice: Dice) -> Rows {
    let mut rows = Vec::new();
    let mut add = |path: String, kind: &str, mode: u32, uid: u32, size: u64, mtime: u64| {
        rows.push(row([
            ("path", path),
            ("type", kind.to_owned()),
            ("mode", format!("{mode:04o}")),
            ("uid", uid.to_string()),
            ("gid", uid.to_string()),
            ("size", size.to_string()),
            ("mtime", mtime.to_string()),
        ]));
    };
    let above = ["/tmp/", "/var/tmp/", "/dev/shm/"];
    for (path, file) in host.files.iter() {
        let direct =
            above.iter().any(|start| path.strip_prefix(start).is_some_and(|rest| !rest.contains('/')));
        // As osquery's pattern does, which does not match names that begin with a dot.
        if direct && !path.contains("/.") {
            let directory = file.content == Content::Directory;
            let (kind, end) = if directory { ("directory", "/") } else { ("regular", "") };
            add(format!("{path}{end}"), kind, file.mode & 0o7777, 0, 4096, file.changed);
        }
    }
    for _ in 0..dice.between(1, 9) {
        let time = since_installed(host, &mut dice);
        add(
            format!("/tmp/tmp{}", dice.word(8).to_lowercase()),
            "regular",
            0o600,
            995,
            dice.between(0, 90_000),
            time,
        );
    }
    for worker in 0..4 {
        add(
            format!("/dev/shm/wgunicorn-{}-{worker}", dice.word(8)),
            "regular",
            0o600,
            995,
            0,
            host.clock.now - 2,
        );
    }
    if dice.chance(15) {
        let time = since_installed(host, &mut dice);
        add(
            "/tmp/nginx-debug.tar.gz".to_owned(),
            "regular",
            0o644,
            1001,
            dice.between(10_000, 900_000),
            time,
        );
    }
    rows
}

fn logs(host: &Host, mut dice: Dice) -> Rows {
    let mut log = |name: &str, age: u64| {
        row([
            ("path", format!("/var/log/{name}")),
            ("mode", "0640".to_owned()),
            ("uid", "0".to_owned()),
            ("gid", "4".to_owned()),
            ("size", dice.between(200, 90_000_000).to_string()),
            ("mtime", (host.clock.now - age * 86_400 - dice.between(0, 3_000)).to_string()),
        ])
    };
    let emptied = |name: &str| host.files.get(&format!("/var/log/{name}")).is_some();
    let mut rows: Rows = LOGS.iter().map(|name| log(name, 0)).collect();
    // A young host has not rotated much yet.
    let days = (host.clock.now.saturating_sub(host.clock.installed) / 86_400).min(14);
    for name in ROTATED {
        rows.push(log(name, 0));
        for day in 1..=days {
            let packed = if day > 1 { ".gz" } else { "" };
            rows.push(log(&format!("{name}.{day}{packed}"), day));
        }
    }
    // Logs that are described are those that somebody has emptied.
    for name in LOGS.iter().chain(ROTATED).filter(|name| emptied(name)) {
        let path = format!("/var/log/{name}");
        for row in rows.iter_mut().filter(|row| row.get("path") == Some(&path)) {
            row.insert("size", "0".to_owned());
        }
    }
    rows
}

//! What people and programs leave behind day by day: log-ins, typed commands, temporary files, logs.

use super::row::{Row, Rows, row};
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::{Host, Role};

/// What people type on any host.
const COMMANDS: &[&str] = &[
    "df -h",
    "free -m",
    "top",
    "htop",
    "ss -tlnp",
    "sudo apt list --upgradable",
    "exit",
    "sudo -i",
    "less /var/log/syslog",
];

/// What they type on those of a role.
fn commands_of(role: Role) -> &'static [&'static str] {
    match role {
        Role::Web => &[
            "sudo systemctl status app",
            "sudo systemctl restart app.service",
            "sudo journalctl -u app -n 200",
            "tail -f /var/log/nginx/error.log",
            "sudo nginx -t",
            "sudo systemctl reload nginx",
            "ps aux | grep gunicorn",
            "curl -sI localhost:8081/health",
            "ls -la /srv/app/current",
            "cd /srv/app/current",
            "git log -1",
        ],
        Role::Database => &[
            "sudo -u postgres psql",
            "sudo -u postgres psql app",
            "pgbackrest info",
            "sudo systemctl reload postgresql",
            "tail -f /var/log/postgresql/postgresql-15-main.log",
            "du -sh /var/lib/postgresql/15/main",
        ],
        Role::Balancer => &[
            "sudo haproxy -c -f /etc/haproxy/haproxy.cfg",
            "sudo systemctl reload haproxy",
            "ip addr",
            "sudo journalctl -u keepalived -n 50",
        ],
    }
}

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
const ROTATED: &[&str] = &["auth.log", "cron.log", "daemon.log", "fail2ban.log", "syslog"];

fn rotated_of(role: Role) -> &'static [&'static str] {
    match role {
        Role::Web => &["nginx/access.log", "nginx/error.log"],
        Role::Database => &["postgresql/postgresql-15-main.log"],
        Role::Balancer => &["haproxy.log"],
    }
}

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    let dice = Dice::new(u64::from(u32::from(host.address))).named("activity");
    tables.push(("last", log_ins(host, dice.named("log-ins"))));
    tables.push(("shell_history", typed(host, dice.named("typed"))));
    let temporary = temporary(host, dice.named("temporary"));
    tables.push(("staged_files", staged(&temporary)));
    tables.push(("temporary_files", temporary));
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
    let commands = [COMMANDS, commands_of(host.role)].concat();
    for (name, uid) in [("ana", 1001), ("ben", 1002)] {
        let mut time = since_installed(host, &mut dice);
        for _ in 0..dice.between(5, 60) {
            let mut command = dice.pick(&commands).copied().unwrap_or_default().to_owned();
            // People also type what nobody else has typed.
            if dice.chance(12) {
                command = format!("grep {} {}", dice.hex(8), host.role.front().log);
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
        let (path, uid) = match host.role {
            Role::Web => (format!("/dev/shm/wgunicorn-{}-{worker}", dice.word(8)), 995),
            Role::Database => {
                (format!("/dev/shm/PostgreSQL.{}", dice.between(100_000_000, 999_999_999)), 104)
            }
            Role::Balancer => continue,
        };
        add(path, "regular", 0o600, uid, 0, host.clock.now - 2);
    }
    if dice.chance(15) {
        let time = since_installed(host, &mut dice);
        add(
            format!("/tmp/{}-debug.tar.gz", host.role.front().process),
            "regular",
            0o644,
            1001,
            dice.between(10_000, 900_000),
            time,
        );
    }
    rows
}

/// What the triage pack asks of these: programs and archives.
fn staged(temporary: &Rows) -> Rows {
    const PACKED: &[&str] = &[".tgz", ".gz", ".zip"];
    let is = |row: &Row, column, value: &str| row.get(column).is_some_and(|cell| cell == value);
    let odd = |row: &&Row| {
        let runs = row.get("mode").is_some_and(|mode| mode.ends_with(['1', '3', '5', '7']));
        let packed = row.get("path").is_some_and(|path| PACKED.iter().any(|end| path.ends_with(end)));
        is(row, "type", "regular") && (runs || packed)
    };
    temporary.iter().filter(odd).cloned().collect()
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
    let emptied = |name: &str| {
        host.files.get(&format!("/var/log/{name}")).is_some_and(|file| file.content.bytes().is_empty())
    };
    let rotated = [ROTATED, rotated_of(host.role)].concat();
    let mut rows: Rows = LOGS.iter().map(|name| log(name, 0)).collect();
    // A young host has not rotated much yet.
    let days = (host.clock.now.saturating_sub(host.clock.installed) / 86_400).min(14);
    for name in &rotated {
        rows.push(log(name, 0));
        for day in 1..=days {
            let packed = if day > 1 { ".gz" } else { "" };
            rows.push(log(&format!("{name}.{day}{packed}"), day));
        }
    }
    for name in LOGS.iter().chain(&rotated).filter(|name| emptied(name)) {
        let path = format!("/var/log/{name}");
        for row in rows.iter_mut().filter(|row| row.get("path") == Some(&path)) {
            row.insert("size", "0".to_owned());
        }
    }
    rows
}

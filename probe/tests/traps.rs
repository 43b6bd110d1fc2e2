//! What the owner of a host can do to whoever reads it: pipes, loops and directories where files belong, endless lines
//! and files, odd names, depths. Every table ends, in bounded time and memory, and says what it did not read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{answer, link, put, rows};
use serde_json::{Value, json};

/// Sources of tables, each with one that reads it.
const SOURCES: [(&str, &str); 28] = [
    ("/etc/passwd", "users"),
    ("/etc/group", "groups"),
    ("/etc/shadow", "shadow"),
    ("/etc/sudoers", "sudoers"),
    ("/etc/crontab", "crontab"),
    ("/etc/cron.d/job", "crontab"),
    ("/etc/hosts", "etc_hosts"),
    ("/etc/services", "etc_services"),
    ("/etc/protocols", "etc_protocols"),
    ("/etc/resolv.conf", "dns_resolvers"),
    ("/etc/os-release", "os_version"),
    ("/etc/apt/sources.list", "apt_sources"),
    ("/etc/yum.conf", "yum_sources"),
    ("/etc/sysctl.conf", "system_controls"),
    ("/var/log/wtmp", "last"),
    ("/var/run/utmp", "logged_in_users"),
    ("/var/lib/dpkg/status", "deb_packages"),
    ("/var/lib/dpkg/info/x.list", "deb_package_files"),
    ("/var/lib/rpm/rpmdb.sqlite", "rpm_packages"),
    ("/usr/lib/node_modules/x/package.json", "npm_packages"),
    ("/proc/modules", "kernel_modules"),
    ("/proc/mounts", "mounts"),
    ("/proc/7/stat", "processes"),
    ("/proc/7/maps", "process_memory_map"),
    ("/proc/7/environ", "process_envs"),
    ("/proc/net/tcp", "process_open_sockets"),
    ("/proc/cpuinfo", "cpu_info"),
    ("/proc/keys", "kernel_keys"),
];

fn sweep(root: &Path, queries: &Value, limits: &Value) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .args(["--sweep", "--root"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pack = json!({ "queries": queries, "herdiff": limits }).to_string();
    child.stdin.take().unwrap().write_all(pack.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All tables over a tree where every source is something else than a file.
fn all_sources_as(kind: &str, make: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    for (path, _) in SOURCES {
        let path = dir.path().join(&path[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        make(&path);
    }
    let tables: serde_json::Map<String, Value> = SOURCES
        .iter()
        .map(|(_, table)| ((*table).to_owned(), json!({ "query": format!("SELECT * FROM {table}") })))
        .collect();
    let began = Instant::now();
    let lines = sweep(dir.path(), &Value::Object(tables), &json!({ "query_timeout_ms": 5000 }));
    assert!(began.elapsed() < Duration::from_secs(10), "{kind}: {:?}", began.elapsed());
    for (path, table) in SOURCES {
        let line = lines.iter().find(|line| line["query"] == table).unwrap();
        let folded = path.replace("/7/", "/<pid>/");
        let unread = line["unread"].as_array().unwrap_or_else(|| panic!("{kind}: {line}"));
        // A directory among files is no file that could not be read.
        let passed_over = kind == "directory" && path == "/etc/cron.d/job";
        assert!(passed_over || unread.iter().any(|entry| entry["what"] == folded), "{kind}: {path}: {line}");
    }
}

#[test]
fn pipes_sockets_loops_and_directories_stop_nothing_and_are_said() {
    all_sources_as("pipe", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    });
    all_sources_as("loop", |path| std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap());
    all_sources_as("directory", |path| fs::create_dir(path).unwrap());
    all_sources_as("socket", |path| {
        // Paths of sockets are short: made beside, and moved.
        let short = tempfile::tempdir_in("/tmp").unwrap();
        drop(UnixListener::bind(short.path().join("s")).unwrap());
        fs::rename(short.path().join("s"), path).unwrap();
    });
}

#[test]
fn endless_lines_hide_nothing_behind_them() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(5 << 20);
    put(dir.path(), "/etc/passwd", format!("a:x:1:1:{long}:/:/bin/sh\nevil:x:0:0::/root:/bin/sh\n"));
    put(dir.path(), "/etc/group", format!("a:x:1:{long}\nevil:x:0:\n"));
    put(dir.path(), "/etc/crontab", format!("#{long}\n* * * * * root {long}\n@reboot root evil\n"));
    put(dir.path(), "/etc/sudoers", format!("a {long}\nevil ALL=(ALL) ALL\n"));
    put(dir.path(), "/etc/hosts", format!("192.0.2.1 {long}\n192.0.2.2 evil\n"));
    put(dir.path(), "/root/.ssh/authorized_keys", format!("command=\"{long}\" ssh-rsa AAAA\nssh-rsa EVIL\n"));
    put(dir.path(), "/root/.bash_history", format!("{long}\nevil\n"));
    for (sql, last) in [
        ("SELECT username AS v FROM users", "evil"),
        ("SELECT groupname AS v FROM groups", "evil"),
        ("SELECT command AS v FROM crontab", "root evil"),
        ("SELECT header AS v FROM sudoers", "evil"),
        ("SELECT hostnames AS v FROM etc_hosts", "evil"),
        ("SELECT key AS v FROM authorized_keys WHERE uid = 0", "EVIL"),
        ("SELECT command AS v FROM shell_history WHERE uid = 0", "evil"),
    ] {
        let found = rows(dir.path(), sql);
        assert_eq!(found.len(), 2, "{sql}");
        assert_eq!(found[1]["v"], last, "{sql}");
    }
}

/// A file that is a terabyte long and takes no room.
fn sparse(root: &Path, path: &str) {
    put(root, path, "");
    fs::File::options().write(true).open(root.join(&path[1..])).unwrap().set_len(1 << 40).unwrap();
}

#[test]
fn endless_files_end_in_time_and_memory_and_are_said() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["/etc/passwd", "/var/log/wtmp", "/bin/endless", "/root/.bash_history"] {
        sparse(dir.path(), path);
    }
    let lines = sweep(
        dir.path(),
        &json!({
            "users": { "query": "SELECT * FROM users" },
            "last": { "query": "SELECT * FROM last" },
            "hash": { "query": "SELECT path, sha256 FROM hash WHERE path = '/bin/endless'" },
            "hosts": { "query": "SELECT 1 AS one" },
        }),
        &json!({ "query_timeout_ms": 700 }),
    );
    for (line, what) in [(&lines[1], "/etc/passwd"), (&lines[2], "/var/log/wtmp")] {
        let unread = line["unread"].as_array().unwrap_or_else(|| panic!("{line}"));
        assert!(
            unread.iter().any(|entry| entry["what"] == what && entry["why"] == "too long, cut"),
            "{line}"
        );
    }
    // Either the row without a digest and what is wrong with it, or no row at all.
    let hash = &lines[3];
    assert!(hash["cut"]["limit"] == "time" || hash["kind"] == "timeout", "{hash}");
    assert!(hash["rows"].as_array().is_none_or(|rows| rows.iter().all(|row| row[1] == "")), "{hash}");
    assert_eq!(lines[4]["rows"][0][0], "1");
    assert!(lines[5]["max_rss_kb"].as_u64().unwrap() < 150_000, "{}", lines[5]);
}

#[test]
fn odd_names_arrive_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["line\nbreak", "tab\there", "quote\"s", "esc\u{1b}[2J", "-rf", "  blanks  ", "% _"] {
        put(dir.path(), &format!("/etc/cron.d/{name}"), "* * * * * root x\n");
    }
    let found = rows(dir.path(), "SELECT path FROM crontab ORDER BY path");
    assert_eq!(found.len(), 7);
    assert!(found.iter().any(|row| row["path"] == "/etc/cron.d/line\nbreak"));
    assert_eq!(rows(dir.path(), "SELECT * FROM file WHERE path LIKE '/etc/cron.d/%'").len(), 7);
    assert_eq!(rows(dir.path(), "SELECT * FROM hash WHERE directory = '/etc/cron.d'").len(), 7);
}

#[test]
fn depths_end_and_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = dir.path().join("tmp");
    for _ in 0..200 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("hidden"), "x").unwrap();
    link(dir.path(), "/tmp/up", "..");
    link(dir.path(), "/tmp/d/round", "/tmp");
    for sql in ["SELECT * FROM suid_bin", "SELECT path FROM file WHERE path LIKE '/tmp/%%'"] {
        let (found, errors) = answer(dir.path(), sql);
        assert!(found.len() < 500, "{sql}: {}", found.len());
        assert!(errors.contains("too deep, not looked into (1 times)"), "{sql}: {errors}");
    }
}

#[test]
fn processes_that_come_and_go_leave_nothing_unread() {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let until = std::sync::Arc::clone(&stop);
    let busy = std::thread::spawn(move || {
        while !until.load(std::sync::atomic::Ordering::Relaxed) {
            Command::new("/bin/true").status().unwrap();
        }
    });
    let mut errors = String::new();
    for _ in 0..10 {
        for table in
            ["processes", "process_open_files", "process_memory_map", "process_envs", "listening_ports"]
        {
            errors += &answer(Path::new("/"), &format!("SELECT * FROM {table}")).1;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    busy.join().unwrap();
    let gone = ["No such process", "No such file", "Not a directory"];
    assert!(!gone.iter().any(|words| errors.contains(words)), "{errors}");
}

#[test]
fn a_deleted_working_directory_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().canonicalize().unwrap().join("gone");
    fs::create_dir(&place).unwrap();
    let mut child = Command::new("sleep").arg("300").current_dir(&place).spawn().unwrap();
    fs::remove_dir(&place).unwrap();
    let found = rows(Path::new("/"), &format!("SELECT cwd FROM processes WHERE pid = {}", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found[0]["cwd"], format!("{} (deleted)", place.display()));
}

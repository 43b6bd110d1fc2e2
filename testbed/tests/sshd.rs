//! Hosts with a real sshd in namespaces of this machine: swept, attacked, broken, and taken away without a trace.
//!
//! Wants root, and the right to make namespaces. Where that is missing it says so, and with `CI` in the environment it fails.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

use herdiff_testbed::attack::{Attack, TraceKind};
use herdiff_testbed::generate::triage_pack;
use herdiff_testbed::live::attack_script;
use serde_json::{Map, Value};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const TESTBED: &str = env!("CARGO_BIN_EXE_herdiff-testbed");

fn can_be_tested() -> bool {
    let mut make = Command::new("unshare");
    make.args(["--mount", "--net", "--pid", "--uts", "--fork", "true"]).stderr(Stdio::null());
    let missing = if !make.status().is_ok_and(|status| status.success()) {
        "hosts with a real sshd need root, and the right to make namespaces"
    } else if !["/usr/sbin/sshd", "/usr/sbin/cron"].iter().all(|path| Path::new(path).exists()) {
        "sshd or cron is not installed (apt-get install openssh-server cron)"
    } else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
    false
}

/// A fleet that is taken away however the test ends.
struct Fleet(TempDir);

impl Fleet {
    fn up(more: &[&str]) -> Self {
        let fleet = Self(tempfile::tempdir().unwrap());
        let output =
            fleet.run(TESTBED, &[&["up", "--form", "sshd", "-d", "--dir", "fleet"][..], more].concat());
        assert!(output.status.success(), "{output:?}");
        fleet
    }

    fn run(&self, program: impl AsRef<std::ffi::OsStr>, words: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn testbed(&self, words: &[&str]) -> String {
        let output = self.run(TESTBED, &[words, &["--dir", "fleet"]].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout)
    }

    fn collect(&self, bundle: &str, more: &[&str]) -> Output {
        let words = ["collect", "-q", "-i", "fleet/inventory.ini", "-F", "fleet/ssh_config", "-o", bundle];
        self.run(herdiff(), &[&words[..], more].concat())
    }

    fn lines(&self, words: &[&str]) -> Vec<Value> {
        let output = self.run(herdiff(), &[words, &["--format", "ndjson"]].concat());
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The outcome of a host in a bundle.
    fn outcome(&self, bundle: &str, host: &str) -> String {
        let hosts = self.lines(&["show", bundle, "--hosts"]);
        let host = hosts.iter().find(|line| line["host"] == host).unwrap();
        host["outcome"].as_str().unwrap().to_owned()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.run(TESTBED, &["down", "--dir", "fleet"]);
    }
}

fn herdiff() -> PathBuf {
    let path = Path::new(TESTBED).with_file_name("herdiff");
    assert!(path.exists(), "{} is not there: run the tests of the whole workspace", path.display());
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Processes of this machine that belong to the fleet of a directory.
fn processes(place: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let word = place.join("fleet").display().to_string();
    lines.map(|line| text(&line)).filter(|line| line.contains(&word)).collect()
}

#[test]
fn real_hosts_are_swept_and_leave_nothing() {
    if !can_be_tested() {
        return;
    }
    let fleet = Fleet::up(&["--hosts", "9", "--attack", "web-3=cron-implant", "--latency", "10"]);
    let network = fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!network.contains("fleet:"), "the machine's own network has the bridge: {network}");
    let output = fleet.collect("well.herd", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fleet.lines(&["outliers", "well.herd"])[0]["host"], "web-3");

    let broken = [
        ("web-1", "cut-off", &["timeout"][..]),
        ("web-2", "freeze", &["timeout"]),
        ("web-4", "wrong-host-key", &["host-key-changed"]),
        ("web-5", "reject-key", &["auth-failed"]),
        ("web-6", "hang", &["timeout"]),
        ("web-7", "endless", &["output-limit", "malformed-output"]),
        ("web-8", "not-ssh", &["protocol"]),
    ];
    for (host, fault, _) in broken {
        fleet.testbed(&["fault", &format!("{host}={fault}")]);
    }
    let output = fleet.collect("ill.herd", &["--connect-timeout", "4", "--host-timeout", "10"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for (host, fault, outcomes) in broken {
        let outcome = fleet.outcome("ill.herd", host);
        assert!(outcomes.contains(&outcome.as_str()), "{fault}: {outcome}");
    }
    for well in ["web-3", "web-9"] {
        assert_eq!(fleet.outcome("ill.herd", well), "ok");
    }

    assert!(!processes(fleet.0.path()).is_empty());
    fleet.testbed(&["down"]);
    assert_eq!(processes(fleet.0.path()), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&fleet.0.path().display().to_string()), "{mounts}");
    assert!(!fleet.0.path().join("fleet/sshd").exists());
}

#[test]
fn every_attack_can_be_planted_on_a_real_host() {
    if !can_be_tested() {
        return;
    }
    let fleet = Fleet::up(&["--hosts", &Attack::ALL.len().to_string()]);
    let planted: Vec<(String, Attack)> =
        Attack::ALL.iter().zip(1..).map(|(&attack, number)| (format!("web-{number}"), attack)).collect();
    let words: Vec<String> = planted.iter().map(|(host, attack)| format!("{host}={attack}")).collect();
    fleet.testbed(&[&["attack"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    fs::write(fleet.0.path().join("thorough.conf"), thorough_pack()).unwrap();
    let output = fleet.collect("attacked.herd", &["--pack", "thorough.conf", "--engine", "probe"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let mut unseen = Vec::new();
    for (host, attack) in &planted {
        for trace in attack_script(*attack).1 {
            let rows = fleet.lines(&["show", "attacked.herd", "--query", trace.query, "--host", host]);
            let shows = |row: &Value| {
                trace.cells.iter().all(|(column, value)| row["row"][*column].as_str() == Some(value))
            };
            // Who takes something away leaves no row of it.
            if rows.iter().any(shows) == (trace.kind == TraceKind::Missing) {
                unseen.push(format!("{attack}: {trace:?}, with {} rows", rows.len()));
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// The triage pack with the two that go further.
fn thorough_pack() -> String {
    let mut queries: Map<String, Value> = Map::new();
    for text in [
        triage_pack().unwrap().as_str(),
        include_str!("../data/survey.conf"),
        include_str!("../data/hunt.conf"),
    ] {
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let pack: Value = serde_json::from_str(&text).unwrap();
        queries.extend(pack["queries"].as_object().unwrap().clone());
    }
    // Digests of everything say nothing here, and take long on a real disk.
    for name in ["program_hashes", "library_files"] {
        queries.remove(name);
    }
    serde_json::json!({"queries": queries}).to_string()
}

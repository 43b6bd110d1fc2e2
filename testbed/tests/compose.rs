//! A fleet of containers, swept through its bastion, while one host is cut off, one stands still and one dies.
//!
//! Wants a Docker engine that answers, a compose, and the base image that `testbed/compose/base.sh` makes. Without an engine
//! it says so in one line; with one, and `CI` in the environment, all the rest has to be there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing"
)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TESTBED: &str = env!("CARGO_BIN_EXE_herdiff-testbed");
const BASE: &str = "herdiff-testbed-base";

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn can_be_tested() -> bool {
    let missing = if !succeeds("docker", &["info"]) {
        // Past the test's own capture of output.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: no Docker engine answers here");
        return false;
    } else if !succeeds("docker", &["compose", "version"]) && !succeeds("docker-compose", &["version"]) {
        "no compose is installed (apt-get install docker-compose)"
    } else if !succeeds("docker", &["image", "inspect", BASE]) {
        "the base image is not there; make it with testbed/compose/base.sh"
    } else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
    false
}

/// A fleet that is taken away however the test ends.
struct Fleet {
    place: TempDir,
}

impl Fleet {
    fn up(more: &[&str]) -> Self {
        let fleet = Self { place: tempfile::tempdir().unwrap() };
        let mut words = vec!["up", "--form", "compose", "-d", "--dir", "fleet", "--base", BASE];
        words.extend(more);
        let output = fleet.run(TESTBED, &words);
        assert!(output.status.success(), "{output:?}");
        fleet
    }

    fn run(&self, program: impl AsRef<std::ffi::OsStr>, words: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.place.path()).env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn testbed(&self, words: &[&str]) -> String {
        let output = self.run(TESTBED, &[words, &["--dir", "fleet"]].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout)
    }

    fn collect(&self, bundle: &str, more: &[&str]) -> Command {
        let mut command = Command::new(herdiff());
        command.current_dir(self.place.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        command.args(["collect", "-i", "fleet/inventory.ini", "-F", "fleet/ssh_config", "-o", bundle]);
        command.args(["--connect-timeout", "6", "--host-timeout", "40"]).args(more);
        command
    }

    /// Every host's outcome in a bundle.
    fn outcomes(&self, bundle: &str) -> BTreeMap<String, String> {
        let output = self.run(herdiff(), &["show", bundle, "--hosts", "--format", "ndjson"]);
        let line = |line: &str| {
            let host: Value = serde_json::from_str(line).unwrap();
            (host["host"].as_str().unwrap().to_owned(), host["outcome"].as_str().unwrap().to_owned())
        };
        text(&output.stdout).lines().map(line).collect()
    }

    /// The hosts of all findings, best first.
    fn findings(&self, bundle: &str, least: &str) -> Vec<String> {
        let output = self.run(herdiff(), &["outliers", bundle, "--format", "ndjson", "--min-score", least]);
        let lines = text(&output.stdout);
        let finding =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["host"].as_str().unwrap().to_owned();
        lines.lines().map(finding).collect()
    }

    fn project(&self) -> String {
        let state = fs::read_to_string(self.place.path().join("fleet/fleet.json")).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        state["fleet"]["project"].as_str().unwrap().to_owned()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.place.path().join("fleet/fleet.json").exists() {
            self.run(TESTBED, &["down", "--dir", "fleet"]);
        }
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

/// What Docker still has of a project.
fn left(project: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (what, arguments) in [
        ("container", vec!["ps", "-aq", "--filter"]),
        ("network", vec!["network", "ls", "-q", "--filter"]),
        ("volume", vec!["volume", "ls", "-q", "--filter"]),
    ] {
        let label = format!("label=com.docker.compose.project={project}");
        let output = Command::new("docker").args(arguments).arg(label).output().unwrap();
        all.extend(text(&output.stdout).lines().map(|id| format!("{what} {id}")));
    }
    let image = format!("{project}-host");
    let images = Command::new("docker").args(["images", "-q", &image]).output().unwrap();
    all.extend(text(&images.stdout).lines().map(|id| format!("image {id}")));
    all
}

#[test]
fn a_fleet_of_containers_is_swept_through_its_bastion_whatever_happens_to_it() {
    if !can_be_tested() {
        return;
    }
    let fleet = Fleet::up(&["--hosts", "6", "--attack", "web-3=cron-implant"]);
    let project = fleet.project();

    // Plain ssh gets everywhere, and to the web tier through the bastion only.
    let ssh = |words: &[&str]| {
        fleet.run("ssh", &[&["-F", "fleet/ssh_config", "-o", "BatchMode=yes"], words].concat())
    };
    assert!(ssh(&["web-6", "true"]).status.success());
    let around = ssh(&["-o", "ProxyJump=none", "-o", "ConnectTimeout=5", "web-6", "true"]);
    assert_eq!(around.status.code(), Some(255), "{around:?}");

    // All are well, and the compromised one stands out.
    let output = fleet.collect("well.herd", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fleet.outcomes("well.herd").len(), 8);
    assert!(fleet.outcomes("well.herd").values().all(|outcome| outcome == "ok"));
    assert_eq!(fleet.findings("well.herd", "9.5").first().map(String::as_str), Some("web-3"));

    // One is cut off, one stands still, one dies while it is visited.
    fleet.testbed(&["fault", "web-1=cut-off", "web-2=freeze"]);
    fs::write(
        fleet.place.path().join("slow.conf"),
        r#"{"queries": {
            "users": {"query": "SELECT uid, username FROM users"},
            "crontab": {"query": "SELECT path, command FROM crontab"},
            "slow": {"query": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 400000000) SELECT count(*) AS n FROM c"}
        }}"#,
    )
    .unwrap();
    let start = Instant::now();
    let sweep = fleet
        .collect("ill.herd", &["--pack", "slow.conf", "--engine", "probe", "--query-timeout", "12"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(4));
    fleet.testbed(&["fault", "web-5=kill"]);
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(90), "{:?}", start.elapsed());
    let outcomes = fleet.outcomes("ill.herd");
    let outcome = |host: &str| outcomes[host].as_str();
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");
    assert!(matches!(outcome("web-1"), "unresolved" | "unreachable" | "timeout"), "{outcomes:?}");
    assert!(matches!(outcome("web-2"), "timeout"), "{outcomes:?}");
    assert!(matches!(outcome("web-5"), "unreachable" | "timeout"), "{outcomes:?}");
    for well in ["bastion-1", "db-1", "web-3", "web-4", "web-6"] {
        assert!(matches!(outcome(well), "ok" | "partial"), "{outcomes:?}");
    }
    // What was not seen is not missing: among the three hosts that are left little is certain, and the attack is still first.
    assert_eq!(fleet.findings("ill.herd", "0").first().map(String::as_str), Some("web-3"));
    let status = fleet.testbed(&["status"]);
    assert!(status.contains("web-2        paused") && status.contains("web-5        exited"), "{status}");

    // Nothing is left.
    assert!(!left(&project).is_empty());
    fleet.testbed(&["down"]);
    assert_eq!(left(&project), Vec::<String>::new());
    assert!(!fleet.place.path().join("fleet/id_ed25519").exists());
}

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

mod common;

use common::{Fleet, becomes_true, not_tested, say_untested, succeeds, swept_as_faults_want, text};
use herdiff_testbed::fault::Fault;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

const BASE: &str = "herdiff-testbed-base";

fn can_be_tested() -> bool {
    if !succeeds("docker", &["info"]) {
        say_untested("no Docker engine answers here");
        return false;
    }
    if !succeeds("docker", &["compose", "version"]) && !succeeds("docker-compose", &["version"]) {
        not_tested("no compose is installed (apt-get install docker-compose)");
        return false;
    }
    if !succeeds("docker", &["image", "inspect", BASE]) {
        not_tested("the base image is not there; make it with testbed/compose/base.sh");
        return false;
    }
    true
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

/// Docker's name of a container.
fn container(project: &str, service: &str, number: &str) -> String {
    let mut list = Command::new("docker");
    list.args(["ps", "-q"]);
    for (key, value) in [("project", project), ("service", service), ("container-number", number)] {
        list.arg("--filter").arg(format!("label=com.docker.compose.{key}={value}"));
    }
    text(&list.output().unwrap().stdout).trim().to_owned()
}

#[test]
fn a_fleet_of_containers_is_swept_through_its_bastion_whatever_happens_to_it() {
    if !can_be_tested() {
        return;
    }
    let fleet = Fleet::up("compose", &["--base", BASE, "--hosts", "6", "--attack", "web-3=cron-implant"]);
    let project = fleet.state()["fleet"]["project"].as_str().unwrap().to_owned();

    // Plain ssh gets everywhere, and to the web tier through the bastion only.
    assert!(fleet.ssh(&["web-6", "true"]).status.success());
    let around = fleet.ssh(&["-o", "ProxyJump=none", "-o", "ConnectTimeout=5", "web-6", "true"]);
    assert_eq!(around.status.code(), Some(255), "{around:?}");

    // All are well, and the compromised one stands out.
    let output = fleet.collect("well.herd", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fleet.outcomes("well.herd").len(), 8);
    assert!(fleet.outcomes("well.herd").values().all(|outcome| outcome == "ok"));
    assert_eq!(fleet.findings("well.herd", "9.5").first().map(String::as_str), Some("web-3"));

    // One is cut off, one stands still, one dies while it is visited.
    fleet.testbed(&["fault", "web-1=cut-off", "web-2=freeze"]);
    fs::write(
        fleet.path("slow.conf"),
        r#"{"queries": {
            "users": {"query": "SELECT uid, username FROM users"},
            "crontab": {"query": "SELECT path, command FROM crontab"},
            "slow": {"query": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 400000000) SELECT count(*) AS n FROM c"}
        }}"#,
    )
    .unwrap();
    // Who answers has plenty of time; those who do not are waited for as long. The slow query ends at its own limit.
    let limits = ["--connect-timeout", "20", "--query-timeout", "25", "--host-timeout", "120"];
    let pack = ["--pack", "slow.conf", "--engine", "probe"];
    let mut sweep = fleet.sweep("ill.herd", &[&limits[..], &pack[..]].concat());
    let sweep = sweep.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It dies once the slow query is at work there.
    let victim = container(&project, "web", "5");
    becomes_true("the engine runs on web-5", || {
        let top = Command::new("docker").args(["top", &victim]).output().unwrap();
        text(&top.stdout).contains("herdiff-probe --sweep")
    });
    fleet.testbed(&["fault", "web-5=kill"]);
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
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
    assert!(!fleet.path("fleet/id_ed25519").exists());
}

#[test]
fn containers_misbehave_as_they_are_told() {
    if !can_be_tested() {
        return;
    }
    let count = Fault::ALL.len() + 1;
    let fleet = Fleet::up("compose", &["--base", BASE, "--hosts", &count.to_string()]);
    let faults: BTreeMap<String, Fault> =
        Fault::ALL.iter().zip(1..).map(|(&fault, number)| (format!("web-{number}"), fault)).collect();
    let words: Vec<String> = faults.iter().map(|(host, fault)| format!("{host}={fault}")).collect();
    fleet.testbed(&[&["fault"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    let well = format!("web-{count}");
    let outcomes = swept_as_faults_want(&fleet, &faults, &well);
    for (host, fault) in &faults {
        let outcome = outcomes[host].as_str();
        let expected: &[&str] = match fault {
            // It is the bastion that does not get there, and all it says is that.
            Fault::NoAddress | Fault::Refuse | Fault::Kill => &["unreachable"],
            // Who is in no network has no name there, either, and the bastion may look for that longer than we wait.
            Fault::CutOff => &["unreachable", "timeout"],
            other => &[other.outcome().code()],
        };
        assert!(expected.contains(&outcome), "{fault}: {outcome}");
    }
    assert_eq!(outcomes[&well], "ok");
}

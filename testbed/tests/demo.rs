//! The demo and `up` as their users see them, with a stand-in for `herdiff` where its answers are to be wrong.
//!
//! That the demo works with the real `herdiff` is what `.ci/run` shows.

#![allow(clippy::unwrap_used, reason = "a test stops where its ground is missing")]

mod common;

use common::{TESTBED, becomes_true, in_memory, text};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A directory with the test bed's program and a script that plays `herdiff`, and one for temporary files.
struct Stage {
    programs: TempDir,
    temporary: TempDir,
}

impl Stage {
    fn path(&self) -> &Path {
        self.programs.path()
    }

    fn testbed(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path().join("herdiff-testbed"));
        command.current_dir(self.path()).env("TMPDIR", self.temporary.path()).args(arguments);
        command
    }

    fn demo(&self) -> Output {
        self.testbed(&["demo", "--check"]).output().unwrap()
    }

    fn is_clean(&self) -> bool {
        fs::read_dir(self.temporary.path()).unwrap().next().is_none()
    }
}

fn stage(herdiff: Option<&str>) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    // Programs cannot be run from there everywhere.
    let temporary = in_memory();
    let testbed = directory.path().join("herdiff-testbed");
    // A link to the same file; a copy where the system's temporary directory is on another disk.
    fs::hard_link(TESTBED, &testbed).or_else(|_| fs::copy(TESTBED, &testbed).map(|_| ())).unwrap();
    if let Some(script) = herdiff {
        let path = directory.path().join("herdiff");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Stage { programs: directory, temporary }
}

/// A `herdiff` that has swept all and found these hosts first.
fn finding(first: &str, second: &str) -> String {
    format!(
        r#"case "$1 $*" in
collect*) cp "$3" "$9" ;;
*--hosts*) i=1; while [ $i -le 24 ]; do printf '{{"host":"web-%02d","outcome":"ok"}}\n' $i; i=$((i+1)); done ;;
*ndjson*) for h in {first} {second}; do echo "{{\"host\":\"$h\",\"hosts\":[\"$h\"],\"query\":\"users\"}}"; done; exit 1 ;;
outliers*) echo "two findings"; exit 1 ;;
esac"#
    )
}

#[test]
fn the_demo_shows_commands_findings_and_the_truth() {
    let stage = stage(Some(&finding("web-07", "web-19")));
    let output = stage.demo();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("$ herdiff collect -i herdiff-demo/inventory.ini --identity "), "{said}");
    assert!(said.contains("$ herdiff outliers herdiff-demo/demo.herd\ntwo findings\n"), "{said}");
    assert!(said.contains("web-07  cron-implant") && said.contains("web-19  backdoor-account"), "{said}");
    assert!(said.contains("first findings: web-07 (users), web-19 (users)"), "{said}");
    let left: Vec<_> = fs::read_dir(stage.path().join("herdiff-demo")).unwrap().flatten().collect();
    let mut left: Vec<_> = left.iter().map(|entry| text(entry.file_name().as_encoded_bytes())).collect();
    left.sort();
    assert_eq!(left, ["demo.herd", "inventory.ini", "known_hosts", "ssh_config"]);
    // Its trees are gone, and it may run again over what it has left.
    assert!(stage.is_clean());
    assert!(stage.demo().status.success());
}

#[test]
fn the_check_fails_honestly() {
    let missing = stage(None);
    let output = missing.demo();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no `herdiff` beside"), "{output:?}");
    assert!(text(&output.stderr).contains("build it with: cargo build"), "{output:?}");
    for (script, words) in [
        (
            finding("web-07", "web-03"),
            "the first findings should be on web-07 and web-19, one each; they are: web-07 (users), web-03 (users)",
        ),
        ("exit 3".to_owned(), "`herdiff collect` ended with 3, and should have with 0"),
        ("kill -9 $$".to_owned(), "`herdiff collect` ended with a signal"),
        ("exit 0".to_owned(), "`herdiff outliers` ended with 0, and should have with 1"),
    ] {
        let stage = stage(Some(&script));
        let output = stage.demo();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{output:?}");
    }
}

#[test]
fn up_serves_until_it_is_told_to_end_and_leaves_no_tree() {
    let stage = stage(None);
    let mut up = stage.testbed(&["up", "--hosts", "2", "--fault", "web-02=silent"]);
    let mut up = up.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("Ctrl-C")));
    let ssh = Command::new("ssh")
        .current_dir(stage.path())
        .args(["-F", "herdiff-fleet/ssh_config", "web-01", "id -u"])
        .output()
        .unwrap();
    assert!(ssh.status.success(), "{ssh:?}");
    assert!(Command::new("kill").arg(up.id().to_string()).status().unwrap().success());
    assert!(up.wait().unwrap().success());
    assert!(stage.is_clean());
    assert!(!stage.path().join("herdiff-fleet/id_ed25519").exists());
}

#[test]
fn a_fleet_in_the_background_is_changed_and_taken_away() {
    let stage = stage(None);
    let run = |arguments: &[&str]| {
        let output = stage.testbed(arguments).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let ssh = |command: &str| {
        let mut ssh = Command::new("ssh");
        ssh.current_dir(stage.path()).args(["-F", "herdiff-fleet/ssh_config", "web-02", command]);
        let output = ssh.output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, said, _) = run(&["up", "-d", "--hosts", "3", "--attack", "web-01=miner"]);
    assert!(
        code == Some(0) && said.contains("herdiff-testbed down --dir herdiff-fleet ends them."),
        "{said}"
    );
    let (code, _, complained) = run(&["up", "-d", "--hosts", "3"]);
    assert!(
        code == Some(2) && complained.contains("is still up; end it with: herdiff-testbed down"),
        "{complained}"
    );

    // An attack on a running host: its traces are in its tree, and the truth is beside the inventory.
    let account = "grep -c ^sysbackup: $HERDIFF_PROBE_ROOT/etc/passwd";
    assert_eq!(ssh(account).1, "0\n");
    let (code, said, _) = run(&["attack", "web-02=backdoor-account"]);
    assert!(code == Some(0) && said.starts_with("web-02: a second user with the rights of root"), "{said}");
    assert_eq!(ssh(account).1, "1\n");
    let truth = fs::read_to_string(stage.path().join("herdiff-fleet/truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    let planted: Vec<_> =
        truth["planted"].as_array().unwrap().iter().map(|p| p["attack"].as_str().unwrap()).collect();
    assert_eq!(planted, ["miner", "backdoor-account"]);

    // A fault on a running host, within a moment.
    assert_eq!(run(&["fault", "web-02=refuse"]).0, Some(0));
    becomes_true("the host answers no more", || ssh("true").0 != Some(0));
    assert!(
        run(&["fault", "web-09=refuse"]).2.contains("there is no host `web-09`; there are: web-01 to web-03")
    );
    let (code, said, _) = run(&["status"]);
    assert_eq!(code, Some(0));
    for line in ["simulated: 3 hosts", "attack  web-02       backdoor-account", "fault   web-02       refuse"]
    {
        assert!(said.contains(line), "{said}");
    }

    // Nothing is left but what says which hosts there were. What was killed is taken away as well.
    assert_eq!(run(&["down"]).0, Some(0));
    let left = || {
        let entries = fs::read_dir(stage.path().join("herdiff-fleet")).unwrap().flatten();
        let mut left: Vec<_> = entries.map(|entry| text(entry.file_name().as_encoded_bytes())).collect();
        left.sort();
        left
    };
    let rest = ["inventory.ini", "known_hosts", "ssh_config", "truth.json"];
    assert!(stage.is_clean());
    assert_eq!(left(), rest);
    assert!(run(&["down"]).2.contains("no fleet was started from `herdiff-fleet`"));
    assert_eq!(run(&["up", "-d", "--hosts", "2", "--fault", "web-02=no-engine"]).0, Some(0));
    // With programs of its own, which are on disk now.
    assert_eq!(ssh("true").0, Some(0));
    let state = fs::read_to_string(stage.path().join("herdiff-fleet/fleet.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let pid = state["fleet"]["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    assert!(!stage.is_clean());
    assert_eq!(run(&["down"]).0, Some(0));
    assert!(stage.is_clean());
    assert_eq!(left(), rest);
}

/// The words under a herd's name in the inventory, up to the next herd.
fn members(inventory: &str, herd: &str) -> Vec<String> {
    let lines = inventory.lines().skip_while(|line| *line != format!("[{herd}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn roles_are_herds_of_their_own() {
    let fleet =
        common::Fleet::up("simulated", &["--roles", "web=4,db=10,lb=1", "--attack", "db-07=reverse-shell"]);
    let inventory = fs::read_to_string(fleet.path("fleet/inventory.ini")).unwrap();
    assert_eq!(members(&inventory, "web"), ["web-01", "web-02", "web-03", "web-04"]);
    assert_eq!(members(&inventory, "db").len(), 10);
    assert_eq!(members(&inventory, "lb"), ["lb-01"]);
    let output = fleet.collect("x.herd", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // What a role runs is what its hosts have, and of the databases the attacked one comes first.
    let runs =
        |host: &str| text(&fleet.herdiff(&["show", "x.herd", "--host", host, "--query", "processes"]).stdout);
    assert!(
        runs("db-01").contains("/usr/lib/postgresql/15/bin/postgres") && !runs("db-01").contains("nginx")
    );
    assert!(runs("lb-01").contains("haproxy") && runs("web-01").contains("nginx"));
    assert_eq!(fleet.findings("x.herd", "0").first().map(String::as_str), Some("db-07"));
    assert!(fleet.testbed(&["status"]).starts_with("simulated: 15 hosts (4 web, 10 db, 1 lb), served by"));
    // What is changed later is changed on the same hosts.
    fleet.testbed(&["attack", "db-03=backdoor-account"]);
    let account = fleet.ssh(&["db-03", "grep -c '^sysbackup:\\|^postgres:' $HERDIFF_PROBE_ROOT/etc/passwd"]);
    assert_eq!(text(&account.stdout), "2\n");
}

#[test]
fn saved_output_has_its_roles_too() {
    let place = common::Place::new();
    let words = ["generate", "--roles", "web=2,db=2", "--rows", "1500", "--compromise", "2", "saved"];
    let output = place.run(TESTBED, &words);
    assert!(output.status.success(), "{output:?}");
    let truth = fs::read_to_string(place.path("saved/truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    assert_eq!(truth["herds"], serde_json::json!({"web": 2, "db": 2}));
    let units = fs::read_to_string(place.path("saved/db-02/systemd_units.json")).unwrap();
    assert!(units.contains("\"postgresql.service\"") && !units.contains("nginx"), "{units}");
}

#[test]
fn mistakes_are_answered_with_what_there_is() {
    let run = |arguments: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let output = Command::new(TESTBED).current_dir(directory.path()).args(arguments).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = run(&["up", "--attack", "web-99=cron-implant"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(2), "herdiff-testbed: there is no host `web-99`; hosts are web-01 to web-24\n")
    );
    let (code, said) = run(&["up", "--fault", "web-99=hang"]);
    assert!(code == Some(2) && said.contains("there is no host `web-99` to give a fault to"), "{said}");
    let (code, said) = run(&["up", "--form", "compose", "--cut-after", "9"]);
    assert!(code == Some(2) && said.contains("the lines to containers cannot be shaped"), "{said}");
    let (code, said) = run(&["up", "--form", "sshd", "--roles", "db=3"]);
    assert!(code == Some(2) && said.contains("only simulated hosts have roles to choose"), "{said}");
    let (code, said) = run(&["up", "--roles", "web=3,web=4"]);
    assert_eq!((code, said.as_str()), (Some(2), "herdiff-testbed: --roles names web twice\n"));
    let (code, said) = run(&["up", "--attack", "web-01=none"]);
    assert!(code == Some(2) && said.contains("there are: cron-implant, "), "{said}");
}

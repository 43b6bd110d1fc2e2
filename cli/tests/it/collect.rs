//! `herdiff collect` and `herdiff import`: what goes wrong before and during a sweep. That a sweep works is shown where
//! there are hosts: in `collector/tests` and in the test bed.

use crate::support::{Place, told};
use insta::assert_snapshot;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// A port at which nobody answers. It is below those that the system gives to tests that want any.
fn closed_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_visited() {
    let place = Place::new();
    std::fs::write(place.path("broken.ini"), "[web]\nweb-01 ansible_port=ssh\n").unwrap();
    std::fs::write(place.path("empty.txt"), "# nobody\n").unwrap();
    std::fs::write(place.path("hosts.txt"), "127.0.0.1:1\n").unwrap();
    std::fs::write(place.path("broken.conf"), "{\"queries\": {\"q\": {\"query\": 1}}}").unwrap();
    std::fs::write(place.path("there.herd"), "precious").unwrap();
    std::fs::write(place.path("script"), "#!/bin/sh\n").unwrap();
    let mut all = String::new();
    for line in [
        "collect",
        "collect -i missing.ini",
        "collect -i broken.ini",
        "collect -i empty.txt",
        "collect -i hosts.txt -l web",
        "collect -i hosts.txt -l ~web",
        "collect -i hosts.txt --pack missing.conf",
        "collect -i hosts.txt --pack broken.conf",
        "collect -i hosts.txt --probe script",
        "collect -i hosts.txt --identity missing-key -o out.herd",
        "collect -i hosts.txt -o there.herd",
        "collect -i hosts.txt --forks 0",
        "import empty.txt -o x.herd",
    ] {
        all += &format!("$ herdiff {line}\n");
        all += &place.herdiff(&line.split_whitespace().collect::<Vec<_>>());
        all += "\n";
    }
    assert_snapshot!(all);
    assert_eq!(std::fs::read(place.path("there.herd")).unwrap(), b"precious");
    assert!(!place.path("out.herd").exists(), "an empty bundle would be in the way of the next try");
}

#[test]
fn an_inventory_is_shown_as_it_is_understood() {
    let place = Place::new();
    std::fs::create_dir(place.path("group_vars")).unwrap();
    std::fs::write(place.path("group_vars/web.yml"), "ansible_user: deploy\nansible_become_pass: hunter2\n")
        .unwrap();
    std::fs::write(
        place.path("fleet.yml"),
        "all:\n  children:\n    web:\n      hosts:\n        web-[01:03]: {ansible_port: 2222}\n    db:\n      hosts: {db-1: {ansible_host: 10.0.0.9}}\n",
    )
    .unwrap();
    std::fs::write(place.path("again.txt"), "db-1\ndb-2\n").unwrap();
    std::fs::write(place.path("retry.txt"), "web-01\ndb-1\n").unwrap();
    std::fs::write(place.path("bomb.yml"), "a: [*x]\n").unwrap();
    let mut all = String::new();
    for line in [
        "inventory -i fleet.yml -i again.txt",
        "inventory -i fleet.yml -l @retry.txt --format ndjson",
        "inventory web[1-3] ops@10.0.0.7:2222 --format csv",
        "inventory -i bomb.yml",
        "inventory -i fleet.yml -l web[9]",
        "inventory",
    ] {
        all += &format!("$ herdiff {line}\n");
        all += &place.herdiff(&line.split_whitespace().collect::<Vec<_>>());
        all += "\n";
    }
    assert!(!all.contains("hunter2"), "{all}");
    assert_snapshot!(all);
}

#[test]
fn a_fleet_that_is_not_there_ends_with_4_and_a_bundle_that_says_why() {
    let place = Place::new();
    let (one, other) = (closed_port(), closed_port());
    std::fs::write(place.path("fleet.ini"), format!("[web]\nweb-01 ansible_host=127.0.0.1 ansible_port={one}\nweb-02 ansible_host=127.0.0.1 ansible_port={other}\n")).unwrap();
    let output = place.run(&["collect", "-i", "fleet.ini", "-o", "x.herd", "-u", "ada"]);
    insta::with_settings!({filters => vec![
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"in \d+\.\d s", "in [time]"),
        (r"\(\d+ kB\)", "([size])"),
        (r"seal    [0-9a-f]{64}", "seal    [seal]"),
        (r"\[\d/2\] web-0\d", "[n/2] [host]"),
    ]}, {
        assert_snapshot!(told(&output));
    });
    let shown = place.herdiff(&["show", "x.herd", "--hosts"]);
    assert_eq!(shown.matches("refused").count(), 4, "the outcome, and the system's word for it: {shown}");
    assert_eq!(place.run(&["outliers", "x.herd"]).status.code(), Some(4));
}

#[test]
fn an_interrupted_sweep_keeps_an_outcome_for_every_host() {
    let place = Place::new();
    // It takes connections, as the system does that for it, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hosts: String =
        (1..=6).map(|n| format!("web-{n} ansible_host=127.0.0.1 ansible_port={port}\n")).collect();
    std::fs::write(place.path("fleet.ini"), format!("[web]\n{hosts}")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_herdiff"))
        .args(["collect", "-i", "fleet.ini", "-o", "x.herd", "-u", "ada", "--forks", "3"])
        .current_dir(place.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // By then it listens for signals.
    silent.accept().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", told(&output));
    let shown = place.run(&["show", "x.herd", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["outcomes"]["interrupted"], &shown["complete"]), (&6.into(), &true.into()), "{shown}");
}

#[test]
fn saved_output_becomes_a_bundle() {
    let place = Place::new();
    for n in 0..4 {
        let directory = place.path("saved").join(format!("web-{n}"));
        std::fs::create_dir_all(&directory).unwrap();
        let odd = if n == 2 { ",\n  {\"uid\":\"0\",\"username\":\"eve\"}" } else { "" };
        std::fs::write(
            directory.join("users.json"),
            format!("[\n  {{\"uid\":\"0\",\"username\":\"root\"}}{odd}\n]\n"),
        )
        .unwrap();
    }
    std::fs::write(place.path("saved/web-1/users.json"), "[ {").unwrap();
    let output = place.run(&["import", "saved", "-o", "x.herd", "--herd", "web"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let findings = place.herdiff(&["outliers", "x.herd", "--min-score", "0"]);
    assert!(findings.contains("user eve (uid 0)") && findings.contains("only on web-2, of 4"), "{findings}");
}

/// Secrets come in by descriptors, and go nowhere else.
#[test]
fn a_password_is_neither_shown_nor_kept() {
    let place = Place::new();
    let port = closed_port();
    std::fs::write(place.path("secret"), "hunter2\n").unwrap();
    std::fs::write(place.path("empty"), "").unwrap();
    let run = |line: &str| {
        let line =
            format!("{} collect 127.0.0.1:{port} -u ada -o x.herd {line}", env!("CARGO_BIN_EXE_herdiff"));
        Command::new("sh").args(["-c", &line]).current_dir(place.0.path()).output().unwrap()
    };
    let output = run("--password-fd 3 3< secret --passphrase-fd 4 4< secret");
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(!told(&output).contains("hunter2"));
    let bundle = std::fs::read(place.path("x.herd")).unwrap();
    assert!(!bundle.windows(7).any(|part| part == b"hunter2"));
    for (line, why) in [
        ("--password-fd 9", "open it, as in"),
        ("--password-fd 3 3< empty", "its first line is empty"),
        ("-b --become-method doas --become-password-fd 3 3< secret", "doas is given no password"),
        ("--password-fd 3 3< secret --insecure-accept-any-host-key", "whoever sits in between would have it"),
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(2));
        assert!(told(&output).contains(why), "{}", told(&output));
    }
}

/// Hosts that are done are not visited again; those that were under way are.
#[test]
fn a_stopped_sweep_goes_on_where_it_was() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, free) = (silent.local_addr().unwrap().port(), closed_port());
    let hosts: String = (1..=4)
        .map(|n| {
            format!("web-{n} ansible_host=127.0.0.1 ansible_port={}\n", if n <= 2 { free } else { port })
        })
        .collect();
    std::fs::write(place.path("fleet.ini"), format!("[web]\n{hosts}")).unwrap();
    // Killed: the bundle has the two that were refused, and says where it ends.
    let mut child = Command::new(env!("CARGO_BIN_EXE_herdiff"))
        .args(["collect", "-i", "fleet.ini", "-o", "x.herd", "-u", "ada"])
        .current_dir(place.0.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A host is told of once it is in the bundle.
    let said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(said.filter(|line| line.contains("refused")).take(2).count(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(silent);
    let output = place.run(&["collect", "-i", "fleet.ini", "--resume", "x.herd", "-u", "ada"]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("x.herd: 2 hosts done before, 2 hosts to visit"), "{said}");
    assert!(said.contains("4 hosts: 4 refused"), "{said}");
    assert!(said.contains("--failed-from x.herd"), "{said}");
    let shown = place.run(&["show", "x.herd", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["outcomes"]["refused"], &shown["complete"]), (&4.into(), &true.into()), "{shown}");
    // Who went on with it is told beside who began it.
    let runs = shown["runs"].as_array().unwrap();
    let of = |run: usize| (&runs[run]["complete"], &runs[run]["targets"], &runs[run]["snapshots"]);
    assert_eq!(
        (runs.len(), of(0), of(1)),
        (2, (&false.into(), &4.into(), &2.into()), (&true.into(), &2.into(), &2.into())),
        "{shown}"
    );
    assert_eq!((&runs[1]["operator"], &runs[1]["tool"]), (&shown["operator"], &shown["tool"]));
    assert!(runs[1]["started_ms"].as_u64() >= runs[0]["started_ms"].as_u64());
    // Once more: nothing is missing.
    let output = place.run(&["collect", "-i", "fleet.ini", "--resume", "x.herd", "-u", "ada"]);
    assert!(told(&output).contains("4 hosts done before, 0 hosts to visit"), "{}", told(&output));
    // Those that failed, into a new bundle; and one that did not.
    let output =
        place.run(&["collect", "-i", "fleet.ini", "--failed-from", "x.herd", "-l", "web-1", "-o", "y.herd"]);
    assert!(told(&output).contains("1 host: 1 refused"), "{}", told(&output));
    std::fs::write(place.path("other.txt"), "other\n").unwrap();
    let output = place.run(&["collect", "-i", "other.txt", "--failed-from", "x.herd"]);
    assert!(told(&output).contains("has no host to try again"), "{}", told(&output));
    std::fs::write(place.path("no.herd"), "no").unwrap();
    assert_eq!(place.run(&["collect", "-i", "other.txt", "--resume", "no.herd"]).status.code(), Some(2));
}

/// The probe that was built with this command, which knows osqueryi's command line.
const PROBE: &str = env!("HERDIFF_PROBE");

const PACK: &str =
    r#"{"queries":{"os":{"query":"SELECT name FROM os_version"},"users":{"query":"SELECT uid FROM users"}}}"#;

fn receipt(place: &Place, bundle: &str) -> serde_json::Value {
    let shown = place.run(&["show", bundle, "--hosts", "--format", "ndjson"]);
    serde_json::from_slice(&shown.stdout).unwrap()
}

/// Without SSH: the same script, the same engine, the same bundle.
#[test]
fn this_machine_is_a_host_too() {
    let place = Place::new();
    std::fs::write(place.path("pack.conf"), PACK).unwrap();
    let local = |more: &[&str]| {
        let words = ["collect", "--transport", "local", "--engine", "probe", "--pack", "pack.conf", "-o"];
        place.run(&[&words[..], more].concat())
    };
    let output = local(&["x.herd", "web-07"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let host = receipt(&place, "x.herd");
    assert_eq!((&host["host"], &host["outcome"]), (&"web-07".into(), &"ok".into()), "{host}");
    // Under its own name where none is given.
    let own = Command::new("uname").arg("-n").output().unwrap();
    let output = local(&["y.herd"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(receipt(&place, "y.herd")["host"], String::from_utf8(own.stdout).unwrap().trim());
    let output = local(&["z.herd", "web-07", "web-08"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("this machine is one host, and several are named"), "{}", told(&output));
    assert!(!place.path("z.herd").exists());
}

#[test]
fn an_osqueryi_of_ones_own_is_checked_and_pushed() {
    let place = Place::new();
    std::fs::write(place.path("pack.conf"), PACK).unwrap();
    std::fs::create_dir_all(place.path("opt/osquery/bin")).unwrap();
    std::fs::copy(PROBE, place.path("opt/osquery/bin/osqueryd")).unwrap();
    let made =
        Command::new("tar").args(["-czf", "osquery.tar.gz", "opt"]).current_dir(place.0.path()).status();
    assert!(made.unwrap().success());
    let sum = Command::new("sha256sum").arg("osquery.tar.gz").current_dir(place.0.path()).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
    let collect = |more: &[&str]| {
        let words = ["collect", "web-07", "--transport", "local", "--pack", "pack.conf", "--osquery"];
        place.run(&[&words[..], &["osquery.tar.gz"], more].concat())
    };
    let output = collect(&["--osquery-sha256", &sum, "-o", "x.herd"]);
    // Whoever is not root is told that osqueryi sees less.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", told(&output));
    assert_eq!(receipt(&place, "x.herd")["engine"], "osqueryi");

    for (more, why) in [
        (&["--osquery-sha256", &"0".repeat(64)][..], "it is another file, or somebody changed it"),
        (&[], "--osquery-sha256 <HEX>"),
        (&["--osquery-sha256", &sum, "--osquery-sha256", &sum], "each --osquery needs its --osquery-sha256"),
        (&["--osquery-sha256", &sum, "--engine", "probe"], "exclude each other"),
    ] {
        let output = collect(&[more, &["-o", "no.herd"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(why), "{}", told(&output));
        assert!(!place.path("no.herd").exists());
    }
}

//! `herdiff pack` and `herdiff completions`.

use crate::support::Place;
use insta::assert_snapshot;
use std::process::{Command, Stdio};

#[test]
fn packs_are_listed_printed_and_checked() {
    let place = Place::new();
    let ours = r#"{"queries": {
        "ours": {"query": "SELECT name,\
            version FROM deb_packages", "herdiff": {"key": ["name"]}},
        "theirs": {"query": "SELECT * FROM registry", "platform": "windows"},
        "bare": {}}}"#;
    std::fs::write(place.path("ours.conf"), ours).unwrap();
    std::fs::write(place.path("empty.conf"), r#"{"queries": {}}"#).unwrap();
    std::fs::write(place.path("broken.conf"), r#"{"queries": [}"#).unwrap();
    let mut told = String::new();
    for arguments in [
        &["list"][..],
        &["check", "ours.conf"],
        &["check", "empty.conf"],
        &["check", "broken.conf"],
        &["show", "nowhere"],
    ] {
        told += &format!("$ herdiff pack {}\n", arguments.join(" "));
        told += &place.herdiff(&[&["pack"], arguments].concat());
        told += "\n";
    }
    assert_snapshot!(told);
}

#[test]
fn a_printed_pack_can_be_checked_again() {
    let place = Place::new();
    for pack in ["triage", "hunt"] {
        let shown = place.run(&["pack", "show", pack]);
        assert!(shown.status.success());
        std::fs::write(place.path("again.conf"), shown.stdout).unwrap();
        let checked = place.herdiff(&["pack", "check", "again.conf"]);
        assert!(checked.starts_with("exit: 0") && checked.contains("all of them usable"), "{checked}");
    }
}

#[test]
fn packs_with_a_query_of_one_name_are_not_asked_together() {
    let place = Place::new();
    assert_snapshot!(place.herdiff(&[
        "collect",
        "--pack",
        "triage",
        "--pack",
        "triage",
        "-o",
        "f.herd",
        "127.0.0.1"
    ]));
}

#[test]
fn bash_takes_the_completions() {
    let script = Place::new().run(&["completions", "bash"]);
    assert!(script.status.success());
    let mut bash = Command::new("bash")
        .args(["-c", "source /dev/stdin && complete -p herdiff"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), &script.stdout).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("-F _herdiff"), "{output:?}");
}

//! `herdiff outliers` and `herdiff diff`.

use crate::support::{Fleet, Place, compromised};
use insta::assert_snapshot;

#[test]
fn outliers_names_the_odd_hosts_worst_first() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    assert_snapshot!(place.herdiff(&["outliers", "sweep.herd"]));
}

#[test]
fn outliers_says_what_was_not_seen() {
    let place = Place::new();
    compromised().troubled().write(&place.path("sweep.herd"));
    assert_snapshot!(place.herdiff(&["outliers", "sweep.herd"]));
}

#[test]
fn a_clean_herd_ends_with_0_and_a_partly_seen_one_with_3() {
    let place = Place::new();
    Fleet::new().write(&place.path("clean.herd"));
    assert_snapshot!(place.herdiff(&["outliers", "clean.herd"]));
    Fleet::new().troubled().write(&place.path("partial.herd"));
    assert_snapshot!(place.herdiff(&["outliers", "partial.herd"]));
}

#[test]
fn the_threshold_decides_the_exit_code() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    let code = |arguments: &[&str]| {
        place.run(&[&["outliers", "sweep.herd"], arguments].concat()).status.code().unwrap()
    };
    assert_eq!(code(&[]), 1);
    assert_eq!(code(&["--fail-on", "never"]), 0);
    assert_eq!(code(&["--fail-on", "1000"]), 0);
    assert_eq!(code(&["--fail-on", "much"]), 2);
}

#[test]
fn findings_for_programs() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    assert_snapshot!(place.herdiff(&["outliers", "sweep.herd", "--format", "ndjson"]));
    assert_snapshot!(place.herdiff(&["outliers", "sweep.herd", "--format", "csv"]));
    let json = place.run(&["outliers", "sweep.herd", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len(), 2);
    assert_eq!(json["coverage"]["hosts"], 12);
}

#[test]
fn diff_against_a_clean_host() {
    let place = Place::new();
    let mut golden = Fleet::new();
    golden.visits.truncate(1);
    golden.write(&place.path("golden.herd"));
    compromised().troubled().write(&place.path("today.herd"));
    assert_snapshot!(place.herdiff(&["diff", "golden.herd", "today.herd"]));
    assert_eq!(place.run(&["diff", "golden.herd", "golden.herd"]).status.code(), Some(0));
}

#[test]
fn what_hosts_say_does_nothing_to_the_terminal() {
    let place = Place::new();
    Fleet::new()
        .row(2, 0, "path=/etc/cron.d/\u{1b}[2J|command=\u{202e}root \u{9b}31m /var/tmp/x")
        .write(&place.path("sweep.herd"));
    for format in ["table", "json", "ndjson"] {
        let output = place.run(&["outliers", "sweep.herd", "--format", format]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("var/tmp/x"), "{text}");
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_cut_bundle_is_used_and_said_to_be_cut() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    let whole = std::fs::read(place.path("sweep.herd")).unwrap();
    std::fs::write(place.path("cut.herd"), &whole[..whole.len() - 3]).unwrap();
    let output = place.run(&["outliers", "cut.herd", "--fail-on", "never"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("cut.herd ends early"));
}

#[test]
fn files_that_are_no_bundles() {
    let place = Place::new();
    std::fs::write(place.path("notes.txt"), "hello").unwrap();
    compromised().write(&place.path("sweep.herd"));
    let mut damaged = std::fs::read(place.path("sweep.herd")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(place.path("damaged.herd"), damaged).unwrap();
    let mut told = String::new();
    for name in ["missing.herd", "notes.txt", "damaged.herd"] {
        told += &format!("$ herdiff outliers {name}\n{}\n", place.herdiff(&["outliers", name]));
    }
    assert_snapshot!(told);
}

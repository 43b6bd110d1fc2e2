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

#[test]
fn scope_names_who_has_it_and_who_could_not_tell() {
    let place = Place::new();
    compromised()
        .row(11, 0, "path=/etc/crontab|command=root /usr/bin/env /var/tmp/.x/upd -q")
        .troubled()
        .write(&place.path("sweep.herd"));
    assert_snapshot!(place.herdiff(&["scope", "sweep.herd", "crontab:command=/var/tmp/.x/upd"]));
    let code = |indicator: &str| place.run(&["scope", "sweep.herd", indicator]).status.code().unwrap();
    assert_eq!(code("directory=/var/tmp"), 1);
    assert_eq!(code("directory=/nowhere"), 3, "who could not be reached could have it");
    assert_eq!(code("directory="), 2);
    Fleet::new().write(&place.path("clean.herd"));
    assert_eq!(place.run(&["scope", "clean.herd", "directory=/nowhere"]).status.code(), Some(0));
}

#[test]
fn what_is_accepted_is_counted_and_not_listed() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = place.run(&[&["outliers", "sweep.herd", "--format", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let all = json(&[]);
    let id = all["findings"][0]["id"].as_str().unwrap().to_owned();
    let accept = ["accept", &id, "--in", "sweep.herd", "--reason", "ours", "--expires", "2999-12-31"];
    assert_eq!(place.run(&accept).status.code(), Some(0));
    let rest = json(&[]);
    assert_eq!(rest["accepted"], 1);
    assert_eq!(rest["findings"].as_array().unwrap().len() + 1, all["findings"].as_array().unwrap().len());
    let told = place.herdiff(&["outliers", "sweep.herd"]);
    assert!(told.contains("1 finding not shown: accepted."), "{told}");
    // What has expired is told again.
    let text = std::fs::read_to_string(place.path("herdiff.accepted")).unwrap();
    std::fs::write(place.path("herdiff.accepted"), text.replace("2999", "2001")).unwrap();
    assert_eq!(json(&[])["accepted"], 0);
    std::fs::write(place.path("herdiff.accepted"), "08032abe7d7f\n").unwrap();
    assert_eq!(place.run(&["outliers", "sweep.herd"]).status.code(), Some(2), "no reason, no acceptance");
    assert_eq!(
        place.run(&["accept", "ffffffffffff", "--in", "sweep.herd", "--reason", "x"]).status.code(),
        Some(2)
    );
}

#[test]
fn everything_behind_a_finding() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    let json = place.run(&["outliers", "sweep.herd", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let id = json["findings"][0]["id"].as_str().unwrap();
    assert_snapshot!(place.herdiff(&["outliers", "sweep.herd", "--why", id.get(..6).unwrap()]));
    assert_eq!(place.run(&["outliers", "sweep.herd", "--why", "nonsense"]).status.code(), Some(2));
    assert_eq!(place.run(&["scope", "sweep.herd", "--finding", id]).status.code(), Some(1));
}

#[test]
fn how_rows_are_compared() {
    let place = Place::new();
    let mut fleet = compromised();
    for host in 1..=12 {
        let letter = |n: usize| char::from(b'a' + ((host * 7 + n * n * 3 + n) % 26) as u8);
        let name: String = (0..8).map(letter).collect();
        fleet = fleet.row(
            host,
            0,
            &format!("path=/etc/cron.d/job-{host}|command=root /srv/run --spool=/srv/{name}"),
        );
    }
    fleet.write(&place.path("sweep.herd"));
    assert_snapshot!(place.herdiff(&["outliers", "sweep.herd", "--explain-normalisation"]));
    let json = place.run(&["outliers", "sweep.herd", "--explain-normalisation", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json[0]["query"], "crontab");
    let csv = ["outliers", "sweep.herd", "--explain-normalisation", "--format", "csv"];
    assert_eq!(place.run(&csv).status.code(), Some(2));
}

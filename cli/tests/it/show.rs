//! `herdiff show`, and help.

use crate::support::{Fleet, Place, compromised};
use herdiff_model::bundle::{BundleWriter, Resumed, seal};
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use insta::assert_snapshot;

#[test]
fn what_is_in_a_bundle() {
    let place = Place::new();
    compromised().troubled().write(&place.path("sweep.herd"));
    let mut told = String::new();
    for arguments in [
        &[][..],
        &["--hosts"],
        &["--failures"],
        &["--query", "crontab"],
        &["--host", "web-09", "--format", "ndjson"],
        &["--host", "web-09", "--query", "users", "--format", "csv"],
        &["--host", "nobody"],
        &["--query", "nothing"],
        &["--format", "csv"],
    ] {
        told += &format!("$ herdiff show sweep.herd {}\n", arguments.join(" "));
        told += &place.herdiff(&[&["show", "sweep.herd"], arguments].concat());
        told += "\n";
    }
    insta::with_settings!({filters => vec![(r"seal  +[0-9a-f]{64}", "seal       [seal]")]}, {
        assert_snapshot!(told);
    });
}

/// A sweep that was stopped after some hosts, and gone on with by somebody else.
fn resumed(place: &Place) {
    let fleet = compromised();
    let whole = &fleet.visits;
    let stopped = Fleet { visits: whole[..5].to_vec() };
    let path = place.path("resumed.herd");
    stopped.write(&path);
    let facts = |resumed: &Resumed| SweepFacts {
        operator: "eve\u{1b}[2J@elsewhere".into(),
        started: UnixMillis(1_795_230_000_000),
        tool: "herdiff 0.2.0".into(),
        targets: (whole.len() - resumed.done.len()) as u64,
        ..resumed.facts.clone()
    };
    let (mut writer, _) = BundleWriter::resume(&path, facts).unwrap();
    whole[5..].iter().for_each(|visit| writer.append(visit).unwrap());
    writer.finish(UnixMillis(1_795_230_004_000), false).unwrap();
    seal(&path).unwrap();
}

#[test]
fn who_went_on_with_a_sweep_and_what_was_merged() {
    let place = Place::new();
    resumed(&place);
    compromised().troubled().write(&place.path("sweep.herd"));
    std::fs::write(place.path("cut.herd"), &std::fs::read(place.path("sweep.herd")).unwrap()[..2000])
        .unwrap();
    let head = |told: String| {
        told.lines()
            .take_while(|line| !line.starts_with("QUERY"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let mut told = String::new();
    for arguments in [
        &["show", "resumed.herd"][..],
        &["verify", "resumed.herd", "--content"],
        &["show", "resumed.herd", "--format", "ndjson"],
        &["merge", "resumed.herd", "cut.herd", "-o", "merged.herd"],
        &["show", "merged.herd"],
        &["verify", "merged.herd", "--recover", "recovered.herd"],
        &["show", "recovered.herd"],
        &["export", "resumed.herd", "--format", "json", "-o", "out"],
    ] {
        told += &format!("$ herdiff {}\n{}\n", arguments.join(" "), head(place.herdiff(arguments)));
    }
    let outcomes = std::fs::read_to_string(place.path("out/outcomes.ndjson")).unwrap();
    told += outcomes.lines().next().unwrap();
    assert_eq!(outcomes.matches(r#""part":1"#).count(), 7);
    let filters = vec![
        (r"[0-9a-f]{64}", "[digest]"),
        (r"\([0-9]+ kB\)", "([size])"),
        (r"by \S+@\S+ with herdiff [0-9.]+ \((merge|recovery)\)", "by [us] ($1)"),
        (r" in [0-9]+ bytes", " in [n] bytes"),
    ];
    insta::with_settings!({filters => filters}, {
        assert_snapshot!(told);
    });
}

#[test]
fn help_is_a_map() {
    assert_snapshot!(Place::new().herdiff(&["--help"]));
}

//! Hosts against a baseline.

use crate::fleet::{Fleet, tables};
use herdiff_differ::{Kind, Note, Options, Report, diff};

fn compare(baseline: &Fleet, target: &Fleet) -> Report {
    diff(&[&baseline.bundle()], &target.bundle(), &tables(), &Options::default())
}

fn clean(hosts: usize) -> Fleet {
    let mut fleet = Fleet::new(&["users", "kernel_modules"], hosts);
    fleet
        .all("users", "username=root|uid=0|shell=/bin/bash")
        .all("users", "username=www-data|uid=33|shell=/usr/sbin/nologin")
        .all("kernel_modules", "name=ext4|status=Live");
    fleet
}

#[test]
fn the_same_host_has_no_findings() {
    assert_eq!(compare(&clean(1), &clean(1)).findings, []);
}

#[test]
fn added_missing_and_changed() {
    let mut target = clean(1);
    target
        .clear(0, "users")
        .row(0, "users", "username=root|uid=0|shell=/bin/bash")
        .row(0, "users", "username=eve|uid=0|shell=/bin/bash")
        .clear(0, "kernel_modules")
        .row(0, "kernel_modules", "name=ext4|status=Unloading");
    let report = compare(&clean(1), &target);
    let mut kinds: Vec<_> =
        report.findings.iter().map(|finding| (finding.kind, finding.title.as_str())).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            (Kind::Added, "user eve (uid 0)"),
            (Kind::Missing, "user www-data (uid 33)"),
            (Kind::Changed, "kernel module ext4"),
        ]
    );
    let changed = report.findings.iter().find(|finding| finding.kind == Kind::Changed).unwrap();
    assert_eq!(
        changed.why,
        "on web-00, other than in the baseline: status Unloading instead of Live; the kernel brings it, and loads it when it is needed"
    );
}

#[test]
fn a_compromise_of_the_whole_fleet_is_found() {
    let mut target = clean(10);
    target.all("kernel_modules", "name=evil|status=Live");
    let report = compare(&clean(1), &target);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].hosts.len(), 10);
}

#[test]
fn what_either_side_could_not_tell_is_no_finding() {
    let mut target = clean(2);
    target.unreachable(0).fail(1, "users");
    assert_eq!(compare(&clean(1), &target).findings, []);

    let mut unsure = clean(1);
    unsure.unread(0, "users");
    let mut target = clean(1);
    target.row(0, "users", "username=eve|uid=0|shell=/bin/bash");
    let report = compare(&unsure, &target);
    assert_eq!(report.findings, [], "the baseline may have had it");
    assert_eq!(report.notes, [Note::BaselineUnsure { queries: vec!["users".into()] }]);
}

#[test]
fn a_baseline_herd_allows_what_any_of_its_hosts_has() {
    let mut baseline = clean(3);
    baseline.row(1, "users", "username=deploy|uid=1001|shell=/bin/sh");
    let mut target = clean(1);
    target.row(0, "users", "username=deploy|uid=1001|shell=/bin/sh");
    assert_eq!(compare(&baseline, &target).findings, []);
    assert_eq!(compare(&baseline, &clean(1)).findings, [], "and does not ask for what one of them lacks");
}

#[test]
fn a_query_that_the_baseline_lacks_is_said() {
    let mut target = Fleet::new(&["users", "mounts"], 1);
    target.row(0, "mounts", "path=/mnt|device=/dev/sdb");
    let report = compare(&clean(1), &target);
    assert!(report.notes.contains(&Note::NotInBaseline { queries: 1 }), "{:?}", report.notes);
    assert!(report.findings.iter().all(|finding| finding.query.as_str() != "mounts"));
}

#[test]
fn each_herd_is_held_against_the_clean_hosts_of_that_herd() {
    let mut baseline = clean(2);
    baseline.visits[1].herd = "db".into();
    baseline.row(1, "users", "username=postgres|uid=70|shell=/bin/sh");
    let mut target = clean(2);
    target.visits[1].herd = "db".into();
    target.row(0, "users", "username=postgres|uid=70|shell=/bin/sh");
    let report = compare(&baseline, &target);
    let told: Vec<_> = report.findings.iter().map(|finding| (finding.host.as_str(), finding.kind)).collect();
    assert!(told.contains(&("web-00", Kind::Added)), "a database's user on a web server: {told:?}");
    assert!(told.contains(&("web-01", Kind::Missing)), "{told:?}");
}

#[test]
fn columns_that_only_one_side_has_are_said() {
    let mut baseline = Fleet::new(&["users"], 1);
    baseline.row(0, "users", "username=root|uid=0");
    let mut target = Fleet::new(&["users"], 1);
    target.row(0, "users", "name=eve");
    let report = compare(&baseline, &target);
    assert_eq!(report.findings, []);
    assert!(report.leaves_open() && report.coverage.incomplete[0].other_columns == 1);
    let columns = vec!["name".into(), "uid".into(), "username".into()];
    assert!(
        report.notes.contains(&Note::ColumnsNotCompared { query: "users".into(), columns }),
        "{:?}",
        report.notes
    );
}

#[test]
fn a_target_cannot_say_how_it_is_compared() {
    // Packs of names have no annotations; what counts is that the baseline's pack is asked.
    let pack =
        |herdiff: &str| format!(r#"{{"queries": {{"users": {{"query": "SELECT * FROM users"{herdiff}}}}}}}"#);
    let mut baseline = Fleet::of_pack(&pack(""), 1);
    baseline.row(0, "users", "username=root|uid=0");
    let mut target = Fleet::of_pack(&pack(r#", "herdiff": {"volatile": ["username", "uid"]}"#), 1);
    target.row(0, "users", "username=root|uid=0").row(0, "users", "username=eve|uid=0");
    assert_eq!(compare(&baseline, &target).findings.len(), 1);
}

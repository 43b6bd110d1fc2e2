//! `herdiff baseline`, and comparisons with several baselines.

use crate::support::{Fleet, Place, compromised};
use insta::assert_snapshot;

/// A sweep of clean hosts, and one whose hosts 7 and 9 are not.
fn place() -> Place {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    Fleet::new().write(&place.path("clean.herd"));
    place
}

fn code(place: &Place, line: &str) -> i32 {
    place.run(&line.split(' ').collect::<Vec<_>>()).status.code().unwrap()
}

/// Without what differs from run to run: the day, who ran it, seals of bundles that say when they were made.
fn steady(told: &str) -> String {
    let mut words = Vec::new();
    for line in told.split('\n') {
        let word = |word: &str| {
            let is_seal = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_day = word.len() == 10 && word.matches('-').count() == 2;
            match (is_seal, is_day, word.contains('@')) {
                (true, ..) => "SEAL".to_owned(),
                (_, true, _) => "DAY".to_owned(),
                (_, _, true) => "WHO,".to_owned(),
                _ => word.to_owned(),
            }
        };
        words.push(line.split(' ').map(word).collect::<Vec<_>>().join(" "));
    }
    words.join("\n")
}

#[test]
fn what_stands_out_on_a_candidate_is_not_promoted() {
    let place = place();
    let create = ["baseline", "create", "web", "sweep.herd", "--host", "web-07", "--host", "web-08"];
    assert_snapshot!(steady(&place.herdiff(&create)));
    assert_snapshot!(steady(&place.herdiff(&["baseline", "check", "web", "--against", "sweep.herd"])));
    assert_snapshot!(steady(&place.herdiff(&["baseline", "promote", "web", "--against", "sweep.herd"])));
    assert_eq!(
        code(&place, "baseline promote web --against sweep.herd --fail-on never"),
        1,
        "no way around it"
    );
    assert!(!place.path("herdiff.baselines/web.herd").exists());
    assert_eq!(code(&place, "diff herdiff.baselines sweep.herd"), 2, "a candidate is no baseline");
    // What was looked at and is as it should be.
    let promote = ["baseline", "promote", "web", "--against", "sweep.herd", "--anyway", "our own job"];
    assert_eq!(place.run(&promote).status.code(), Some(0));
    assert_snapshot!(steady(&place.herdiff(&["baseline", "list"])));
}

#[test]
fn a_clean_candidate_becomes_the_baseline_and_the_one_before_is_kept() {
    let place = place();
    assert_eq!(code(&place, "baseline create web clean.herd --host web-01"), 0);
    assert_eq!(code(&place, "baseline create web clean.herd --host web-02"), 2, "there is a candidate");
    assert_eq!(code(&place, "baseline promote web"), 2, "one host alone cannot be checked");
    assert_eq!(code(&place, "baseline promote web --against sweep.herd"), 0);
    assert_eq!(code(&place, "baseline create web clean.herd"), 0);
    assert_eq!(code(&place, "baseline promote web"), 0, "twelve hosts are a herd of their own");
    let former: Vec<_> = std::fs::read_dir(place.path("herdiff.baselines/former")).unwrap().collect();
    assert_eq!(former.len(), 1);
    assert_eq!(code(&place, "diff herdiff.baselines clean.herd"), 0);
    assert_eq!(code(&place, "diff herdiff.baselines sweep.herd"), 1);
}

#[test]
fn a_baseline_that_was_put_in_its_place_by_somebody_else_is_not_believed() {
    let place = place();
    assert_eq!(code(&place, "baseline create web clean.herd"), 0);
    assert_eq!(code(&place, "baseline promote web"), 0);
    std::fs::copy(place.path("sweep.herd"), place.path("herdiff.baselines/web.herd")).unwrap();
    let told = place.herdiff(&["diff", "herdiff.baselines", "sweep.herd"]);
    assert!(told.starts_with("exit: 5") && told.contains("not what was promoted"), "{told}");
    assert_eq!(code(&place, "baseline list"), 5);
    std::fs::copy(place.path("clean.herd"), place.path("herdiff.baselines/db.herd")).unwrap();
    assert_eq!(code(&place, "outliers sweep.herd --baseline herdiff.baselines"), 5, "nobody promoted db");
}

#[test]
fn names_are_plain_and_reasons_are_given() {
    let place = place();
    for name in ["../web", ".web", "", "a/b", "web.candidate"] {
        let output = place.run(&["baseline", "create", name, "clean.herd"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
    assert_eq!(code(&place, "baseline create web clean.herd --host web-99"), 2);
    assert_eq!(code(&place, "baseline create web clean.herd"), 0);
    assert_eq!(place.run(&["baseline", "promote", "web", "--anyway", " "]).status.code(), Some(2));
}

#[test]
fn of_several_baselines_a_host_is_held_against_the_one_that_it_is_like() {
    let place = Place::new();
    let golden = |name: &str, module: &str| {
        let mut fleet = Fleet::new().row(1, 2, &format!("name={module}|status=Live"));
        fleet.visits.truncate(1);
        fleet.visits[0].herd = name.into();
        fleet.visits[0].host = format!("{name}-golden").as_str().into();
        fleet.write(&place.path(&format!("{name}.herd")));
    };
    golden("front", "ip_vs");
    golden("store", "dm_raid");
    let mut fleet = Fleet::new();
    for host in 1..=12 {
        fleet =
            fleet.row(host, 2, if host <= 4 { "name=dm_raid|status=Live" } else { "name=ip_vs|status=Live" });
    }
    fleet.row(2, 1, "username=sysd|uid=0|directory=/var/tmp").write(&place.path("sweep.herd"));
    assert_snapshot!(place.herdiff(&["diff", "front.herd", "store.herd", "sweep.herd"]));
}

#[test]
fn herd_and_baseline_together() {
    let place = Place::new();
    let mut golden = Fleet::new().row(1, 0, "path=/etc/cron.d/old|command=root /var/tmp/known.sh");
    golden.visits.truncate(1);
    golden.write(&place.path("golden.herd"));
    // One host still has what the baseline has; another has something new; and all have what the baseline has not.
    let mut fleet = Fleet::new().row(3, 0, "path=/etc/cron.d/old|command=root /var/tmp/known.sh").row(
        7,
        0,
        "path=/etc/cron.d/new|command=root /var/tmp/.x/upd",
    );
    for host in 1..=12 {
        fleet = fleet.row(host, 1, "username=sysd|uid=0|directory=/var/tmp");
    }
    fleet.write(&place.path("sweep.herd"));
    let arguments = ["outliers", "sweep.herd", "--baseline", "golden.herd", "--min-score", "0"];
    assert_snapshot!(place.herdiff(&arguments));
}

#[test]
fn what_differs_from_a_baseline_can_be_accepted() {
    let place = place();
    let mut golden = Fleet::new();
    golden.visits.truncate(1);
    golden.write(&place.path("golden.herd"));
    // On every host: nothing that a herd alone would find.
    let mut fleet = Fleet::new();
    for host in 1..=12 {
        fleet = fleet.row(host, 1, "username=sysd|uid=0|directory=/var/tmp");
    }
    fleet.write(&place.path("new.herd"));
    let output = place.run(&["diff", "golden.herd", "new.herd", "--format", "ndjson"]);
    let finding: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = finding["id"].as_str().unwrap();
    assert_eq!(
        code(&place, &format!("accept {id} --in new.herd --reason ours")),
        2,
        "no finding of outliers"
    );
    assert_eq!(code(&place, &format!("accept {id} --in new.herd --baseline golden.herd --reason ours")), 0);
    assert_eq!(code(&place, "diff golden.herd new.herd"), 0);
}

//! A sweep that is killed at any moment, and one whose disk is full, go on where they were and lose nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

mod common;

use common::{PATIENT, Place, Served, not_tested, text};
use herdiff_testbed::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

const HOSTS: u32 = 8;
/// How many sweeps are killed; more by the variable `HERDIFF_KILLS`.
const KILLS: u64 = 10;

/// Starts a sweep and kills it after a while, if it has not ended by then. Gives what the bundle was a moment before.
fn killed(place: &Place, words: &[&str], after: Duration) -> Vec<u8> {
    let mut sweep = place.command(common::herdiff(), words);
    let mut sweep = sweep.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let bundle = std::fs::read(place.path("x.herd")).unwrap_or_default();
    let _ = sweep.kill();
    sweep.wait().unwrap();
    bundle
}

/// The hosts that a bundle has, however it ends, and when each was visited.
fn done(place: &Place, bundle: &[u8]) -> BTreeSet<(String, String)> {
    if bundle.is_empty() {
        return BTreeSet::new();
    }
    std::fs::write(place.path("look.herd"), bundle).unwrap();
    let visits = place.lines(&["query", "look.herd", "SELECT host, started FROM hosts"]);
    visits.iter().map(|visit| (visit["host"].to_string(), visit["started"].to_string())).collect()
}

#[test]
fn a_sweep_that_is_killed_at_any_moment_goes_on_and_loses_nothing() {
    let served = Served::new(HOSTS, &BTreeMap::new());
    let place = &served.place;
    let collect = ["collect", "-q", "-i", "fleet/inventory.ini", "-F", "fleet/ssh_config", "--forks", "2"];
    let collect = [&collect[..], PATIENT].concat();
    let start = Instant::now();
    assert_eq!(place.herdiff(&[&collect[..], &["-o", "whole.herd"]].concat()).status.code(), Some(0));
    // As long as one takes, and a little more: the end is a moment like any other.
    let longest = u64::try_from(start.elapsed().as_millis()).unwrap() * 11 / 10;
    let kills = std::env::var("HERDIFF_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let (mut kept, mut cut) = (0, 0);
    for round in 0..kills {
        let mut dice = Dice::new(round).named("kill");
        // One in each part of that time, so that none is left out.
        let part = |n: u64| n * longest / kills.max(1);
        let after = dice.between(part(round), part(round + 1));
        let mut known = done(
            place,
            &killed(place, &[&collect[..], &["-o", "x.herd"]].concat(), Duration::from_millis(after)),
        );
        // Before there is a bundle there is nothing to go on with.
        let more = || if place.path("x.herd").exists() { ["--resume", "x.herd"] } else { ["-o", "x.herd"] };
        if round % 3 == 0 {
            // And once more, a little later.
            let after = Duration::from_millis(dice.between(0, longest / 2));
            known.append(&mut done(place, &killed(place, &[&collect[..], &more()].concat(), after)));
        }
        let left = done(place, &std::fs::read(place.path("x.herd")).unwrap_or_default());
        assert!(left.is_superset(&known), "round {round}: {known:?} were done, of which {left:?} are left");
        kept += left.len();
        cut += u64::from(left.len() < HOSTS as usize);
        let output = place.herdiff(&[&collect[..], &more()].concat());
        assert_eq!(output.status.code(), Some(0), "round {round}: {output:?}");
        assert_eq!(place.herdiff(&["verify", "x.herd", "--content"]).status.code(), Some(0), "round {round}");
        // Who was done is not visited again.
        let all = done(place, &std::fs::read(place.path("x.herd")).unwrap());
        assert!(all.is_superset(&left), "round {round}: {left:?} were there, now {all:?}");
        assert_eq!(all.len(), HOSTS as usize, "round {round}: {all:?}");
        let outcomes = place.outcomes("x.herd");
        assert!(outcomes.len() == HOSTS as usize && outcomes.values().all(|o| o == "ok"), "{outcomes:?}");
        let output = place.herdiff(&["diff", "whole.herd", "x.herd", "--min-score", "0"]);
        assert_eq!(output.status.code(), Some(0), "round {round}: {}", text(&output.stdout));
        std::fs::remove_file(place.path("x.herd")).unwrap();
    }
    println!("{kills} sweeps killed, {cut} before the last host was done; {kept} hosts not visited again");
    // On the hosts the scripts end by themselves.
    let trees = served.trees.directory().display().to_string();
    common::becomes_true("no script is left", || in_environment(&trees) == 0);
}

/// Processes that were started with a word in their environment.
fn in_environment(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = entries.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environments.filter(|environment| text(environment).contains(word)).count()
}

/// The disk that the bundle is written to is a small one in memory, which nobody else sees.
#[test]
fn a_full_disk_costs_only_what_did_not_fit() {
    if !common::succeeds("unshare", &["--mount", "true"]) {
        not_tested("a small disk needs root, and the right to make namespaces");
        return;
    }
    let served = Served::new(HOSTS, &BTreeMap::new());
    let place = &served.place;
    std::fs::create_dir(place.path("small")).unwrap();
    let patient = PATIENT.join(" ");
    // Half of the hosts have room: what all take is known from a sweep before.
    let collect = format!(
        "'{}' collect -q -i fleet/inventory.ini -F fleet/ssh_config {patient} --forks 1",
        common::herdiff().display()
    );
    let script = format!(
        "set -u
         mount -t tmpfs -o size=40k none small || exit 90
         {collect} -o small/x.herd; echo \"full $?\"
         cp small/x.herd cut.herd
         mount -o remount,size=64m small || exit 91
         {collect} --resume small/x.herd; echo \"resumed $?\"
         cp small/x.herd x.herd"
    );
    let output = place.run("unshare", &["--mount", "--propagation", "private", "sh", "-c", &script]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("full 2") && said.contains("No space left on device"), "{said}");
    assert!(said.contains("resumed 0"), "{said}");
    let before = place.outcomes("cut.herd");
    assert!(!before.is_empty() && before.len() < HOSTS as usize, "{before:?}: {said}");
    assert!(place.outcomes("x.herd").values().all(|outcome| outcome == "ok"));
    assert_eq!(place.outcomes("x.herd").len(), HOSTS as usize);
    assert_eq!(place.herdiff(&["verify", "x.herd", "--content"]).status.code(), Some(0));
}

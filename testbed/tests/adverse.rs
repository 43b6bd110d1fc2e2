//! A sweep on a machine whose wall clock jumps, or whose disk is slow, is a sweep like any other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

mod common;

use common::{PATIENT, Served, not_tested, text};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

const HOSTS: u32 = 6;
const DAY: &str = "86400";
/// What each write of the bundle takes longer.
const SLOW: u64 = 120;

/// The library that makes a clock jump and a disk slow; `None` where there is no C compiler to make it with.
fn adverse(served: &Served) -> Option<PathBuf> {
    let library = served.place.path("adverse.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/data/adverse/adverse.c");
    let words =
        ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library.to_str().unwrap(), source, "-ldl"];
    if !common::succeeds("cc", &["--version"]) {
        not_tested("there is no C compiler (apt-get install gcc libc6-dev)");
        return None;
    }
    let output = served.place.run("cc", &words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(library)
}

fn swept(served: &Served, library: &PathBuf, setting: (&str, &str), bundle: &str) -> Output {
    let mut sweep = served.place.sweep(bundle, &[PATIENT, &["--forks", "3"]].concat());
    sweep.env("LD_PRELOAD", library).env(setting.0, setting.1).output().unwrap()
}

/// The seconds that a summary speaks of.
fn seconds(output: &Output) -> f64 {
    let out = text(&output.stdout);
    let told = out.lines().next().unwrap().rsplit_once(" in ").unwrap().1;
    told.trim_end_matches(" s").parse().unwrap()
}

fn is_as_any_other(served: &Served, bundle: &str) {
    let outcomes = served.place.outcomes(bundle);
    assert!(outcomes.len() == HOSTS as usize && outcomes.values().all(|o| o == "ok"), "{outcomes:?}");
    assert_eq!(served.place.herdiff(&["verify", bundle, "--content"]).status.code(), Some(0));
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing() {
    let served = Served::new(HOSTS, &BTreeMap::new());
    let Some(library) = adverse(&served) else { return };
    let start = Instant::now();
    let output = swept(&served, &library, ("ADVERSE_CLOCK", DAY), "jumps.herd");
    let took = start.elapsed().as_secs_f64();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // Both are rounded.
    assert!(seconds(&output) <= took + 1.0, "{} s of {took} s", seconds(&output));
    is_as_any_other(&served, "jumps.herd");
    // And of a host: no time of days, and none before it began.
    for host in served.place.lines(&["show", "jumps.herd", "--hosts"]) {
        let told = host["took"].as_str().unwrap();
        let told: f64 = told.trim_end_matches(" s").parse().unwrap_or(f64::MAX);
        assert!(told <= took + 1.0, "{host}");
    }
}

#[test]
fn a_slow_disk_only_takes_its_time() {
    let served = Served::new(HOSTS, &BTreeMap::new());
    let Some(library) = adverse(&served) else { return };
    let start = Instant::now();
    let output = swept(&served, &library, ("ADVERSE_DISK", &SLOW.to_string()), "slow.herd");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // At least what each host's frames were written with.
    let least = Duration::from_millis(SLOW) * HOSTS;
    assert!(start.elapsed() >= least, "the disk was not slow: {:?}", start.elapsed());
    is_as_any_other(&served, "slow.herd");
}

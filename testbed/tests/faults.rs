//! Every outcome of the collector's list is provoked on simulated hosts, and every fault gives the outcome that it says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

mod common;

use common::{Place, Served, becomes_true, swept_as_faults_want, text};
use herdiff_model::outcome::HostOutcomeKind;
use herdiff_testbed::fault::{Fault, Provocation};
use std::collections::BTreeMap;
use std::process::Stdio;

/// A host for each.
fn hosts(faults: &[Fault]) -> BTreeMap<String, Fault> {
    faults.iter().zip(1..).map(|(&fault, number)| (format!("web-{number:02}"), fault)).collect()
}

#[test]
fn every_fault_gives_its_outcome() {
    let faults = hosts(Fault::ALL);
    let count = u32::try_from(faults.len()).unwrap() + 1;
    let served = Served::new(count, &faults);
    let place = &served.place;
    let well = format!("web-{count:02}");
    let outcomes = swept_as_faults_want(place, &faults, &well);
    assert_eq!(outcomes.get(&well).map(String::as_str), Some("ok"));
    for (host, fault) in &faults {
        assert_eq!(outcomes[host], fault.outcome().code(), "{fault}");
    }
    // Of one query the half-blind host has no rows; of all others it has.
    let blind = faults.iter().find(|(_, fault)| **fault == Fault::HalfBlind).unwrap().0;
    let failures = text(&place.herdiff(&["show", "others.herd", "--failures"]).stdout);
    assert!(failures.contains(blind) && failures.contains("no such table: no_such_"), "{failures}");
}

/// Walks over the list of outcomes; the match in [`Provocation::of`] does not compile where one is missing.
#[test]
fn every_outcome_can_be_provoked() {
    let mut provoked = BTreeMap::new();
    for &outcome in HostOutcomeKind::ALL {
        provoked.insert(
            outcome,
            match Provocation::of(outcome) {
                // Seen in the test before this one: `every_fault_gives_its_outcome` holds for all.
                Provocation::Fault(fault) | Provocation::BecomingRoot(fault) => fault.outcome(),
                Provocation::None => swept_in_peace(),
                Provocation::Stopped(fault) => stopped(fault),
                Provocation::Damaged => damaged(),
            },
        );
    }
    for (outcome, seen) in provoked {
        assert_eq!(seen, outcome);
    }
}

fn outcome_of(place: &Place, bundle: &str, host: &str) -> HostOutcomeKind {
    let outcome = place.outcomes(bundle).remove(host).unwrap();
    *HostOutcomeKind::ALL.iter().find(|kind| kind.code() == outcome).unwrap()
}

fn swept_in_peace() -> HostOutcomeKind {
    let served = Served::new(1, &BTreeMap::new());
    served.place.collect("x.herd", &[]);
    outcome_of(&served.place, "x.herd", "web-01")
}

/// The sweep is told to stop once it listens for that and its visit has begun.
fn stopped(fault: Fault) -> HostOutcomeKind {
    let served = Served::new(1, &hosts(&[fault]));
    let mut sweep = served.place.sweep("x.herd", common::PATIENT);
    let mut sweep = sweep.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", sweep.id());
    becomes_true("the sweep can be interrupted", || {
        // SIGINT is the second bit of the signals that are caught.
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 2 != 0 && served.place.path("x.herd").exists()
    });
    assert!(common::succeeds("kill", &["-INT", &sweep.id().to_string()]));
    assert_eq!(sweep.wait().unwrap().code(), Some(130));
    outcome_of(&served.place, "x.herd", "web-01")
}

/// The part of a sealed bundle that says how visits ended is damaged; the rest is saved.
fn damaged() -> HostOutcomeKind {
    let served = Served::new(2, &BTreeMap::new());
    let place = &served.place;
    place.collect("x.herd", &[]);
    let mut bytes = std::fs::read(place.path("x.herd")).unwrap();
    let at = hosts_payload(&bytes);
    bytes[at] ^= 0xff;
    std::fs::write(place.path("damaged.herd"), bytes).unwrap();
    let output = place.herdiff(&["verify", "damaged.herd", "--recover", "saved.herd"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    outcome_of(place, "saved.herd", "web-01")
}

/// Where that part begins: a frame of kind 4, as docs/BUNDLE.md has frames.
fn hosts_payload(bundle: &[u8]) -> usize {
    const FIRST: usize = 16;
    const HEAD: usize = 53;
    const HOSTS: u8 = 4;
    let mut at = FIRST;
    while bundle[at + 8] != HOSTS {
        let stored = u32::from_le_bytes(bundle[at + 13..at + 17].try_into().unwrap());
        at += HEAD + usize::try_from(stored).unwrap();
    }
    at + HEAD
}

/// A line that is cut at a byte: wherever that is, the host has an outcome, and what was cut is no answer.
#[test]
fn a_line_that_is_cut_at_any_byte_leaves_an_outcome() {
    // In the greeting, while keys are agreed on, in the script, in the engine.
    for (bytes, outcomes) in [
        ("10", &["unreachable", "protocol"][..]),
        ("1200", &["unreachable", "protocol"]),
        ("4000", &["unreachable"]),
        ("500000", &["unreachable"]),
    ] {
        let fleet = common::Fleet::up("simulated", &["--hosts", "2", "--cut-after", bytes]);
        let output = fleet.collect("x.herd", &[]);
        assert_eq!(output.status.code(), Some(4), "{bytes}: {output:?}");
        let seen = fleet.outcomes("x.herd");
        assert!(
            seen.len() == 2 && seen.values().all(|o| outcomes.contains(&o.as_str())),
            "{bytes}: {seen:?}"
        );
    }
}

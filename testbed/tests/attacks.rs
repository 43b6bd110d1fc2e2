//! Every attack, each on a host of its own, seen through real sweeps: the probe shows the rows that the truth names, and
//! `outliers` points at the host.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

mod common;

use common::{Place, shows, thorough_pack};
use herdiff_testbed::attack::{Attack, Planted, TraceKind};
use herdiff_testbed::fleet::{Fleet, FleetPlan};
use herdiff_testbed::generate::triage_pack;
use herdiff_testbed::ground::{self, Trees};
use herdiff_testbed::site::Site;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What `outliers` does not point at yet: each is in the rows of a sweep with the usual pack, and below the threshold.
const MISSED: &[Attack] = &[Attack::BackdooredRcFile, Attack::BindShellUnusualPort, Attack::BenignProcessC2];

/// How many of a herd are attacked at once: where it is a quarter, oddities are nothing odd.
const AT_ONCE: usize = 7;

#[test]
fn every_attack_is_in_the_rows_and_its_host_stands_out() {
    let hosts = u32::try_from(Attack::ALL.len()).unwrap() * 4;
    let plan = FleetPlan { hosts, ..FleetPlan::default() };
    let mut fleet = Fleet::grow(&plan);
    let mut victims = BTreeMap::new();
    for (place, &attack) in (0_u32..).zip(Attack::ALL) {
        let host = plan.host_name(place * 4 + 2);
        fleet.plant(&host, attack).unwrap();
        victims.insert(host, attack);
    }
    let place = Place(common::in_memory());
    let site = Site::open(&place.path("fleet")).unwrap();
    let trees = Trees::write(&fleet, place.0.path()).unwrap();
    std::fs::write(place.path("thorough.conf"), thorough_pack(&[])).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let farm = runtime.block_on(ground::serve(&fleet, &trees, &BTreeMap::new(), &site)).unwrap();
    // The rows, as far as any pack asks for them.
    let attacked = victims.keys().cloned().collect::<Vec<_>>().join(",");
    let output = place.collect("thorough.herd", &["--pack", "thorough.conf", "-l", &attacked]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let mut unseen = Vec::new();
    for planted in &fleet.planted {
        for trace in planted.traces.iter().filter(|trace| trace.kind != TraceKind::Missing) {
            let rows =
                place.lines(&["show", "thorough.herd", "--query", trace.query, "--host", &planted.host]);
            if !shows(&rows, trace) {
                unseen.push(format!("{}: {trace:?} is not among {} rows", planted.attack, rows.len()));
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");

    // The hosts, with the usual pack: a few that are attacked among many that are not.
    let usual: Value = serde_json::from_str(&triage_pack().unwrap()).unwrap();
    let clean: Vec<&str> = fleet
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .filter(|name| !victims.contains_key(*name))
        .collect();
    let mut findings = Vec::new();
    for group in fleet.planted.chunks(AT_ONCE) {
        let hosts = group.iter().map(|planted| planted.host.as_str()).chain(clean.iter().copied());
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let _ = std::fs::remove_file(place.path("usual.herd"));
        let output = place.collect("usual.herd", &["-l", &hosts]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for planted in group {
            assert_asked(&usual, planted, &place);
        }
        findings.append(&mut place.lines(&["outliers", "usual.herd"]));
    }
    let found: BTreeSet<String> = findings
        .iter()
        .flat_map(|f| f["hosts"].as_array().unwrap().clone())
        .map(|h| h.as_str().unwrap().to_owned())
        .collect();
    let missed: BTreeSet<Attack> =
        victims.iter().filter(|(host, _)| !found.contains(*host)).map(|(_, &attack)| attack).collect();
    let expected: BTreeSet<Attack> = MISSED.iter().copied().collect();
    let innocent = found.iter().filter(|host| !victims.contains_key(*host)).count();
    println!(
        "{} of {} attacks stand out, with {} findings, {innocent} of {hosts} hosts innocent among them",
        victims.len() - missed.len(),
        victims.len(),
        findings.len(),
    );
    let news: Vec<_> = expected.difference(&missed).map(|attack| attack.name()).collect();
    if !news.is_empty() {
        println!("no longer missed, to be taken off the list: {}", news.join(", "));
    }
    let lost: Vec<_> = missed.difference(&expected).map(|attack| attack.name()).collect();
    assert!(lost.is_empty(), "these stood out once: {lost:?}");
    runtime.block_on(farm.stop());
}

/// The usual pack asks for something that the attack leaves, and for what it asks is in the sweep.
fn assert_asked(usual: &Value, planted: &Planted, place: &Place) {
    let asked = planted.traces.iter().filter(|trace| usual["queries"].get(trace.query).is_some());
    let mut asked = asked.filter(|trace| trace.kind != TraceKind::Missing).peekable();
    let only_missing = planted.traces.iter().all(|trace| trace.kind == TraceKind::Missing);
    assert!(asked.peek().is_some() || only_missing, "the usual pack does not ask for {}", planted.attack);
    for trace in asked {
        let rows = place.lines(&["show", "usual.herd", "--query", trace.query, "--host", &planted.host]);
        assert!(shows(&rows, trace), "{}: {trace:?} is not in the usual sweep", planted.attack);
    }
}

//! Every attack, each on a host of its own, seen through real sweeps: the probe shows the rows that the truth names, and
//! `outliers` points at the host.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

use herdiff_testbed::attack::{Attack, Trace};
use herdiff_testbed::fleet::{Fleet, FleetPlan};
use herdiff_testbed::generate::triage_pack;
use herdiff_testbed::ground::{self, Trees};
use herdiff_testbed::site::Site;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TESTBED: &str = env!("CARGO_BIN_EXE_herdiff-testbed");

/// What the usual pack does not ask: the rows are there for those who ask, with the survey or the hunt pack, and nothing
/// of these stands out in a sweep with the usual one.
const NOT_ASKED: &[Attack] = &[
    Attack::SudoersDropIn,
    Attack::PamBackdoor,
    Attack::ResolverTampering,
    Attack::TyposquattedPackage,
    Attack::LogWiping,
    Attack::HiddenProcess,
    Attack::StagedArchive,
];
/// What the usual pack asks and `outliers` does not point at yet.
const MISSED: &[Attack] = &[
    Attack::HostsRedirect,
    Attack::BackdooredRcFile,
    Attack::MasqueradedShell,
    Attack::BindShellUnusualPort,
    Attack::BenignProcessC2,
];

fn herdiff(place: &Path, words: &[&str]) -> Output {
    let path = Path::new(TESTBED).with_file_name("herdiff");
    assert!(path.exists(), "{} is not there: run the tests of the whole workspace", path.display());
    let mut command = Command::new(path);
    command.args(words).current_dir(place).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Both packs that go further than the usual one, without questions that a described host has no answer to.
fn thorough_pack() -> String {
    let mut queries: Map<String, Value> = Map::new();
    for text in [
        triage_pack().unwrap().as_str(),
        include_str!("../data/survey.conf"),
        include_str!("../data/hunt.conf"),
    ] {
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let pack: Value = serde_json::from_str(&text).unwrap();
        queries.extend(pack["queries"].as_object().unwrap().clone());
    }
    serde_json::json!({"queries": queries}).to_string()
}

fn shows(row: &Value, trace: &Trace) -> bool {
    trace.cells.iter().all(|(column, value)| row["row"][*column].as_str() == Some(value))
}

#[test]
fn every_attack_is_in_the_rows_and_its_host_stands_out() {
    // The attacked hosts among three times as many: what is on one host only is rare.
    let hosts = u32::try_from(Attack::ALL.len()).unwrap() * 4;
    let plan = FleetPlan { hosts, ..FleetPlan::default() };
    let mut fleet = Fleet::grow(&plan);
    let mut victims = BTreeMap::new();
    for (place, &attack) in (0_u32..).zip(Attack::ALL) {
        let host = plan.host_name(place * 4 + 2);
        fleet.plant(&host, attack).unwrap();
        victims.insert(host, attack);
    }
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let place: PathBuf = directory.path().to_owned();
    let site = Site::open(&place.join("fleet")).unwrap();
    let trees = Trees::write(&fleet, &place).unwrap();
    std::fs::write(place.join("thorough.conf"), thorough_pack()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let farm = runtime.block_on(ground::serve(&fleet, &trees, &BTreeMap::new(), &site)).unwrap();
    let collect = |bundle: &str, more: &[&str]| {
        let words = ["collect", "-i", "fleet/inventory.ini", "-F", "fleet/ssh_config", "-o", bundle];
        herdiff(&place, &[&words[..], more].concat())
    };

    // The rows, as far as any pack asks for them.
    let attacked = victims.keys().cloned().collect::<Vec<_>>().join(",");
    let output = collect("thorough.herd", &["--pack", "thorough.conf", "-l", &attacked]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let mut unseen = Vec::new();
    for planted in &fleet.planted {
        for trace in planted.traces.iter().filter(|trace| format!("{:?}", trace.kind) != "Missing") {
            let words = ["show", "thorough.herd", "--query", trace.query, "--host", &planted.host];
            let rows = lines(&herdiff(&place, &[&words[..], &["--format", "ndjson"]].concat()));
            if !rows.iter().any(|row| shows(row, trace)) {
                unseen.push(format!("{}: {trace:?} is not among {} rows", planted.attack, rows.len()));
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");

    // The hosts, with the usual pack.
    let output = collect("usual.herd", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let findings = lines(&herdiff(&place, &["outliers", "usual.herd", "--format", "ndjson"]));
    let found: BTreeSet<String> = findings
        .iter()
        .flat_map(|f| f["hosts"].as_array().unwrap().clone())
        .map(|h| h.as_str().unwrap().to_owned())
        .collect();
    let missed: BTreeSet<Attack> =
        victims.iter().filter(|(host, _)| !found.contains(*host)).map(|(_, &attack)| attack).collect();
    let expected: BTreeSet<Attack> = NOT_ASKED.iter().chain(MISSED).copied().collect();
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

//! Hosts with a real sshd in namespaces of this machine: swept, attacked, broken, and taken away without a trace.
//!
//! Wants root, and the right to make namespaces. Where that is missing it says so, and with `CI` in the environment it fails.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its ground is missing")]

mod common;

use common::{Fleet, becomes_true, not_tested, running, shows, swept_as_faults_want, text, thorough_pack};
use herdiff_testbed::attack::{Attack, TraceKind};
use herdiff_testbed::fault::Fault;
use herdiff_testbed::live::attack_script;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn can_be_tested() -> bool {
    let mut make = Command::new("unshare");
    make.args(["--mount", "--net", "--pid", "--uts", "--fork", "true"]).stderr(Stdio::null());
    if !make.status().is_ok_and(|status| status.success()) {
        not_tested("hosts with a real sshd need root, and the right to make namespaces");
        return false;
    }
    if !["/usr/sbin/sshd", "/usr/sbin/cron"].iter().all(|path| Path::new(path).exists()) {
        not_tested("sshd or cron is not installed (apt-get install openssh-server cron)");
        return false;
    }
    true
}

#[test]
fn real_hosts_are_swept_and_leave_nothing() {
    if !can_be_tested() {
        return;
    }
    let fleet = Fleet::up("sshd", &["--hosts", "4", "--attack", "web-3=cron-implant", "--latency", "10"]);
    let network = fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!network.contains("fleet:"), "the machine's own network has the bridge: {network}");
    let output = fleet.collect("well.herd", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fleet.lines(&["outliers", "well.herd"])[0]["host"], "web-3");

    let place = fleet.path("fleet").display().to_string();
    assert!(!running(&place).is_empty());
    fleet.testbed(&["down"]);
    assert_eq!(running(&place), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&place), "{mounts}");
    assert!(!fleet.path("fleet/sshd").exists());
}

#[test]
fn real_hosts_misbehave_as_they_are_told() {
    if !can_be_tested() {
        return;
    }
    let count = Fault::ALL.len() + 1;
    let fleet = Fleet::up("sshd", &["--hosts", &count.to_string()]);
    let faults: BTreeMap<String, Fault> =
        Fault::ALL.iter().zip(1..).map(|(&fault, number)| (format!("web-{number}"), fault)).collect();
    let words: Vec<String> = faults.iter().map(|(host, fault)| format!("{host}={fault}")).collect();
    fleet.testbed(&[&["fault"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    // The relay before a host hears of it a moment later.
    for (host, _) in faults.iter().filter(|(_, fault)| matches!(fault, Fault::Refuse | Fault::Kill)) {
        becomes_true("the port closes", || {
            text(&fleet.ssh(&[host, "true"]).stderr).contains("Connection refused")
        });
    }
    let well = format!("web-{count}");
    let outcomes = swept_as_faults_want(&fleet, &faults, &well);
    let told: Vec<_> = faults.iter().map(|(host, fault)| (fault, outcomes[host].as_str())).collect();
    let expected: Vec<_> = faults.values().map(|fault| (fault, fault.outcome().code())).collect();
    assert_eq!(told, expected);
    assert_eq!(outcomes[&well], "ok");
}

#[test]
fn every_attack_can_be_planted_on_a_real_host() {
    if !can_be_tested() {
        return;
    }
    let fleet = Fleet::up("sshd", &["--hosts", &Attack::ALL.len().to_string()]);
    let planted: Vec<(String, Attack)> =
        Attack::ALL.iter().zip(1..).map(|(&attack, number)| (format!("web-{number}"), attack)).collect();
    let words: Vec<String> = planted.iter().map(|(host, attack)| format!("{host}={attack}")).collect();
    fleet.testbed(&[&["attack"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    // Digests of everything say nothing here, and take long on a real disk.
    let pack = thorough_pack(&["program_hashes", "library_files"]);
    fs::write(fleet.path("thorough.conf"), pack).unwrap();
    let output = fleet.collect("attacked.herd", &["--pack", "thorough.conf", "--engine", "probe"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let mut unseen = Vec::new();
    for (host, attack) in &planted {
        for trace in attack_script(*attack).1 {
            let rows = fleet.lines(&["show", "attacked.herd", "--query", trace.query, "--host", host]);
            // Who takes something away leaves no row of it.
            if shows(&rows, &trace) == (trace.kind == TraceKind::Missing) {
                unseen.push(format!("{attack}: {trace:?}, with {} rows", rows.len()));
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

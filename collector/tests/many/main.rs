//! Many hosts at once, most of them hostile or broken, served by another process so that memory and time are this side's alone.
//! Nothing else runs in this test's process.
//!
//! The measurements: `cargo test --release -p herdiff-collector --test many -- --ignored --nocapture --test-threads 1 measure`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod answers;
mod farm;
mod sweeping;

use herdiff_model::outcome::{HostOutcomeKind as Kind, Phase};
use std::time::Duration;
use sweeping::{Ground, Limits};

/// The other process.
#[test]
#[ignore = "it serves hosts for the other tests, until its standard input ends"]
fn serve() {
    if std::env::var_os(farm::SERVE).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(farm::serve());
    }
}

/// What a host does, how its visit ends, and where.
const HOSTILE: &[(&str, Kind, Phase)] = &[
    ("endless", Kind::OutputLimit, Phase::Run),
    ("stderr", Kind::OutputLimit, Phase::Upload),
    ("greeting", Kind::MalformedOutput, Phase::Session),
    ("oneline", Kind::OutputLimit, Phase::Run),
    ("packed", Kind::MalformedOutput, Phase::Run),
    ("channels", Kind::Timeout, Phase::Session),
    ("drip", Kind::Timeout, Phase::Run),
    ("chatter", Kind::Protocol, Phase::Handshake),
];

/// Answers that end, in form: the host is told what it may not say, or that it said it.
const ODD: &[&str] = &["bomb", "columns", "rows", "dirt"];

/// Everything in one test: in this process nothing may run beside it.
#[test]
fn hostile_hosts_and_broken_ones_cost_what_they_may_and_delay_nobody() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = Limits { host_mib: 8, all_mib: 64 };
    runtime.block_on(async {
        hostile(3, limits, Duration::from_secs(25), Duration::from_secs(60)).await;
        mix(100, Duration::from_secs(30), Duration::from_secs(60)).await;
    });
}

/// So many of each kind of hostile host, and as many good ones. `slack` is how much later than in time a busy machine may be.
async fn hostile(each: usize, limits: Limits, time: Duration, slack: Duration) {
    let ground = Ground::new().await;
    let mut kinds: Vec<&str> = Vec::new();
    for _ in 0..each {
        kinds.extend(HOSTILE.iter().map(|(kind, ..)| *kind).chain(ODD.iter().copied()).chain(["good"]));
    }
    let swept = ground.sweep(&kinds, limits, time).await;
    println!("{} hosts, {} of them hostile: {}", kinds.len(), kinds.len() - each, swept.figures());
    for (host, kind, outcome) in &swept.ends {
        if kind == "good" {
            assert_eq!(outcome.kind, Kind::Ok, "{host}: {outcome:?}");
        } else if let Some((_, expected, phase)) = HOSTILE.iter().find(|(name, ..)| name == kind) {
            assert_eq!((outcome.kind, outcome.phase), (*expected, Some(*phase)), "{host}: {outcome:?}");
        } else {
            assert!(matches!(outcome.kind, Kind::Ok | Kind::Partial), "{host}: {outcome:?}");
        }
    }
    // What waits may be as much as all together are allowed, and once more where it is parsed; and there is what each costs anyway.
    let most = limits.all_mib * 2 + 40 + kinds.len() as u64 / 2;
    assert!(swept.peak_mib < most, "{} MiB, where {most} are allowed", swept.peak_mib);
    assert!(swept.took < time + slack, "{:?}", swept.took);
}

/// A fleet as it may be on a bad day: of 100 hosts 5 refuse, 5 are silent, 2 hang after the login, 2 do not end, 2 have a wrong key.
async fn mix(hosts: usize, time: Duration, slack: Duration) {
    let ground = Ground::new().await;
    let kinds: Vec<&str> = (0..hosts)
        .map(|n| match n % 100 {
            7 | 27 | 47 | 67 | 87 => "refuses",
            3 | 23 | 43 | 63 | 83 => "silent",
            11 | 61 => "hang",
            19 | 69 => "endless",
            31 | 81 => "wrong-key",
            _ => "good",
        })
        .collect();
    let swept = ground.sweep(&kinds, Limits { host_mib: 8, all_mib: 64 }, time).await;
    println!("{hosts} hosts, 16 of 100 faulty: {}", swept.figures());
    for (host, kind, outcome) in &swept.ends {
        let expected = match kind.as_str() {
            "refuses" => (Kind::Refused, Some(Phase::Connect)),
            "silent" => (Kind::Timeout, Some(Phase::Handshake)),
            "hang" => (Kind::Timeout, Some(Phase::Session)),
            "endless" => (Kind::OutputLimit, Some(Phase::Run)),
            "wrong-key" => (Kind::HostKeyChanged, Some(Phase::Handshake)),
            _ => (Kind::Ok, None),
        };
        assert_eq!((outcome.kind, outcome.phase), expected, "{host}: {outcome:?}");
    }
    assert!(swept.took < time + slack, "{:?}", swept.took);
}

#[test]
#[ignore = "a measurement"]
fn measure_hostile_hosts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = Limits { host_mib: 64, all_mib: 1024 };
    runtime.block_on(hostile(16, limits, Duration::from_secs(60), Duration::from_secs(2)));
}

#[test]
#[ignore = "a measurement"]
fn measure_a_bad_day() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(mix(1000, Duration::from_secs(30), Duration::from_secs(2)));
}

/// What a connection costs that is open and says nothing.
#[test]
#[ignore = "a measurement"]
fn measure_held_connections() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ground = Ground::new().await;
        let few =
            ground.sweep(&["hang"; 10], Limits { host_mib: 8, all_mib: 64 }, Duration::from_secs(20)).await;
        let many =
            ground.sweep(&["hang"; 1000], Limits { host_mib: 8, all_mib: 64 }, Duration::from_secs(20)).await;
        let each = (many.peak_mib - few.peak_mib) * 1024 / 990;
        println!("{each} KiB for each of 1000 connections that are held; {}", many.figures());
        assert!(many.ends.iter().all(|(_, _, outcome)| outcome.kind == Kind::Timeout));
        assert!(each <= 150);
    });
}

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
mod rogue;
mod sweeping;

use herdiff_model::outcome::{HostOutcomeKind as Kind, Phase};
use std::time::Duration;
use sweeping::{Ground, Limits, Times};

/// The other process.
#[test]
#[ignore = "it serves hosts for the other tests, until its standard input ends"]
fn serve() {
    if std::env::var_os(farm::SERVE).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(farm::serve());
    }
}

/// What a host does, how its visit ends, and where: some have to be ended by a limit, some by a deadline.
const ENDED_BY_LIMITS: &[(&str, Kind, Phase)] = &[
    ("endless", Kind::OutputLimit, Phase::Run),
    ("stderr", Kind::OutputLimit, Phase::Upload),
    ("greeting", Kind::MalformedOutput, Phase::Session),
    ("oneline", Kind::OutputLimit, Phase::Run),
    ("packed", Kind::OutputLimit, Phase::Run),
    ("packed-rows", Kind::OutputLimit, Phase::Run),
    ("past-window", Kind::OutputLimit, Phase::Run),
    ("large-packets", Kind::OutputLimit, Phase::Run),
    ("banners", Kind::OutputLimit, Phase::Authenticate),
    ("refusals", Kind::AuthFailed, Phase::Authenticate),
    ("nothings", Kind::OutputLimit, Phase::Session),
];
const ENDED_BY_TIME: &[(&str, Kind, Phase)] = &[
    ("channels", Kind::Timeout, Phase::Session),
    ("drip", Kind::Timeout, Phase::Run),
    // They read no answer, so nobody answers them any more.
    ("requests", Kind::Timeout, Phase::Session),
    ("opens", Kind::Timeout, Phase::Session),
    ("chatter", Kind::Protocol, Phase::Handshake),
];

/// Answers that end, in form: the host is told what it may not say, or that it said it.
const ODD: &[&str] = &["bomb", "columns", "rows", "dirt"];

const SECOND: Duration = Duration::from_secs(1);
const SMALL: Limits = Limits { host_mib: 8, all_mib: 64 };

/// Everything in one test: in this process nothing may run beside it. What does not wait for a deadline has one that a busy
/// machine does not come near.
#[test]
fn hostile_hosts_and_broken_ones_cost_what_they_may() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ground = Ground::new().await;
        let long = Times { step: SECOND * 300, host: SECOND * 600 };
        hostile(&ground, 3, ENDED_BY_LIMITS, SMALL, long).await;
        let short = Times { step: SECOND * 20, host: SECOND * 25 };
        let swept = ground.sweep(&names(ENDED_BY_TIME, 2), SMALL, short).await;
        for (host, kind, outcome) in &swept.ends {
            let (_, expected, _) = ENDED_BY_TIME.iter().find(|(name, ..)| name == kind).unwrap();
            assert_eq!(outcome.kind, *expected, "{host}: {outcome:?}");
        }
        mix(&ground, 100, Times { step: SECOND * 40, host: SECOND * 600 }).await;
    });
}

fn names(kinds: &[(&'static str, Kind, Phase)], each: usize) -> Vec<&'static str> {
    kinds.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>().repeat(each)
}

/// So many of each kind of hostile host, and as many good ones.
async fn hostile(
    ground: &Ground,
    each: usize,
    hostile: &[(&'static str, Kind, Phase)],
    limits: Limits,
    times: Times,
) -> Duration {
    let mut kinds = names(hostile, each);
    kinds.extend([ODD, &["good"]].concat().repeat(each));
    let swept = ground.sweep(&kinds, limits, times).await;
    println!("{} hosts, {} of them hostile: {}", kinds.len(), kinds.len() - each, swept.figures());
    for (host, kind, outcome) in &swept.ends {
        if kind == "good" {
            assert_eq!(outcome.kind, Kind::Ok, "{host}: {outcome:?}");
        } else if let Some((_, expected, phase)) = hostile.iter().find(|(name, ..)| name == kind) {
            // A busy machine comes to near deadlines before a host has sent all that it may.
            let by_time = outcome.kind == Kind::Timeout && times.host < SECOND * 300;
            let ended = (outcome.kind, outcome.phase) == (*expected, Some(*phase));
            assert!(by_time || ended, "{host}: {outcome:?}");
        } else {
            // Of those that take most of what all may have together, one pays.
            let pays = outcome.kind == Kind::OutputLimit && outcome.detail.contains("all hosts together");
            assert!(pays || matches!(outcome.kind, Kind::Ok | Kind::Partial), "{host}: {outcome:?}");
        }
    }
    // What waits may be as much as all together are allowed, and once more where it is parsed; and there is what each costs anyway.
    let most = limits.all_mib * 2 + 40 + kinds.len() as u64 / 2;
    assert!(swept.peak_mib < most, "{} MiB, where {most} are allowed", swept.peak_mib);
    swept.took
}

/// A fleet as it may be on a bad day: of 100 hosts 5 refuse, 5 are silent, 2 hang after the login, 2 do not end, 2 have a wrong key.
async fn mix(ground: &Ground, hosts: usize, times: Times) -> Duration {
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
    let swept = ground.sweep(&kinds, SMALL, times).await;
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
    swept.took
}

#[test]
#[ignore = "a measurement"]
fn measure_hostile_hosts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = Limits { host_mib: 64, all_mib: 1024 };
    let all = [ENDED_BY_LIMITS, ENDED_BY_TIME].concat();
    let times = Times { step: SECOND * 40, host: SECOND * 120 };
    let took = runtime.block_on(async { hostile(&Ground::new().await, 17, &all, limits, times).await });
    assert!(took < times.host + SECOND * 2, "{took:?}");
}

/// The host's deadline is the end of all, whatever a host does.
#[test]
#[ignore = "a measurement"]
fn measure_a_bad_day() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let times = Times { step: SECOND * 20, host: SECOND * 30 };
    let took = runtime.block_on(async { mix(&Ground::new().await, 1000, times).await });
    assert!(took < times.host + SECOND * 2, "{took:?}");
}

/// What a connection costs that is open and says nothing.
#[test]
#[ignore = "a measurement"]
fn measure_held_connections() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ground = Ground::new().await;
        let times = Times { step: SECOND * 15, host: SECOND * 20 };
        let few = ground.sweep(&["hang"; 10], SMALL, times).await;
        let many = ground.sweep(&["hang"; 1000], SMALL, times).await;
        let each = (many.peak_mib - few.peak_mib) * 1024 / 990;
        println!("{each} KiB for each of 1000 connections that are held; {}", many.figures());
        assert!(many.ends.iter().all(|(_, _, outcome)| outcome.kind == Kind::Timeout));
        assert!(each <= 150);
    });
}

//! Measurements, not tests: what a visit costs this side. Run with
//! `cargo test --release -p herdiff-collector --test ssh -- --ignored --nocapture --test-threads 1 measure`.
//! `HERDIFF_TEST_PROBE` may name a real probe, which is then used with the triage pack.

use crate::harness::*;
use herdiff_collector::delivery::ProbeBinary;
use herdiff_collector::sweep::{Event, Sweep, SweepConfig};
use herdiff_model::outcome::HostOutcomeKind;
use herdiff_model::pack::{BuiltIn, Pack};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// User and system time of this process, without its children: in milliseconds.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
}

async fn measure(name: &str, hosts: usize, pack: Pack, config: SweepConfig, port: u16) {
    let targets = (0..hosts).map(|n| target(&format!("h{n}"), port)).collect();
    let (start, cpu) = (Instant::now(), cpu_ms());
    let mut sweep = Sweep::start(targets, Arc::new(pack), config, Default::default()).await.unwrap();
    let (mut received, mut sent, mut times) = (0, 0, Vec::new());
    while let Some(event) = sweep.next().await {
        if let Event::Done(_, visit) = event {
            let fine = matches!(visit.outcome.kind, HostOutcomeKind::Ok | HostOutcomeKind::Partial);
            assert!(fine, "{:?}", visit.outcome);
            received += visit.receipt.bytes_received;
            sent += visit.receipt.bytes_sent;
            times.push(visit.receipt.duration_ms);
        }
    }
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    let (wall, used) = (start.elapsed(), cpu_ms() - cpu);
    println!(
        "{name}: {:.2} ms CPU a host, {} kB sent, {} kB received each; {hosts} hosts in {:.2} s, median {median} ms, longest {longest} ms",
        used / hosts as f64,
        sent / hosts as u64 / 1000,
        received / hosts as u64 / 1000,
        wall.as_secs_f64(),
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_a_visit() {
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let mut config = keys.config(&[sshd.port]);
    config.forks = 8;
    config.deadlines.host = Duration::from_secs(60);
    let pack = || Pack::parse(PACK).unwrap();
    config.forks = 1;
    measure("connect and exec, one by one", 20, pack(), config.clone(), sshd.port).await;
    config.forks = 8;
    measure("connect and exec", 100, pack(), config.clone(), sshd.port).await;

    config.probes = vec![probe(&format!("{}# {}", engine(), "x".repeat(2_000_000)))];
    measure("with an upload of 2 MB", 100, pack(), config.clone(), sshd.port).await;

    let row =
        r#"["4711","/usr/sbin/service","/usr/sbin/service --number 4711 --host web-01","0","1","service"]"#;
    let rows = format!("{}{row}", format!("{row},").repeat(10_000));
    let first = format!(
        r#"{{"query":"first","columns":["pid","path","cmdline","uid","on_disk","name"],"rows":[{rows}],"unread":[],"cut":null}}"#
    );
    let engine = engine().replace(
        "  *) echo \"$header\"; echo \"$first\";",
        "  *) echo \"$header\"; sed -n '/^{\"query\":\"first\"/p' \"$0\";",
    );
    config.probes = vec![probe(&format!("{engine}exit\n{first}\n"))];
    measure("with 1 MB of upload and of output", 100, pack(), config.clone(), sshd.port).await;

    if let Ok(path) = std::env::var("HERDIFF_TEST_PROBE") {
        let probe = ProbeBinary::from_elf(&path, std::fs::read(&path).unwrap()).unwrap();
        config.probes = vec![probe];
        measure(
            "the probe and the triage pack",
            20,
            BuiltIn::named("triage").unwrap().pack().unwrap(),
            config,
            sshd.port,
        )
        .await;
    }
}

/// A relay that holds everything back for half of a round trip, in both directions; the TCP handshake too, as the client sees it.
async fn distant(to: u16, round_trip: Duration) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let one_way = move |mut from: tokio::net::tcp::OwnedReadHalf,
                        mut into: tokio::net::tcp::OwnedWriteHalf| {
        let (sender, mut queue) = tokio::sync::mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(n @ 1..) = from.read(&mut buffer).await {
                let _ = sender.send((tokio::time::Instant::now() + round_trip / 2, buffer[..n].to_vec()));
            }
        });
        tokio::spawn(async move {
            while let Some((when, bytes)) = queue.recv().await {
                tokio::time::sleep_until(when).await;
                if into.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });
    };
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            one_way(near_in, far_out);
            one_way(far_in, near_out);
        }
    });
    port
}

/// Round trips of a whole visit and of its steps: the time at a long distance, less that at none.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_round_trips() {
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let round_trip = Duration::from_millis(400);
    let far = distant(sshd.port, round_trip).await;
    for (name, size) in [("a small engine", 0), ("an engine of 2 MB", 2_000_000)] {
        let mut config = keys.config(&[sshd.port, far]);
        config.deadlines.host = Duration::from_secs(60);
        config.deadlines.handshake = Duration::from_secs(20);
        config.deadlines.authenticate = Duration::from_secs(20);
        config.deadlines.start = Duration::from_secs(20);
        config.probes = vec![probe(&format!("{}# {}", engine(), "x".repeat(size)))];
        let mut took = Vec::new();
        for port in [sshd.port, far] {
            let (start, mut steps) = (Instant::now(), Vec::new());
            let swept = sweep_until(vec![target("a", port)], config.clone(), Default::default(), |event| {
                if let Event::Phase(_, phase) = event {
                    steps.push((phase.to_string(), start.elapsed()));
                }
            })
            .await;
            assert_eq!(swept.kind("a"), HostOutcomeKind::Ok, "{:?}", swept.visit("a").outcome);
            steps.push(("done".to_owned(), start.elapsed()));
            took.push(steps);
        }
        let (near, far) = (&took[0], &took[1]);
        let trips = |step: &(String, Duration)| {
            let near = near.iter().find(|(name, _)| *name == step.0).map_or(0.0, |(_, at)| at.as_secs_f64());
            (step.1.as_secs_f64() - near) / round_trip.as_secs_f64()
        };
        let steps: Vec<_> = far.iter().map(|step| format!("{} {:.1}", step.0, trips(step))).collect();
        // The relay answers TCP's own handshake at once, and knows no slow start.
        println!("{name}: round trips without TCP's own one, when each step began: {}", steps.join(", "));
    }
}

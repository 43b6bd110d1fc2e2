//! Nothing stays on a host: neither files nor processes, however the visit ends.

use crate::harness::*;
use herdiff_collector::sweep::Event;
use herdiff_model::outcome::{HostOutcomeKind as Kind, Phase};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A relay to a server that cuts the connection after so many bytes from the client.
fn relay(to: u16, cut_after: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut back, mut from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut back));
            let (seen, mut buffer) = (AtomicUsize::new(0), [0; 8192]);
            std::thread::spawn(move || {
                while let Ok(n) = client.read(&mut buffer) {
                    if n == 0 || seen.fetch_add(n, Ordering::Relaxed) + n > cut_after {
                        break;
                    }
                    if server.write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
                let _ = server.shutdown(Shutdown::Both);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_during_the_upload() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let port = relay(sshd.port, 1 << 20);
    let mut config = keys.config(&[port]);
    config.probes = vec![probe(&format!("{}# {}", engine(), "x".repeat(4 << 20)))];
    let swept = sweep(vec![target("a", port)], config).await;
    let visit = swept.visit("a");
    assert_eq!(
        (visit.outcome.kind, visit.outcome.phase),
        (Kind::Unreachable, Some(Phase::Upload)),
        "{:?}",
        visit.outcome
    );
    assert_eq!(visit.receipt.removed, None, "nobody said so");
    let placed = visit.receipt.placed.clone();
    assert!(placed.contains("/.herdiff."), "{placed}");
    eventually("the private directory is gone", || !Path::new(&placed).exists());
}

/// The engine ignores all signals and prints nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_stopped_while_the_engine_runs() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let mark = format!("sleep {}", nap(602));
    let sshd = keys.sshd(&format!("SetEnv ROLE=slow NAP={}", nap(602)));
    let config = keys.config(&[sshd.port]);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let seen = Arc::new(AtomicUsize::new(0));
    let (count, engine) = (Arc::clone(&seen), mark.clone());
    let swept = sweep_until(vec![target("a", sshd.port)], config, cancel, move |event| {
        if matches!(event, Event::Phase(_, Phase::Run)) {
            let (stop, count, engine) = (stop.clone(), Arc::clone(&count), engine.clone());
            std::thread::spawn(move || {
                eventually("the engine runs", || runs(&engine));
                count.fetch_add(1, Ordering::Relaxed);
                stop.cancel();
            });
        }
    })
    .await;
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    let visit = swept.visit("a");
    assert_eq!(visit.outcome.kind, Kind::Interrupted);
    let placed = visit.receipt.placed.clone();
    eventually("the engine is gone", || !runs(&mark));
    eventually("the private directory is gone", || !Path::new(&placed).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_the_host_itself_ends_in_time() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let mark = format!("sleep {}", nap(603));
    let sshd = keys.sshd(&format!("SetEnv ROLE=slow NAP={}", nap(603)));
    let mut config = keys.config(&[sshd.port]);
    // The script is given a quarter less, or five seconds.
    config.deadlines.host = Duration::from_secs(16);
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let visit = swept.visit("a");
    assert_eq!(
        (visit.outcome.kind, visit.outcome.phase),
        (Kind::Timeout, Some(Phase::Run)),
        "{:?}",
        visit.outcome
    );
    let placed = visit.receipt.placed.clone();
    eventually("the engine is gone", || !runs(&mark));
    eventually("the private directory is gone", || !Path::new(&placed).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_sends_too_much_is_left_and_cleans_up() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("SetEnv ROLE=endless");
    let mut config = keys.config(&[sshd.port]);
    config.limits.total_bytes = 1 << 20;
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let visit = swept.visit("a");
    assert_eq!(visit.outcome.kind, Kind::OutputLimit);
    assert!(visit.receipt.bytes_received < 2 << 20, "{}", visit.receipt.bytes_received);
    let placed = visit.receipt.placed.clone();
    eventually("the private directory is gone", || !Path::new(&placed).exists());
}

//! Every way in which a visit can end has its own outcome, and none delays the others.

use crate::harness::*;
use herdiff_collector::engine::EngineChoice;
use herdiff_collector::sweep::Event;
use herdiff_model::outcome::{HostOutcomeKind as Kind, Phase, QueryFailureKind};
use herdiff_model::visit::Answer;
use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A port that accepts connections and says this to each, and no more, or not even that it says no more.
fn speaker(words: &'static [u8], ends: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(words);
            if ends {
                let _ = stream.shutdown(Shutdown::Write);
            }
            kept.push(stream);
        }
    });
    port
}

const TEAPOT: &[u8] = b"HTTP/1.1 418 I'm a teapot\r\n\r\n";

/// Hosts with faults of their own, and one without. Those that never end by themselves are in the tests after this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_with_every_fault() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("other", &["-t", "ed25519", "-N", ""]);
    let role = |role: &str| keys.sshd(&format!("SetEnv ROLE={role}"));
    let good = role("good");
    let servers: Vec<(&str, Sshd)> = vec![
        ("crash", role("crash")),
        ("garbage", role("garbage")),
        ("endless", role("endless")),
        ("flood", role("flood")),
        ("closed", keys.sshd("ForceCommand echo This account is closed; exit 1")),
        ("noise", keys.sshd("ForceCommand yes no")),
        ("changed", role("good")),
        ("unknown", role("good")),
        ("rejected", keys.sshd("AuthorizedKeysFile none")),
    ];
    let ports: Vec<u16> = servers.iter().map(|(_, sshd)| sshd.port).chain([good.port]).collect();
    let mut config = keys.config(&ports);
    let port = |name: &str| servers.iter().find(|(n, _)| *n == name).unwrap().1.port;
    // What is known of two of them is something else.
    let known = std::fs::read_to_string(&config.ssh.known_hosts[0]).unwrap();
    let known = known.lines().filter(|line| !line.contains(&format!("]:{} ", port("unknown")))).map(|line| {
        let changed = line.contains(&format!("]:{} ", port("changed")));
        (if changed { line.replace(&keys.public("host"), &keys.public("other")) } else { line.to_owned() })
            + "\n"
    });
    let known: String = known.collect();
    std::fs::write(&config.ssh.known_hosts[0], known).unwrap();
    config.limits.total_bytes = 3 << 20;
    config.limits.answer_bytes = 1 << 20;
    config.forks = 100;

    let closed = Closed::new();
    let mut targets: Vec<_> = servers.iter().map(|(name, sshd)| target(name, sshd.port)).collect();
    targets.push(target("refused", closed.port));
    targets.push(target("teapot", speaker(TEAPOT, true)));
    let mut unresolved = target("unresolved", 22);
    unresolved.address = "no-such-host.invalid".into();
    targets.push(unresolved);
    targets.push(target("good", good.port));
    let swept = sweep(targets, config).await;

    let expected = [
        ("good", Kind::Ok, None),
        ("crash", Kind::EngineFailed, Some(Phase::Run)),
        ("garbage", Kind::MalformedOutput, Some(Phase::Run)),
        ("endless", Kind::OutputLimit, Some(Phase::Run)),
        ("flood", Kind::OutputLimit, Some(Phase::Run)),
        ("closed", Kind::EngineFailed, Some(Phase::Session)),
        ("noise", Kind::MalformedOutput, Some(Phase::Session)),
        ("changed", Kind::HostKeyChanged, Some(Phase::Handshake)),
        ("unknown", Kind::HostKeyUnknown, Some(Phase::Handshake)),
        ("rejected", Kind::AuthFailed, Some(Phase::Authenticate)),
        ("refused", Kind::Refused, Some(Phase::Connect)),
        ("teapot", Kind::Protocol, Some(Phase::Handshake)),
        ("unresolved", Kind::Unresolved, Some(Phase::Resolve)),
    ];
    for (host, kind, phase) in expected {
        let outcome = &swept.visit(host).outcome;
        println!("{host}: {} {:?} {}", outcome.kind, outcome.phase, outcome.detail);
        assert_eq!((outcome.kind, outcome.phase), (kind, phase), "{host}: {outcome:?}");
    }

    let good = swept.visit("good");
    assert_eq!(good.answers.iter().map(rows).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(rows(&swept.visit("crash").answers[0]), Some(1), "what was answered before the fault is kept");
    let detail = |host: &str| swept.visit(host).outcome.detail.as_str();
    assert!(detail("closed").contains("This account is closed"));
    assert!(detail("crash").contains("signal 11") && detail("crash").contains("cannot go on"));
    assert!(detail("unknown").contains("ssh-keyscan -p"), "{}", detail("unknown"));
    assert_eq!(detail("changed").matches("SHA256:").count(), 2, "{}", detail("changed"));
}

/// The connection dies after the first answer: it is kept, and the query that ran then is told from those after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_while_the_engine_runs() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("SetEnv ROLE=half");
    let swept = sweep(vec![target("half", sshd.port)], keys.config(&[sshd.port])).await;
    let visit = swept.visit("half");
    let outcome = &visit.outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::Unreachable, Some(Phase::Run)), "{outcome:?}");
    assert_eq!(rows(&visit.answers[0]), Some(1));
    assert!(matches!(&visit.answers[1], Answer::Failed(failure) if failure.kind == QueryFailureKind::NotRun));
}

/// Of hosts that never end each is given up at its own deadline, with what it has brought, and none of them delays another.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_never_end() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (good, hang) = (keys.sshd(""), keys.sshd("ForceCommand sleep 120"));
    let config = || {
        let mut config = keys.config(&[good.port, hang.port]);
        config.forks = 2;
        config
    };

    let mut patient = config();
    patient.deadlines.handshake = Duration::from_secs(1);
    let targets = vec![target("silent", speaker(b"", false)), target("teapot", speaker(TEAPOT, false))];
    let swept = sweep(targets, patient).await;
    for (host, kind) in [("silent", Kind::Timeout), ("teapot", Kind::Protocol)] {
        let outcome = &swept.visit(host).outcome;
        assert_eq!((outcome.kind, outcome.phase), (kind, Some(Phase::Handshake)), "{outcome:?}");
    }

    let mut patient = config();
    patient.deadlines.start = Duration::from_secs(1);
    let swept = sweep(vec![target("hang", hang.port)], patient).await;
    let outcome = &swept.visit("hang").outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::Timeout, Some(Phase::Session)), "{outcome:?}");

    // With one of two places taken by a host that hangs, five others are done while it still does.
    let mut targets = vec![target("hang", hang.port)];
    targets.extend((0..5).map(|n| target(&format!("good{n}"), good.port)));
    let cancel = CancellationToken::new();
    let (stop, mut done) = (cancel.clone(), 0);
    let swept = sweep_until(targets, config(), cancel, move |event| {
        done += usize::from(matches!(event, Event::Done(..)));
        if done == 5 {
            stop.cancel();
        }
    })
    .await;
    assert_eq!(swept.kind("hang"), Kind::Interrupted);
    for n in 0..5 {
        assert_eq!(swept.kind(&format!("good{n}")), Kind::Ok, "{:?}", swept.visit(&format!("good{n}")));
    }
}

/// The script on the host ends the engine a little before the host's time is over, so that there is a receipt.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_does_not_end_is_ended_by_its_script() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd(&format!("SetEnv ROLE=slow NAP={}", nap(604)));
    let mut config = keys.config(&[sshd.port]);
    config.deadlines.host = Duration::from_secs(20);
    let swept = sweep(vec![target("slow", sshd.port)], config).await;
    let visit = swept.visit("slow");
    let outcome = &visit.outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::Timeout, Some(Phase::Run)), "{outcome:?}");
    assert_eq!(visit.receipt.removed, Some(true), "its own script ended it");
    assert_eq!(rows(&visit.answers[0]), Some(1));
    assert!(
        matches!(&visit.answers[1], Answer::Failed(failure) if failure.kind == QueryFailureKind::Timeout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_of_a_good_visit() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let config = keys.config(&[sshd.port]);
    let sha256 = config.probes[0].sha256().to_owned();
    let swept = sweep(vec![target("good", sshd.port)], config).await;
    let visit = swept.visit("good");
    assert_eq!(visit.outcome.kind, Kind::Ok, "{:?}", visit.outcome);
    let receipt = &visit.receipt;
    assert_eq!(receipt.address, format!("127.0.0.1:{}", sshd.port));
    assert!(receipt.host_key.starts_with("SHA256:"));
    assert_eq!(receipt.engine, "probe 0.0.1");
    assert_eq!(receipt.engine_sha256, sha256);
    assert_eq!((receipt.uid, receipt.root.as_str()), (Some(7), "/"));
    assert!(receipt.placed.contains("/.herdiff."));
    assert_eq!((receipt.removed, receipt.status), (Some(true), Some(0)));
    assert!(!std::path::Path::new(&receipt.placed).exists());
    assert!(receipt.bytes_sent > 1000 && receipt.bytes_received > 300, "{receipt:?}");
    assert_eq!(receipt.host_cpu_us, 1234);
    assert!(receipt.started.0 > 1_600_000_000_000);
    assert_eq!(swept.events.first().unwrap(), "0 started");
    for phase in ["connect", "handshake", "authenticate", "session"] {
        assert!(swept.events.contains(&format!("0 {phase}")), "{phase}: {:?}", swept.events);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_not_there_is_named() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let mut config = keys.config(&[sshd.port]);
    config.probes.clear();
    let swept = sweep(vec![target("a", sshd.port)], config.clone()).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::EngineMissing);
    assert!(outcome.detail.contains("no probe for the architecture"), "{outcome:?}");
    config.engine = EngineChoice::Osqueryi;
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    if !std::path::Path::new("/usr/bin/osqueryi").exists() {
        assert_eq!(swept.kind("a"), Kind::EngineMissing);
        assert_eq!(swept.visit("a").receipt.removed, Some(true));
    }
}

/// A stand-in for osqueryi, found by the path of the login.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_s_own_osqueryi_is_used() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let bin = tempfile::tempdir().unwrap();
    let program = bin.path().join("osqueryi");
    let script = "#!/bin/sh\n[ \"$1\" = --json ] && [ \"$2\" = --flagfile=/dev/null ] || exit 9\n\
        while read -r word rest; do\n  case $word in\n    .print) echo \"$rest\" ;;\n    *) printf '[\\n  {\"a\":\"%s\"}\\n]\\n' \"$rest\" ;;\n  esac\ndone\n\
        echo 'Error: near line 3: no such table: two' >&2\nexit 1\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(bin.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    let sshd = keys.sshd(&format!("SetEnv PATH={path}"));
    let mut config = keys.config(&[sshd.port]);
    config.engine = EngineChoice::Auto;
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let visit = swept.visit("a");
    assert_eq!(visit.outcome.kind, Kind::Partial, "{:?}", visit.outcome);
    assert_eq!(rows(&visit.answers[0]), Some(1));
    assert!(
        matches!(&visit.answers[1], Answer::Failed(f) if f.detail == "no such table: two"),
        "{:?}",
        visit.answers[1]
    );
    assert_eq!((visit.receipt.engine.as_str(), visit.receipt.engine_sha256.as_str()), ("osqueryi", ""));
    assert_eq!(visit.receipt.removed, Some(true));
}

/// osqueryi hears no signal but the last one, and goes on with a query for ever: that costs this query only.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_osqueryi_that_does_not_end() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let bin = tempfile::tempdir().unwrap();
    let program = bin.path().join("osqueryi");
    let script = "#!/bin/sh\ntrap '' TERM HUP INT PIPE\nwhile read -r word rest; do\n  case \"$word $rest\" in\n    .print*) echo \"$rest\" ;;\n    \
        *1*) sleep NAP & wait ;;\n    *) printf '[\n  {\"a\":\"%s\"}\n]\n' \"$rest\" ;;\n  esac\ndone\n";
    std::fs::write(&program, script.replace("NAP", &nap(615))).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(bin.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sshd = keys.sshd(&format!("SetEnv PATH={}:/usr/bin:/bin", bin.path().display()));
    let mut config = keys.config(&[sshd.port]);
    config.engine = EngineChoice::Osqueryi;
    // Long enough for the second query to be answered on a busy machine.
    config.deadlines.query = Duration::from_secs(5);
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let visit = swept.visit("a");
    assert_eq!(visit.outcome.kind, Kind::Partial, "{:?}", visit.outcome);
    assert!(
        matches!(&visit.answers[0], Answer::Failed(f) if f.kind == QueryFailureKind::Timeout),
        "{:?}",
        visit.answers[0]
    );
    assert_eq!(rows(&visit.answers[1]), Some(1));
    eventually("the query is gone", || !runs(&format!("sleep {}", nap(615))));
}

/// The statements after one that hangs are asked over a new connection. Where there is none, what came over the first one counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_host_went_away_is_kept() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let bin = tempfile::tempdir().unwrap();
    let program = bin.path().join("osqueryi");
    std::fs::write(&program, format!("#!/bin/sh\nsleep {}\n", nap(616))).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(bin.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sshd = keys.sshd(&format!("SetEnv PATH={}:/usr/bin:/bin", bin.path().display()));
    let port = sshd.port;
    let mut config = keys.config(&[port]);
    config.engine = EngineChoice::Osqueryi;
    config.deadlines.query = Duration::from_secs(1);
    let mut sshd = Some(sshd);
    let swept = sweep_until(vec![target("a", port)], config, CancellationToken::new(), |event| {
        if matches!(event, Event::Phase(_, Phase::Run)) {
            sshd = None;
        }
    });
    let swept = swept.await;
    let visit = swept.visit("a");
    assert_eq!(visit.outcome.kind, Kind::Refused, "{:?}", visit.outcome);
    let kinds = visit.answers.iter().map(|answer| match answer {
        Answer::Failed(failure) => failure.kind,
        Answer::Rows { .. } => panic!("{answer:?}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [QueryFailureKind::Timeout, QueryFailureKind::NotRun]);
    eventually("the query is gone", || !runs(&format!("sleep {}", nap(616))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_sweep_ends_at_once_and_keeps_what_it_has() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let mark = format!("sleep {}", nap(601));
    let slow = keys.sshd(&format!("SetEnv ROLE=steady NAP={}", nap(601)));
    let mut config = keys.config(&[slow.port]);
    config.forks = 2;
    config.deadlines.host = LONG * 10;
    let targets = (0..5).map(|n| target(&format!("h{n}"), slow.port)).collect();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    // Both have answered the first query once their engines sleep.
    let stopping = std::thread::spawn(move || {
        eventually("two engines sleep", || count(&mark) >= 2);
        stop.cancel();
        std::time::Instant::now()
    });
    let swept = sweep_until(targets, config, cancel, |_| {}).await;
    let took = stopping.join().unwrap().elapsed();
    assert!(took < LONG, "it did not wait for the hosts' deadline: {took:?}");
    for n in 0..5 {
        assert_eq!(swept.kind(&format!("h{n}")), Kind::Interrupted);
    }
    assert_eq!(rows(&swept.visit("h0").answers[0]), Some(1), "what had come is kept");
    assert_eq!(swept.visit("h4").receipt.address, "", "never started");
}

/// Only the least time is looked at: a busy machine takes longer.
#[tokio::test]
async fn hosts_are_not_started_faster_than_the_rate() {
    let (keys, closed) = (Keys::new(), Closed::new());
    let mut config = keys.config(&[closed.port]);
    config.rate = Some(10);
    let start = std::time::Instant::now();
    let swept = sweep((0..11).map(|n| target(&format!("h{n}"), closed.port)).collect(), config).await;
    assert!(start.elapsed() > Duration::from_millis(450), "{:?}", start.elapsed());
    assert!(swept.visits.values().all(|(visit, _)| visit.outcome.kind == Kind::Refused));
}

/// A server that has as many logins under way as it allows, until it has turned us away once.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_tried_again() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("MaxStartups 2:100:2\nLoginGraceTime 600");
    let mut others: Vec<_> =
        (0..2).map(|_| std::net::TcpStream::connect(("127.0.0.1", sshd.port)).unwrap()).collect();
    for other in &mut others {
        // It greets those that it has let in.
        std::io::Read::read_exact(other, &mut [0; 4]).unwrap();
    }
    let turned_away = || sshd.log_lines("drop connection") + sshd.log_lines("past MaxStartups");
    let swept = std::thread::scope(|scope| {
        scope.spawn(move || {
            eventually("the server turns us away", || turned_away() > 0);
            drop(others);
        });
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            handle.block_on(sweep(vec![target("a", sshd.port)], keys.config(&[sshd.port])))
        })
    });
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);
    assert!(swept.events.iter().filter(|event| event.ends_with(" handshake")).count() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_saves_the_others() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (good, bad) = (keys.sshd(""), keys.sshd("SetEnv ROLE=garbage"));
    let mut config = keys.config(&[good.port, bad.port]);
    config.canary = Some(herdiff_collector::sweep::Canary { hosts: 2, most_failed: 40 });
    let fleet = |first: u16| {
        let mut targets = vec![target("h0", first)];
        targets.extend((1..6).map(|n| target(&format!("h{n}"), good.port)));
        targets
    };
    let swept = sweep(fleet(bad.port), config.clone()).await;
    assert_eq!((swept.kind("h0"), swept.kind("h1")), (Kind::MalformedOutput, Kind::Ok));
    for n in 2..6 {
        let visit = swept.visit(&format!("h{n}"));
        assert_eq!((visit.outcome.kind, visit.receipt.address.as_str()), (Kind::Interrupted, ""));
        assert!(visit.outcome.detail.starts_with("1 of the first 2 hosts failed"), "{:?}", visit.outcome);
    }
    let swept = sweep(fleet(good.port), config).await;
    assert!((0..6).all(|n| swept.kind(&format!("h{n}")) == Kind::Ok));
    let order = |event: &str| swept.events.iter().position(|known| known == event).unwrap();
    assert!(order("2 started") > order("0 done") && order("2 started") > order("1 done"));
}

/// Many hosts that each stay below their own limit, and are too much together.
#[tokio::test(flavor = "multi_thread")]
async fn what_all_hosts_send_together_has_a_limit() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let go = keys.path("go");
    let large = keys.sshd(&format!("SetEnv ROLE=slow-and-large GO={}", go.display()));
    let small = keys.sshd("");
    let mut config = keys.config(&[large.port, small.port]);
    config.limits.waiting_bytes = 4 << 20;
    config.forks = 8;
    let row = format!("[\"{}\"]", "x".repeat(1000));
    let rows = vec![row; 1000].join(",");
    let mut engine = engine().replace(
        "  half)",
        "  slow-and-large) echo \"$header\"; sed -n '/^{\"query\":\"first\"/p' \"$0\"; until [ -e \"$GO\" ]; do sleep 0.1; done; echo \"$second\"; echo \"$end\" ;;\n  half)",
    );
    engine += &format!(
        "exit\n{{\"query\":\"first\",\"columns\":[\"a\"],\"rows\":[{rows}],\"unread\":[],\"cut\":null}}\n"
    );
    config.probes = vec![probe(&engine)];
    let mut targets: Vec<_> = (0..6).map(|n| target(&format!("large{n}"), large.port)).collect();
    targets.push(target("small", small.port));
    // They keep what they have sent until one of them was too much.
    let swept = sweep_until(targets, config, CancellationToken::new(), |event| {
        if let Event::Done(_, visit) = event
            && visit.outcome.kind == Kind::OutputLimit
        {
            std::fs::write(&go, "").unwrap();
        }
    })
    .await;
    assert_eq!(swept.kind("small"), Kind::Ok);
    let cut = swept.visits.values().filter(|(visit, _)| visit.outcome.detail.contains("all hosts together"));
    assert!(
        (1..6).contains(&cut.count()),
        "{:?}",
        swept.visits.values().map(|(v, _)| &v.outcome).collect::<Vec<_>>()
    );
}

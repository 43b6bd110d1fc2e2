//! The traps of the SSH library below, each with a server that would spring it. The fourth, small writes that are held
//! back, is tested beside the code, in `ssh::link`.

use crate::harness::*;
use herdiff_model::outcome::{HostOutcomeKind as Kind, Phase};
use russh::keys::PrivateKey;
use russh::server::{self, Auth};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A server that runs this in place of our script.
fn forced(keys: &Keys, name: &str, script: &str) -> Sshd {
    let file: PathBuf = keys.path(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    keys.sshd(&format!("ForceCommand /bin/sh {}", file.display()))
}

const HELLO: &str = r#"printf '\036{"hello":1,"arch":"%s","uid":0,"dir":"/none","osqueryi":""}\n' "$(uname -m)"
"#;

fn large() -> herdiff_collector::delivery::ProbeBinary {
    probe(&format!("#!/bin/sh\n# {}", "x".repeat(24 << 20)))
}

/// 1: a writer that waits for a window hears nothing of the channel's end.
#[tokio::test(flavor = "multi_thread")]
async fn the_remote_side_ends_without_reading_the_upload() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = forced(&keys, "deaf", &format!("{HELLO}sleep 1\nexit 3\n"));
    let mut config = keys.config(&[sshd.port]);
    config.probes = vec![large()];
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let (visit, took) = &swept.visits["a"];
    assert_eq!(
        (visit.outcome.kind, visit.outcome.phase),
        (Kind::EngineFailed, Some(Phase::Upload)),
        "{:?}",
        visit.outcome
    );
    assert!(visit.outcome.detail.contains("status 3"), "{:?}", visit.outcome);
    assert!(*took < LONG, "it waited for the deadline: {took:?}");
}

/// 1, by the network: the connection is cut while the window is empty.
#[tokio::test(flavor = "multi_thread")]
async fn the_connection_dies_during_the_upload() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = forced(&keys, "cut", &format!("{HELLO}sleep 1\nkill -9 $PPID\nsleep 5\n"));
    let mut config = keys.config(&[sshd.port]);
    config.probes = vec![large()];
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let (visit, took) = &swept.visits["a"];
    assert_eq!(
        (visit.outcome.kind, visit.outcome.phase),
        (Kind::Unreachable, Some(Phase::Upload)),
        "{:?}",
        visit.outcome
    );
    assert!(*took < LONG, "it waited for the deadline: {took:?}");
}

/// 2: a host that prints much before it reads; a client that writes everything first would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_remote_side_prints_before_it_reads() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let script = format!(
        "{HELLO}yes '{{\"probe\":\"1\",\"protocol\":1}}' | head -n 400000\ncat > /dev/null\n\
         printf '{{\"end\":1}}\\n\\036{{\"receipt\":1,\"status\":0,\"removed\":true}}\\n'\n"
    );
    let sshd = forced(&keys, "printer", &script);
    let mut config = keys.config(&[sshd.port]);
    config.probes = vec![large()];
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let visit = swept.visit("a");
    // It went to its end: every query got the verdict that only a complete answer brings.
    assert_eq!(visit.outcome.kind, Kind::Partial, "{:?}", visit.outcome);
    assert!(visit.receipt.bytes_sent > 24 << 20, "{}", visit.receipt.bytes_sent);
    assert!(visit.receipt.bytes_received > 10 << 20, "{}", visit.receipt.bytes_received);
}

/// 3: giving up on a server that says nothing must close the socket, not only stop waiting for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_given_up_is_let_go() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Half of them greet and then fall silent, within the key exchange.
    let (sender, ends) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for n in 0..20 {
            let (mut stream, _) = listener.accept().unwrap();
            let sender = sender.clone();
            std::thread::spawn(move || {
                if n % 2 == 0 {
                    std::io::Write::write_all(&mut stream, b"SSH-2.0-silent\r\n").unwrap();
                }
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all);
                sender.send(()).unwrap();
            });
        }
    });
    let mut config = keys.config(&[port]);
    config.deadlines.handshake = Duration::from_millis(500);
    let swept = sweep((0..20).map(|n| target(&format!("h{n}"), port)).collect(), config).await;
    for n in 0..20 {
        let outcome = &swept.visit(&format!("h{n}")).outcome;
        assert_eq!((outcome.kind, outcome.phase), (Kind::Timeout, Some(Phase::Handshake)), "{outcome:?}");
    }
    for n in 0..20 {
        ends.recv_timeout(LONG).unwrap_or_else(|_| panic!("{} of 20 stayed open", 20 - n));
    }
}

/// Starts a server with the host key of the others; its port.
async fn served(keys: &Keys, mut server: impl server::Server + Send + 'static) -> u16 {
    let key = PrivateKey::from_openssh(std::fs::read(keys.path("host")).unwrap()).unwrap();
    let config = server::Config { keys: vec![key], ..server::Config::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { server.run_on_socket(Arc::new(config), &listener).await });
    port
}

/// Ends the connection when a key is offered.
#[derive(Clone)]
struct Rude;

impl server::Server for Rude {
    type Handler = Self;
    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Self {
        self.clone()
    }
}

impl server::Handler for Rude {
    type Error = russh::Error;
    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: server::PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Err(russh::Error::Disconnect)
    }
}

/// 5: a connection that is lost during the login is not a refusal.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_during_the_login_is_no_refusal() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let port = served(&keys, Rude).await;
    let swept = sweep(vec![target("a", port)], keys.config(&[port])).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::Unreachable, Some(Phase::Authenticate)), "{outcome:?}");
}

/// Opens channels to the client once it has logged in, and tells what came of it.
#[derive(Clone)]
struct Pushy(std::sync::mpsc::Sender<Result<(), String>>);

impl server::Server for Pushy {
    type Handler = Self;
    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Self {
        self.clone()
    }
}

impl server::Handler for Pushy {
    type Error = russh::Error;
    async fn auth_publickey(
        &mut self,
        _: &str,
        _: server::VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }
    /// The client then waits for our script, which never speaks.
    async fn channel_open_session(
        &mut self,
        _: russh::Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }
    async fn auth_succeeded(&mut self, session: &mut server::Session) -> Result<(), russh::Error> {
        let (handle, told) = (session.handle(), self.0.clone());
        tokio::spawn(async move {
            let mut results = vec![handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.map(drop)];
            results.push(handle.channel_open_agent().await.map(drop));
            results.push(handle.channel_open_session().await.map(drop));
            results.push(handle.channel_open_x11("a", 1).await.map(drop));
            results.push(handle.channel_open_direct_tcpip("a", 1, "b", 2).await.map(drop));
            for result in results {
                let _ = told.send(result.map_err(|error| error.to_string()));
            }
        });
        Ok(())
    }
}

/// Every channel that a server opens would cost memory here, and some would lead somewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_opens_no_channels_here() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (sender, told) = std::sync::mpsc::channel();
    let port = served(&keys, Pushy(sender)).await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone().drop_guard();
    let results = tokio::task::spawn_blocking(move || {
        let results: Vec<_> = (0..5).map(|_| told.recv_timeout(LONG)).collect();
        drop(stop);
        results
    });
    sweep_until(vec![target("a", port)], keys.config(&[port]), cancel, |_| {}).await;
    for result in results.await.unwrap() {
        let why = result.unwrap().expect_err("a channel was opened");
        assert!(why.contains("AdministrativelyProhibited"), "{why}");
    }
}

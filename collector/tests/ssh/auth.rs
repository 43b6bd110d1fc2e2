//! Logging in: kinds of keys, encrypted ones, the agent, host keys of several kinds.

use crate::harness::*;
use herdiff_collector::sweep::{Sweep, SweepError};
use herdiff_model::outcome::HostOutcomeKind as Kind;
use herdiff_model::pack::Pack;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A server that accepts these keys.
fn accepting(keys: &Keys, names: &[&str]) -> Sshd {
    let file = keys.path("accepted");
    fs::write(&file, names.iter().map(|name| keys.public(name) + "\n").collect::<String>()).unwrap();
    keys.sshd(&format!("AuthorizedKeysFile {}", file.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    keys.make("ecdsa", &["-t", "ecdsa", "-b", "256", "-N", ""]);
    keys.make("pem", &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"]);
    let kinds = ["user", "rsa", "ecdsa", "pem"];
    let sshd = accepting(&keys, &kinds);
    for kind in kinds {
        let mut config = keys.config(&[sshd.port]);
        config.ssh.identities = vec![keys.path(kind)];
        let swept = sweep(vec![target("a", sshd.port)], config).await;
        assert_eq!(swept.kind("a"), Kind::Ok, "{kind}: {:?}", swept.visit("a").outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_is_asked_for_once() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("locked", &["-t", "ed25519", "-N", "secret", "-a", "1"]);
    let sshd = accepting(&keys, &["locked"]);
    let mut config = keys.config(&[sshd.port]);
    config.ssh.identities = vec![keys.path("locked")];
    let pack = Arc::new(Pack::parse(PACK).unwrap());
    let targets = || vec![target("a", sshd.port), target("b", sshd.port)];
    let refused = Sweep::start(targets(), pack, config.clone(), Default::default()).await;
    let Err(SweepError::Identity { path, why }) = refused.map(|_| ()) else { panic!("it must not start") };
    assert!(path.ends_with("locked") && why.contains("is encrypted"), "{why}");

    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    config.ssh.passphrase = Some(Arc::new(move |path| {
        assert!(path.ends_with("locked"));
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(Zeroizing::new("secret".to_owned()))
    }));
    let swept = sweep(targets(), config).await;
    assert_eq!((swept.kind("a"), swept.kind("b")), (Kind::Ok, Kind::Ok));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_the_inventory_names_comes_first() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("own", &["-t", "ed25519", "-N", ""]);
    let sshd = accepting(&keys, &["own"]);
    let mut config = keys.config(&[sshd.port]);
    config.ssh.home = Some(keys.path("own").parent().unwrap().to_owned());
    let (mut own, mut gone) = (target("own", sshd.port), target("gone", sshd.port));
    own.identity = Some("~/own".into());
    gone.identity = Some("/nowhere/key".into());
    let swept = sweep(vec![own, gone], config).await;
    assert_eq!(swept.kind("own"), Kind::Ok, "{:?}", swept.visit("own").outcome);
    let outcome = &swept.visit("gone").outcome;
    assert_eq!(outcome.kind, Kind::AuthFailed);
    assert!(outcome.detail.contains("/nowhere/key: No such file"), "{outcome:?}");
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gives a key to an agent that has just been started: its socket is there before it listens.
fn add(socket: &Path, key: &Path) {
    eventually("the agent has the key", || {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", socket).stderr(Stdio::null());
        add.status().unwrap().success()
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_agent() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("agent-rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    keys.make("agent-ed", &["-t", "ed25519", "-N", ""]);
    let socket = keys.path("agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
    let _agent = Agent(agent.expect("ssh-agent is needed: apt-get install openssh-client"));
    for name in ["agent-rsa", "agent-ed"] {
        add(&socket, &keys.path(name));
        let sshd = accepting(&keys, &[name]);
        let mut config = keys.config(&[sshd.port]);
        config.ssh.identities.clear();
        config.ssh.agent = Some(socket.clone());
        let swept = sweep(vec![target("a", sshd.port)], config).await;
        assert_eq!(swept.kind("a"), Kind::Ok, "{name}: {:?}", swept.visit("a").outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_agent_say_what_to_do() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let mut config = keys.config(&[sshd.port]);
    config.ssh.identities.clear();
    config.ssh.agent = Some(keys.path("no-agent"));
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::AuthFailed);
    assert!(outcome.detail.contains("--identity"), "{outcome:?}");
}

/// A server with two keys presents the kind that we ask for first; known_hosts has only the other kind.
#[tokio::test(flavor = "multi_thread")]
async fn the_kind_of_host_key_that_is_known_is_asked_for() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("second", &["-t", "ecdsa", "-N", ""]);
    let sshd = keys.sshd(&format!("HostKey {}", keys.path("second").display()));
    let config = keys.config(&[]);
    let known = format!("[127.0.0.1]:{} {}\n", sshd.port, keys.public("second"));
    fs::write(&config.ssh.known_hosts[0], known).unwrap();
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_host_key_is_an_outcome_of_its_own() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let mut config = keys.config(&[sshd.port]);
    let known = fs::read_to_string(&config.ssh.known_hosts[0]).unwrap();
    fs::write(&config.ssh.known_hosts[0], known + &format!("@revoked * {}\n", keys.public("host"))).unwrap();
    let swept = sweep(vec![target("a", sshd.port)], config.clone()).await;
    assert_eq!(swept.kind("a"), Kind::HostKeyRevoked);
    config.ssh.host_keys = herdiff_collector::ssh::HostKeyPolicy::AcceptAny;
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    assert_eq!(swept.kind("a"), Kind::HostKeyRevoked, "even where any other would do");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_host_key_will_do_only_when_asked_for() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let mut config = keys.config(&[]);
    assert_eq!(sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"), Kind::HostKeyUnknown);
    config.ssh.host_keys = herdiff_collector::ssh::HostKeyPolicy::AcceptAny;
    assert_eq!(sweep(vec![target("a", sshd.port)], config).await.kind("a"), Kind::Ok);
}

/// Signs a key as an authority does.
fn certify(keys: &Keys, name: &str, validity: &str) {
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(keys.path("ca"))
        .args(["-I", "test", "-n", &user(), "-V", validity])
        .arg(keys.path(&format!("{name}.pub")))
        .status();
    assert!(signed.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_users() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("ca", &["-t", "ed25519", "-N", ""]);
    let trust = format!("TrustedUserCAKeys {}\nAuthorizedKeysFile none", keys.path("ca.pub").display());
    let sshd = keys.sshd(&trust);
    for (name, kind) in [("c-ed", "ed25519"), ("c-ec", "ecdsa"), ("c-rsa", "rsa")] {
        keys.make(name, &["-t", kind, "-N", ""]);
        let mut config = keys.config(&[sshd.port]);
        config.ssh.identities = vec![keys.path(name)];
        assert_eq!(sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"), Kind::AuthFailed);
        certify(&keys, name, "-1d:+1d");
        let swept = sweep(vec![target("a", sshd.port)], config).await;
        assert_eq!(swept.kind("a"), Kind::Ok, "{kind}: {:?}", swept.visit("a").outcome);
    }

    // The same, from an agent.
    let socket = keys.path("cert-agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
    let _agent = Agent(agent.unwrap());
    add(&socket, &keys.path("c-rsa"));
    let mut config = keys.config(&[sshd.port]);
    config.ssh.identities.clear();
    config.ssh.agent = Some(socket);
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);

    keys.make("late", &["-t", "ed25519", "-N", ""]);
    certify(&keys, "late", "-2d:-1d");
    let mut config = keys.config(&[sshd.port]);
    config.ssh.identities = vec![keys.path("late")];
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    let outcome = &swept.visit("a").outcome;
    assert!(outcome.detail.contains("late-cert.pub has expired"), "{outcome:?}");
}

/// A key that the agent has open already needs no passphrase, even where its file is named.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_that_the_agent_has_open_is_not_asked_for() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("locked", &["-t", "ed25519", "-N", "", "-a", "1"]);
    let sshd = accepting(&keys, &["locked"]);
    let socket = keys.path("open-agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
    let _agent = Agent(agent.unwrap());
    add(&socket, &keys.path("locked"));
    let locked =
        Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(keys.path("locked")).status();
    assert!(locked.unwrap().success());
    let mut config = keys.config(&[sshd.port]);
    config.ssh.identities.clear();
    config.ssh.default_identities = vec![keys.path("locked")];
    config.ssh.agent = Some(socket);
    config.ssh.passphrase = Some(Arc::new(|path| panic!("asked for {}", path.display())));
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);
}

//! The ways to a host: OpenSSH's configuration, jump hosts, proxy commands.

use crate::harness::*;
use herdiff_collector::ssh::OpenSsh;
use herdiff_collector::sweep::{Sweep, SweepConfig};
use herdiff_model::outcome::{HostOutcomeKind as Kind, Phase};
use herdiff_model::pack::Pack;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A sweep that obeys this configuration of OpenSSH, and has nothing of its own.
fn configured(keys: &Keys, text: &str) -> SweepConfig {
    let mut config = keys.config(&[]);
    let file = keys.path("ssh_config");
    fs::write(&file, text).unwrap();
    config.ssh.known_hosts.clear();
    config.ssh.identities.clear();
    config.ssh.user = None;
    config.ssh.home = Some(keys.path(""));
    let program = "/usr/bin/ssh".into();
    config.ssh.openssh = Some(OpenSsh { program, config: Some(file.clone()), files: vec![file] });
    config
}

/// Lines for all hosts: our keys and nothing of this machine's.
fn base(keys: &Keys) -> String {
    format!(
        "Host *\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
        user(),
        keys.path("user").display(),
        keys.path("known").display()
    )
}

fn know(keys: &Keys, names: &[&str]) {
    let lines = names.iter().map(|name| format!("{name} {}\n", keys.public("host")));
    fs::write(keys.path("known"), lines.collect::<String>()).unwrap();
}

fn named(name: &str) -> herdiff_collector::inventory::Target {
    let mut target = target(name, 22);
    target.port = None;
    target.address = name.into();
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_where_a_host_is_and_how_it_is_known() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    know(&keys, &["the-web", "@revoked-is-no-name"]);
    let text = format!(
        "Host web-1\n  HostName 127.0.0.1\n  Port {}\n  HostKeyAlias the-web\n  IdentityFile {}/%r-of-%n\n  Ciphers aes256-ctr\n{}",
        sshd.port,
        keys.path("").display(),
        base(&keys)
    );
    fs::copy(keys.path("user"), keys.path(&format!("{}-of-web-1", user()))).unwrap();
    fs::remove_file(keys.path("user.pub")).unwrap();
    let swept = sweep(vec![named("web-1")], configured(&keys, &text)).await;
    let visit = swept.visit("web-1");
    assert_eq!(visit.outcome.kind, Kind::Ok, "{:?}", visit.outcome);
    assert_eq!(visit.receipt.address, format!("127.0.0.1:{}", sshd.port));
}

#[tokio::test(flavor = "multi_thread")]
async fn inventory_and_flags_beat_the_configuration() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    know(&keys, &[&format!("[127.0.0.1]:{}", sshd.port)]);
    let text = format!(
        "Host 127.0.0.1\n  User nobody-at-all\n  Port 1\n  ProxyJump nowhere.invalid\n{}",
        base(&keys)
    );
    let mut config = configured(&keys, &text);
    config.ssh.user = Some(user());
    config.ssh.jump = Some("none".into());
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);
}

/// Two jump hosts one after the other, each with a key and a configuration of its own.
#[tokio::test(flavor = "multi_thread")]
async fn several_jump_hosts_each_verified_by_itself() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (first, second, host) = (keys.sshd(""), keys.sshd(""), keys.sshd(""));
    let text = format!(
        "Host first\n HostName 127.0.0.1\n Port {}\n HostKeyAlias first\nHost second\n HostName 127.0.0.1\n Port {}\n HostKeyAlias \
         second\n ProxyJump first\nHost web-*\n HostName 127.0.0.1\n Port {}\n HostKeyAlias web\n ProxyJump second\n{}",
        first.port,
        second.port,
        host.port,
        base(&keys)
    );
    know(&keys, &["first", "second", "web"]);
    let targets = || (0..40).map(|n| named(&format!("web-{n}"))).collect::<Vec<_>>();
    let swept = sweep(targets(), configured(&keys, &text)).await;
    for n in 0..40 {
        let visit = swept.visit(&format!("web-{n}"));
        assert_eq!(visit.outcome.kind, Kind::Ok, "{:?}", visit.outcome);
        let address = format!("127.0.0.1:{} via 127.0.0.1:{}", host.port, second.port);
        assert_eq!(visit.receipt.address, address);
    }
    // 40 hosts at 32 a connection: two connections, each through one of two of the jump host before.
    assert!(second.logins() <= 2 && first.logins() <= 2, "{} {}", second.logins(), first.logins());

    know(&keys, &["first", "web"]);
    let swept = sweep(targets(), configured(&keys, &text)).await;
    let outcome = &swept.visit("web-7").outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::HostKeyUnknown, Some(Phase::Connect)));
    assert!(outcome.detail.starts_with("jump host second: the ssh-ed25519 key SHA256:"), "{outcome:?}");

    know(&keys, &["first", "second"]);
    let swept = sweep(targets(), configured(&keys, &text)).await;
    assert_eq!(swept.kind("web-7"), Kind::HostKeyUnknown);
    assert_eq!(swept.visit("web-7").outcome.phase, Some(Phase::Handshake));
}

/// Forty hosts must not lock an account of the jump host by trying forty times.
#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_refuses_us_is_asked_once() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (jump, host) = (keys.sshd("AuthorizedKeysFile /dev/null"), keys.sshd(""));
    let mut config = keys.config(&[jump.port, host.port]);
    config.ssh.jump = Some(format!("127.0.0.1:{}", jump.port));
    let targets = (0..40).map(|n| target(&format!("h{n}"), host.port)).collect();
    let swept = sweep(targets, config).await;
    for n in 0..40 {
        let outcome = &swept.visit(&format!("h{n}")).outcome;
        // They are at the same address, but not at the same port.
        assert_eq!((outcome.kind, outcome.phase), (Kind::AuthFailed, Some(Phase::Connect)), "{outcome:?}");
        assert!(outcome.detail.starts_with("jump host 127.0.0.1: "), "{outcome:?}");
    }
    assert_eq!(jump.log_lines("authorized keys '/dev/null'"), 1, "{}", jump.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_does_not_forward_is_named() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (jump, host) = (keys.sshd("AllowTcpForwarding no"), keys.sshd(""));
    let mut config = keys.config(&[jump.port, host.port]);
    config.ssh.jump = Some(format!("127.0.0.1:{}", jump.port));
    let swept = sweep(vec![target("a", host.port)], config.clone()).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::Unreachable);
    assert!(outcome.detail.contains("AllowTcpForwarding"), "{outcome:?}");

    let open = keys.sshd("");
    let mut config = keys.config(&[open.port]);
    config.ssh.jump = Some(format!("127.0.0.1:{}", open.port));
    let closed = Closed::new();
    let swept = sweep(vec![target("a", closed.port)], config).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::Unreachable);
    assert!(outcome.detail.contains("cannot be reached from there"), "{outcome:?}");
}

/// The jump host dies under the hosts behind it: they must not wait for their deadlines.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_through_a_lost_jump_host_is_lost_at_once() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (jump, host) = (keys.sshd(""), keys.sshd(&format!("SetEnv ROLE=slow NAP={}", nap(612))));
    let mut config = keys.config(&[jump.port, host.port]);
    config.ssh.jump = Some(format!("127.0.0.1:{}", jump.port));
    let mut running = 0;
    let swept = sweep_until(
        vec![target("a", host.port), target("b", host.port)],
        config,
        Default::default(),
        |event| {
            if matches!(event, herdiff_collector::sweep::Event::Phase(_, Phase::Run)) {
                running += 1;
                if running == 2 {
                    jump.kill_sessions();
                }
            }
        },
    )
    .await;
    assert_eq!(running, 2);
    for name in ["a", "b"] {
        assert_eq!(swept.kind(name), Kind::Unreachable, "{:?}", swept.visit(name).outcome);
    }
    eventually("the engine is gone", || !runs(&format!("sleep {}", nap(612))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_command_is_the_connection() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    know(&keys, &["web"]);
    let relay = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3'";
    let text =
        format!("Host web\n Port {}\n ProxyCommand {relay}\n HostKeyAlias web\n{}", sshd.port, base(&keys));
    let swept = sweep(vec![named("web")], configured(&keys, &text)).await;
    let visit = swept.visit("web");
    assert_eq!(visit.outcome.kind, Kind::Ok, "{:?}", visit.outcome);
    assert!(visit.receipt.address.ends_with("via a ProxyCommand"));

    let text = format!("Host web\n ProxyCommand echo gone >&2; exit 1\n{}", base(&keys));
    let swept = sweep(vec![named("web")], configured(&keys, &text)).await;
    let outcome = &swept.visit("web").outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::Unreachable, Some(Phase::Connect)), "{outcome:?}");

    // A silent command ends with its host, and with all that it started.
    let sleep = format!("sleep {}", nap(613));
    let text = format!("Host web\n ProxyCommand {sleep} | {sleep}\n{}", base(&keys));
    let mut config = configured(&keys, &text);
    config.deadlines.handshake = Duration::from_secs(1);
    let swept = sweep(vec![named("web")], config).await;
    assert_eq!(swept.kind("web"), Kind::Timeout);
    eventually("the command is gone", || !runs(&sleep));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_cannot_become_a_command() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let mark = keys.path("mark");
    let mut config = keys.config(&[]);
    let mut target = named("web");
    target.user = Some(format!("$(touch${{IFS}}{})", mark.display()));
    target.proxy_command = Some("echo %r > /dev/null; exit 1".into());
    config.ssh.user = None;
    let swept = sweep(vec![target], config).await;
    assert!(swept.visit("web").outcome.detail.contains("cannot be part of a ProxyCommand"));
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_and_a_circle_stop_the_sweep_before_it_starts() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let start = async |text: &str| {
        let pack = Arc::new(Pack::parse(PACK).unwrap());
        let config = configured(&keys, text);
        let started = Sweep::start(vec![named("web")], pack, config, Default::default()).await;
        started.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(start("Nonsense yes\n").await.contains("Bad configuration option"));
    let circle = "Host a\n ProxyJump b\nHost b\n ProxyJump c\nHost c\n ProxyJump b\nHost web\n ProxyJump a\n";
    assert!(start(circle).await.contains("circle"), "{}", start(circle).await);
    assert!(
        start("Host web\n Ciphers 3des-cbc\n").await.contains("none of the Ciphers"),
        "{}",
        start("Host web\n Ciphers 3des-cbc\n").await
    );
}

/// The answers of `ssh -G` that are shared between hosts are the ones that it gives for each.
#[tokio::test(flavor = "multi_thread")]
async fn ssh_is_asked_once_for_hosts_that_no_line_tells_apart() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let counter = keys.path("counted-ssh");
    let log = keys.path("asked");
    fs::write(&counter, format!("#!/bin/sh\necho \"$@\" >> {}\nexec /usr/bin/ssh \"$@\"\n", log.display()))
        .unwrap();
    fs::set_permissions(&counter, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let asked = |text: &str| {
        let mut config = configured(&keys, &format!("{text}{}", base(&keys)));
        config.ssh.openssh.as_mut().unwrap().program = counter.clone();
        config.deadlines.connect = Duration::from_millis(100);
        let _ = fs::remove_file(&log);
        config
    };
    let count = |log: &Path| fs::read_to_string(log).unwrap().lines().count();
    let targets = || (0..50).map(|n| named(&format!("h{n}.invalid"))).collect::<Vec<_>>();
    let config = asked("Host h1.invalid\n Port 2222\n");
    let swept = sweep(targets(), config).await;
    assert_eq!(count(&log), 3, "no configuration at all, the one host, all others");
    assert_eq!(swept.visit("h1.invalid").receipt.address, "h1.invalid:2222");
    assert_eq!(swept.visit("h2.invalid").receipt.address, "h2.invalid:22");

    // Ports of their own are no reason to ask, but where one becomes a part of something else.
    let at_ports = || (0..50).map(|n| target(&format!("p{n}"), 1000 + n)).collect::<Vec<_>>();
    let swept = sweep(at_ports(), asked("")).await;
    assert_eq!(count(&log), 2, "no configuration at all, and all");
    assert_eq!(swept.visit("p7").receipt.address, "127.0.0.1:1007");
    sweep(at_ports(), asked("UserKnownHostsFile /none/%p\n")).await;
    assert_eq!(count(&log), 51, "each by itself");

    let config = asked("Host h*\n HostName %h.example.invalid\n");
    let swept = sweep(targets(), config).await;
    assert_eq!(count(&log), 51, "each by itself");
    assert_eq!(swept.visit("h7.invalid").receipt.address, "h7.invalid.example.invalid:22");
}

/// Names of files with blanks and tokens; what cannot be followed is said, and never taken for nothing where that would be lax.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_files_in_the_configuration() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let known = keys.path("my known hosts");
    fs::write(&known, format!("[127.0.0.1]:{} {}\n", sshd.port, keys.public("host"))).unwrap();
    fs::copy(keys.path("user"), keys.path("my key")).unwrap();
    fs::write(keys.path("revoked"), keys.public("user")).unwrap();
    let text = format!(
        "User {}\nUserKnownHostsFile /none \"{}\"\nGlobalKnownHostsFile none\nIdentityFile \"~/my key\"\nIdentityFile ~/%q\n\
         IdentityFile ${{NOT_SET}}/k\nRevokedHostKeys ~/revoked\nBindInterface lo\nKnownHostsCommand /bin/true\n",
        user(),
        known.display()
    );
    let targets = || vec![target("a", sshd.port)];
    let swept = sweep(targets(), configured(&keys, &text)).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);

    let pack = || Arc::new(Pack::parse(PACK).unwrap());
    let sweep = Sweep::start(targets(), pack(), configured(&keys, &text), Default::default()).await.unwrap();
    let notes = sweep.notes().join("\n");
    for said in [
        "`IdentityFile ~/%q` is passed over: the token %q",
        "`IdentityFile ${NOT_SET}/k` is passed over: ${NOT_SET} is not set",
        "`bindinterface lo`",
        "`knownhostscommand /bin/true`",
    ] {
        assert!(notes.contains(said), "{said} is not in: {notes}");
    }
    let strict = text.replace("~/revoked", "~/%q");
    let refused = Sweep::start(targets(), pack(), configured(&keys, &strict), Default::default()).await;
    assert!(refused.err().unwrap().to_string().contains("RevokedHostKeys ~/%q: the token"));
    let strict = text.replace("~/revoked", "~/not-there");
    let refused = Sweep::start(targets(), pack(), configured(&keys, &strict), Default::default()).await;
    assert!(refused.err().unwrap().to_string().contains("not-there"));
}

/// Names of files, jump hosts and agents, as ssh_config(5) lets them depend on the host, this machine and the account.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_variables_lead_to_keys_and_jump_hosts() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let (gate, host) = (keys.sshd(""), keys.sshd(""));
    know(&keys, &["gate", "web"]);
    let text = format!(
        "Host gate-of-web\n HostName 127.0.0.1\n Port {}\n HostKeyAlias gate\n IdentityFile ${{KEYS}}/user\n\
         Host web\n HostName 127.0.0.1\n Port {}\n HostKeyAlias web\n ProxyJump gate-of-%n\n IdentityFile ~/%k-%j-%i-%L\n{}",
        gate.port,
        host.port,
        base(&keys).replace(&format!("IdentityFile {}", keys.path("user").display()), "IdentityFile none")
    );
    fs::copy(keys.path("user"), keys.path("web-gate-of-web-77-desk")).unwrap();
    let config = || {
        let mut config = configured(&keys, &text);
        let place = keys.path("").display().to_string();
        config.ssh.variable = Some(Arc::new(move |name| (name == "KEYS").then(|| place.clone())));
        (config.ssh.local_uid, config.ssh.local_host) = (77, "desk.lan".into());
        config
    };
    let swept = sweep(vec![named("web")], config()).await;
    let visit = swept.visit("web");
    assert_eq!(visit.outcome.kind, Kind::Ok, "{:?}", visit.outcome);
    assert_eq!(visit.receipt.address, format!("127.0.0.1:{} via 127.0.0.1:{}", host.port, gate.port));
    // As a flag, too: ssh -J knows them as well.
    let mut flagged = config();
    flagged.ssh.jump = Some("gate-of-%n".into());
    let swept = sweep(vec![named("web")], flagged).await;
    assert_eq!(swept.kind("web"), Kind::Ok, "{:?}", swept.visit("web").outcome);

    let wrong = text.replace("gate-of-%n", "gate-of-%l");
    let pack = Arc::new(Pack::parse(PACK).unwrap());
    let started = Sweep::start(vec![named("web")], pack, configured(&keys, &wrong), Default::default()).await;
    assert!(started.err().unwrap().to_string().contains("the token %l is not known there"));
}

/// OpenSSH's own ProxyCommand with the same tokens says the same to its server.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_command_has_the_tokens_that_openssh_gives_it() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let text = |to: &str| {
        let out = keys.path(to);
        format!(
            "Host web\n HostName %h.lan\n Port 2222\n ProxyCommand sh -c 'echo %h %n %p %r %% > {}; echo done'\n{}",
            out.display(),
            base(&keys)
        )
    };
    let swept = sweep(vec![named("web")], configured(&keys, &text("ours"))).await;
    assert_ne!(swept.kind("web"), Kind::Ok);
    let file = keys.path("openssh_config");
    fs::write(&file, text("theirs")).unwrap();
    let ssh = std::process::Command::new("ssh").arg("-F").arg(&file).args(["web", "true"]).output().unwrap();
    assert!(!ssh.status.success());
    let said = |name: &str| fs::read_to_string(keys.path(name)).unwrap();
    assert_eq!(said("ours"), format!("web.lan web 2222 {} %\n", user()));
    assert_eq!(said("ours"), said("theirs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_reached_from_the_address_that_is_configured() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("LogLevel VERBOSE");
    know(&keys, &[&format!("[127.0.0.1]:{}", sshd.port)]);
    let text = |from: &str| format!("BindAddress {from}\n{}", base(&keys));
    let swept = sweep(vec![target("a", sshd.port)], configured(&keys, &text("127.0.0.9"))).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?}", swept.visit("a").outcome);
    assert!(sshd.log_lines("Connection from 127.0.0.9 ") == 1, "{}", sshd.log());
    // TEST-NET: no machine has it.
    let swept = sweep(vec![target("a", sshd.port)], configured(&keys, &text("192.0.2.1"))).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!((outcome.kind, outcome.phase), (Kind::Unreachable, Some(Phase::Connect)));
    assert!(outcome.detail.contains("BindAddress 192.0.2.1: "), "{outcome:?}");
}

/// `ssh -G` has filled in this one's tokens already, and a name that starts with `$` is a variable's.
#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_where_the_configuration_says() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let place = keys.path("").display().to_string();
    let notes = async |agent: &str| {
        let mut config = configured(&keys, &format!("IdentityAgent {agent}\n{}", base(&keys)));
        let of_test = place.clone();
        config.ssh.variable = Some(Arc::new(move |name| (name == "SOCK").then(|| format!("{of_test}/sock"))));
        let pack = Arc::new(Pack::parse(PACK).unwrap());
        let sweep = Sweep::start(vec![target("a", 1)], pack, config, Default::default()).await.unwrap();
        sweep.notes().join("\n")
    };
    let said = notes(&format!("{place}/a%%b-%r")).await;
    assert!(said.contains(&format!("no ssh-agent at {place}/a%b-{}: ", user())), "{said}");
    let said = notes("$SOCK").await;
    assert!(said.contains(&format!("no ssh-agent at {place}/sock: ")), "{said}");
    assert!(!notes("$NOT_SET").await.contains("ssh-agent"));
}

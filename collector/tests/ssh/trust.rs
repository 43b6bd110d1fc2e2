//! Whom we believe: new keys, certificates, revocations, against real servers.

use crate::harness::*;
use herdiff_collector::ssh::{HostKeyPolicy, OpenSsh};
use herdiff_model::outcome::HostOutcomeKind as Kind;
use std::fs;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn new_hosts_are_added_and_changed_ones_refused() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let mut config = keys.config(&[]);
    let known = keys.path("fresh/known_hosts");
    config.ssh.known_hosts = vec![known.clone()];
    config.ssh.host_keys = HostKeyPolicy::AcceptNew;
    // Many hosts at one place: the first adds it, the others find it.
    let targets = |n: usize| (0..n).map(|n| target(&format!("h{n}"), sshd.port)).collect::<Vec<_>>();
    let swept = sweep(targets(8), config.clone()).await;
    assert!(swept.visits.values().all(|(visit, _)| visit.outcome.kind == Kind::Ok), "{:?}", swept.visits);
    let line = format!("[127.0.0.1]:{} {}\n", sshd.port, keys.public("host"));
    assert_eq!(fs::read_to_string(&known).unwrap(), line);
    assert_eq!(sweep(targets(1), config.clone()).await.kind("h0"), Kind::Ok);
    assert_eq!(fs::read_to_string(&known).unwrap(), line);

    keys.make("other", &["-t", "ed25519", "-N", ""]);
    fs::write(&known, format!("[127.0.0.1]:{} {}\n", sshd.port, keys.public("other"))).unwrap();
    let swept = sweep(targets(1), config.clone()).await;
    let outcome = &swept.visit("h0").outcome;
    assert_eq!(outcome.kind, Kind::HostKeyChanged);
    assert_eq!(outcome.detail.matches("SHA256:").count(), 2, "both fingerprints: {outcome:?}");

    // A host that is known by a key of another kind is not new.
    keys.make("ecdsa", &["-t", "ecdsa", "-N", ""]);
    fs::write(&known, format!("[127.0.0.1]:{} {}\n", sshd.port, keys.public("ecdsa"))).unwrap();
    assert_eq!(sweep(targets(1), config.clone()).await.kind("h0"), Kind::HostKeyUnknown);

    config.ssh.known_hosts = vec!["/proc/1/nowhere/known_hosts".into()];
    let swept = sweep(targets(1), config).await;
    assert!(
        swept.visit("h0").outcome.detail.contains("cannot be written to"),
        "{:?}",
        swept.visit("h0").outcome
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_may_accept_new_hosts_and_hash_their_names() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let known = keys.path("hashed");
    let text = format!(
        "Host *\n StrictHostKeyChecking no\n HashKnownHosts yes\n UserKnownHostsFile {}\n GlobalKnownHostsFile none\n",
        known.display()
    );
    let file = keys.path("ssh_config");
    fs::write(&file, text).unwrap();
    let mut config = keys.config(&[]);
    config.ssh.known_hosts.clear();
    config.ssh.openssh =
        Some(OpenSsh { program: "/usr/bin/ssh".into(), config: Some(file.clone()), files: vec![file] });
    assert_eq!(sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"), Kind::Ok);
    let text = fs::read_to_string(&known).unwrap();
    assert!(text.starts_with("|1|") && text.lines().count() == 1, "{text}");
    // ssh-keygen finds it, and so do we.
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let found = Command::new("ssh-keygen").args(["-F", &name, "-f"]).arg(&known).output().unwrap();
    assert!(found.status.success() && !found.stdout.is_empty());
    assert_eq!(sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"), Kind::Ok);
    assert_eq!(fs::read_to_string(&known).unwrap(), text);
    // `no` is not blind.
    keys.make("other", &["-t", "ed25519", "-N", ""]);
    fs::write(&known, format!("{name} {}\n", keys.public("other"))).unwrap();
    assert_eq!(sweep(vec![target("a", sshd.port)], config).await.kind("a"), Kind::HostKeyChanged);
}

/// A host certificate by the authority `ca`.
fn certify(keys: &Keys, key: &str, more: &[&str]) {
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(keys.path("ca"))
        .args(["-I", "test"])
        .args(more)
        .arg(keys.path(&format!("{key}.pub")))
        .status();
    assert!(signed.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn host_certificates() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    keys.make("ca", &["-t", "ed25519", "-N", ""]);
    let cases: &[(&str, &[&str], Kind, &str)] = &[
        ("good", &["-h", "-n", "web,127.0.0.1", "-V", "-1h:+1h"], Kind::Ok, ""),
        ("wild", &["-h", "-n", "127.*"], Kind::Ok, ""),
        ("any", &["-h"], Kind::Ok, ""),
        ("late", &["-h", "-n", "127.0.0.1", "-V", "-2h:-1h"], Kind::HostKeyUnknown, "has expired"),
        ("early", &["-h", "-n", "127.0.0.1", "-V", "+1h:+2h"], Kind::HostKeyUnknown, "not valid yet"),
        ("else", &["-h", "-n", "db"], Kind::HostKeyUnknown, "it is for \"db\", not for \"127.0.0.1\""),
        ("option", &["-h", "-O", "critical:odd@example.org=x"], Kind::HostKeyUnknown, "critical option"),
    ];
    for (name, more, kind, why) in cases {
        keys.make(name, &["-t", "ed25519", "-N", ""]);
        certify(&keys, name, more);
        let path = keys.path(name);
        // The server's first key is not the one of the certificate, and is not known either.
        let sshd = keys.sshd(&format!("HostKey {0}\nHostCertificate {0}-cert.pub", path.display()));
        let config = keys.config(&[]);
        let known = |text: String| fs::write(&config.ssh.known_hosts[0], text).unwrap();
        known(format!("@cert-authority [127.*]:* {}\n", keys.public("ca")));
        let swept = sweep(vec![target("a", sshd.port)], config.clone()).await;
        let outcome = &swept.visit("a").outcome;
        assert_eq!(outcome.kind, *kind, "{name}: {outcome:?}");
        assert!(outcome.detail.contains(why), "{name}: {outcome:?}");
        if *name == "good" {
            // An authority for other hosts, another authority, and one that is revoked.
            known(format!("@cert-authority *.lan {}\n", keys.public("ca")));
            assert_eq!(
                sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"),
                Kind::HostKeyUnknown
            );
            known(format!("@cert-authority [127.*]:* {}\n", keys.public("user")));
            assert_eq!(
                sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"),
                Kind::HostKeyUnknown
            );
            let revoked = format!("@cert-authority * {0}\n@revoked * {0}\n", keys.public("ca"));
            known(revoked);
            assert_eq!(
                sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"),
                Kind::HostKeyRevoked
            );
            // The key itself may be known, whoever signed it.
            let plain = format!("[127.0.0.1]:{} {}\n", sshd.port, keys.public("good"));
            known(plain + &format!("@cert-authority [127.*]:* {}\n", keys.public("user")));
            assert_eq!(sweep(vec![target("a", sshd.port)], config).await.kind("a"), Kind::Ok);
        }
    }
    // Certificates of other kinds of keys and authorities.
    for (kind, authority) in [("ecdsa", "ecdsa"), ("rsa", "rsa")] {
        let _ = fs::remove_file(keys.path("ca"));
        keys.make("ca", &["-t", authority, "-N", ""]);
        keys.make(kind, &["-t", kind, "-N", ""]);
        certify(&keys, kind, &["-h", "-n", "127.0.0.1"]);
        let path = keys.path(kind);
        let sshd = keys.sshd(&format!("HostKey {0}\nHostCertificate {0}-cert.pub", path.display()));
        let config = keys.config(&[]);
        let text = format!("@cert-authority [127.0.0.1]:* {}\n", keys.public("ca"));
        fs::write(&config.ssh.known_hosts[0], text).unwrap();
        let swept = sweep(vec![target("a", sshd.port)], config).await;
        assert_eq!(swept.kind("a"), Kind::Ok, "{kind}: {:?}", swept.visit("a").outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_host_keys_of_the_configuration() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let (list, file) = (keys.path("revoked"), keys.path("ssh_config"));
    fs::write(&file, format!("RevokedHostKeys {}\n", list.display())).unwrap();
    let mut config = keys.config(&[sshd.port]);
    config.ssh.openssh =
        Some(OpenSsh { program: "/usr/bin/ssh".into(), config: Some(file.clone()), files: vec![file] });
    fs::write(&list, format!("# none yet\n{}\n", keys.public("user"))).unwrap();
    assert_eq!(sweep(vec![target("a", sshd.port)], config.clone()).await.kind("a"), Kind::Ok);
    fs::write(&list, keys.public("host")).unwrap();
    assert_eq!(sweep(vec![target("a", sshd.port)], config).await.kind("a"), Kind::HostKeyRevoked);
}

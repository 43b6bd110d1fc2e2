//! Becoming root: real sudo and doas, with a user of this test's own. Needs root, as only that can make the user.

use crate::harness::*;
use herdiff_collector::delivery::{Account, Privilege};
use herdiff_collector::ssh::Secret;
use herdiff_collector::sweep::SweepConfig;
use herdiff_model::outcome::HostOutcomeKind as Kind;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

const RIGHT: &str = "pa ss'w\\ord$1";

/// What these tests need and a machine may lack.
fn ground_is_there(program: &str) -> bool {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let there = Path::new("/usr/bin").join(program).exists();
    let missing = match (root, there) {
        (true, true) => return sshd_is_there(),
        (false, _) => "becoming root: needs root to make a user".to_owned(),
        (true, false) => format!("becoming root: {program} is not there (apt-get install {program})"),
    };
    assert!(std::env::var_os("CI").is_none() || !root, "{missing}");
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
    false
}

/// A user with a password; gone with the test.
struct User {
    name: String,
    rule: std::path::PathBuf,
}

impl User {
    fn new(name: &str, rule: &str, file: &str) -> Self {
        let name = format!("hdt-{name}-{}", std::process::id());
        let made = Command::new("useradd").args(["-M", "-d", "/tmp", "-s", "/bin/sh", &name]).status();
        assert!(made.unwrap().success());
        let user = Self { rule: file.replace("NAME", &name).into(), name };
        let mut set = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(set.stdin.take().unwrap(), "{}:{RIGHT}", user.name).unwrap();
        assert!(set.wait().unwrap().success());
        let before = fs::read_to_string(&user.rule).unwrap_or_default();
        fs::write(&user.rule, before + &rule.replace("NAME", &user.name)).unwrap();
        fs::set_permissions(&user.rule, std::os::unix::fs::PermissionsExt::from_mode(0o440)).unwrap();
        user
    }

    fn config(&self, keys: &Keys, port: u16, password: Option<&str>) -> SweepConfig {
        let mut config = keys.config(&[port]);
        config.ssh.user = Some(self.name.clone());
        config.privilege = Privilege::Sudo;
        config.become_password = password.map(|text| Secret::new(Zeroizing::new(text.to_owned())));
        config
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.rule);
        let _ = Command::new("userdel").arg("-f").arg(&self.name).stderr(Stdio::null()).status();
    }
}

const SUDOERS: &str = "/etc/sudoers.d/NAME";

/// Tells who runs it, and fails where a password is in anybody's command line.
fn telling() -> herdiff_collector::delivery::ProbeBinary {
    probe(&engine().replace("\"uid\":7", "\"uid\":'$(id -u)'"))
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_with_a_password() {
    if !ground_is_there("sudo") {
        return;
    }
    let keys = Keys::new();
    let user = User::new("pw", "Defaults:NAME timestamp_timeout=0\nNAME ALL=(ALL) ALL\n", SUDOERS);
    let sshd = keys.sshd("");
    let mut config = user.config(&keys, sshd.port, Some(RIGHT));
    config.probes = vec![telling()];
    let swept = sweep((0..5).map(|n| target(&format!("h{n}"), sshd.port)).collect(), config.clone()).await;
    for n in 0..5 {
        let visit = swept.visit(&format!("h{n}"));
        assert_eq!(visit.outcome.kind, Kind::Ok, "{:?}", visit.outcome);
        assert_eq!((visit.receipt.uid, visit.receipt.removed), (Some(0), Some(true)));
        assert!(!format!("{visit:?}").contains(RIGHT));
    }
    // As is, for comparison.
    config.privilege = Privilege::AsIs;
    let swept = sweep(vec![target("a", sshd.port)], config).await;
    assert!(swept.visit("a").receipt.uid.is_some_and(|uid| uid > 0), "{:?}", swept.visit("a"));

    let swept = sweep(vec![target("a", sshd.port)], user.config(&keys, sshd.port, Some("wrong"))).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!((outcome.kind, outcome.detail.as_str()), (Kind::BecomeFailed, "sudo refused the password"));
    assert_eq!(swept.visit("a").receipt.placed, "");

    let swept = sweep(vec![target("a", sshd.port)], user.config(&keys, sshd.port, None)).await;
    let outcome = &swept.visit("a").outcome;
    assert_eq!(outcome.kind, Kind::BecomeFailed);
    assert!(outcome.detail.contains("a password is required"), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_for_sudo_is_not_tried_everywhere() {
    if !ground_is_there("sudo") {
        return;
    }
    let keys = Keys::new();
    let user = User::new("all", "NAME ALL=(ALL) ALL\n", SUDOERS);
    let sshd = keys.sshd("");
    let targets = (0..8).map(|n| target(&format!("h{n}"), sshd.port)).collect();
    let swept = sweep(targets, user.config(&keys, sshd.port, Some("wrong"))).await;
    let count =
        |part: &str| swept.visits.values().filter(|(visit, _)| visit.outcome.detail.contains(part)).count();
    assert_eq!(
        (count("sudo refused the password"), count("not tried: 3 hosts")),
        (3, 5),
        "{:?}",
        swept.visits
    );
}

/// A password that is there and not needed must not end up in what the script reads.
#[tokio::test(flavor = "multi_thread")]
async fn sudo_that_asks_for_nothing_and_sudo_that_allows_nothing() {
    if !ground_is_there("sudo") {
        return;
    }
    let keys = Keys::new();
    let user = User::new("np", "NAME ALL=(ALL) NOPASSWD: ALL\n", SUDOERS);
    let sshd = keys.sshd("");
    for password in [None, Some(RIGHT)] {
        let mut config = user.config(&keys, sshd.port, password);
        config.probes = vec![telling()];
        let swept = sweep(vec![target("a", sshd.port)], config).await;
        let visit = swept.visit("a");
        assert_eq!((visit.outcome.kind, visit.receipt.uid), (Kind::Ok, Some(0)), "{:?}", visit.outcome);
    }
    let other = User::new("no", "", SUDOERS);
    for password in [None, Some(RIGHT)] {
        let swept = sweep(vec![target("a", sshd.port)], other.config(&keys, sshd.port, password)).await;
        let outcome = &swept.visit("a").outcome;
        assert_eq!(outcome.kind, Kind::BecomeFailed, "{outcome:?}");
    }
    // Whoever is root already needs no sudo.
    let mut config = keys.config(&[sshd.port]);
    config.privilege = Privilege::Doas;
    let mut root = target("a", sshd.port);
    root.privilege = Some(Privilege::Sudo);
    assert_eq!(sweep(vec![root], config).await.kind("a"), Kind::Ok);
    // Root may become anybody; what the inventory says of a host comes first.
    let mut config = keys.config(&[sshd.port]);
    (config.privilege, config.probes) = (Privilege::Sudo, vec![telling()]);
    config.become_user = Account::parse(&user.name).ok();
    let mut root = target("root", sshd.port);
    root.become_user = Account::parse("root").ok();
    let swept = sweep(vec![target("other", sshd.port), root], config).await;
    assert_eq!(swept.kind("other"), Kind::Ok, "{:?}", swept.visit("other").outcome);
    assert!(swept.visit("other").receipt.uid.is_some_and(|uid| uid > 0));
    assert_eq!(swept.visit("root").receipt.uid, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn doas() {
    if !ground_is_there("doas") {
        return;
    }
    let keys = Keys::new();
    let sshd = keys.sshd("");
    let rules = "/etc/doas.conf";
    let was = fs::read(rules).ok();
    let user = User::new("doas", "permit nopass NAME\n", rules);
    let mut config = user.config(&keys, sshd.port, None);
    config.privilege = Privilege::Doas;
    config.probes = vec![telling()];
    let swept = sweep(vec![target("a", sshd.port)], config.clone()).await;
    fs::write(rules, format!("permit {}\n", user.name)).unwrap();
    let asked = sweep(vec![target("a", sshd.port)], config).await;
    drop(user);
    if let Some(was) = was {
        fs::write(rules, was).unwrap();
    }
    let visit = swept.visit("a");
    assert_eq!((visit.outcome.kind, visit.receipt.uid), (Kind::Ok, Some(0)), "{:?}", visit.outcome);
    assert_eq!(asked.kind("a"), Kind::BecomeFailed, "{:?}", asked.visit("a").outcome);
}

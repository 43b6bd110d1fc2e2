//! Encrypted bundles, with age's own `age` at the other end.

use crate::support::{Place, compromised, told};
use insta::assert_snapshot;
use std::path::Path;
use std::process::{Command, Output};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../envelope/tests/keys");

/// A bundle, and keys under short names.
fn ground() -> Place {
    let place = Place::new();
    compromised().troubled().write_sealed(&place.path("sweep.herd"));
    for name in ["ssh", "ssh.pub", "ssh-locked", "ssh-locked.pub", "rsa", "rsa.pub", "ecdsa"] {
        std::fs::copy(Path::new(KEYS).join(name), place.path(name)).unwrap();
    }
    place
}

fn lines(place: &Place, lines: &[&str]) -> String {
    let mut told = String::new();
    for line in lines {
        told +=
            &format!("$ herdiff {line}\n{}\n", place.herdiff(&line.split_whitespace().collect::<Vec<_>>()));
    }
    told
}

fn same_bytes(place: &Place, one: &str, other: &str) -> bool {
    std::fs::read(place.path(one)).unwrap() == std::fs::read(place.path(other)).unwrap()
}

fn age(place: &Place, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("age").args(arguments).current_dir(place.0.path()).output().ok();
    assert!(output.is_some() || std::env::var_os("CI").is_none(), "age is not there (Debian: age)");
    if output.is_none() {
        eprintln!("NOT TESTED: encryption with age's own program: it is not there (Debian: age)");
    }
    output
}

#[test]
fn what_is_encrypted_is_read_with_a_key_and_else_refused() {
    let place = ground();
    let mut all = lines(
        &place,
        &[
            "export sweep.herd --format herd -o x.age --recipients-file ssh.pub --recipients-file rsa.pub",
            "export sweep.herd --format herd -o x.age --recipients-file ssh.pub",
            "export sweep.herd --format csv -o x.csv --recipients-file ssh.pub",
            "export sweep.herd --format herd -o y.age --recipient age1nobody",
            "export sweep.herd --format herd -o y.age --recipients-file ssh",
            "show x.age",
            "show x.age --age-identity ssh-locked.pub",
            "show x.age --age-identity ssh-locked",
            "show x.age --age-identity ecdsa",
            "show x.age --age-identity missing",
        ],
    );
    // For somebody else.
    assert!(
        place
            .run(&[
                "export",
                "sweep.herd",
                "--format",
                "herd",
                "-o",
                "other.age",
                "--recipients-file",
                "rsa.pub"
            ])
            .status
            .success()
    );
    all += &lines(&place, &["show other.age --age-identity ssh"]);
    let whole = std::fs::read(place.path("x.age")).unwrap();
    std::fs::write(place.path("cut.age"), &whole[..whole.len() - 1]).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() - 40] ^= 1;
    std::fs::write(place.path("changed.age"), &changed).unwrap();
    let mut changed = whole;
    // The name of a recipient's kind: what a change in a random part is noticed by is random, too.
    let kind = changed.windows(11).position(|bytes| bytes == b"ssh-ed25519").unwrap();
    changed[kind + 10] ^= 1;
    std::fs::write(place.path("header.age"), &changed).unwrap();
    all += &lines(
        &place,
        &[
            "verify cut.age --age-identity ssh",
            "show changed.age --hosts --age-identity ssh",
            "outliers header.age --age-identity rsa",
            "verify cut.age --age-identity ssh --recover saved.herd",
        ],
    );
    assert_snapshot!(all);
    assert!(!place.path("y.age").exists() && !place.path("saved.herd").exists());
}

#[test]
fn every_verb_that_reads_says_the_same_of_what_is_encrypted() {
    let place = ground();
    assert!(
        place
            .run(&["export", "sweep.herd", "--format", "herd", "-o", "x.age", "--recipients-file", "rsa.pub"])
            .status
            .success()
    );
    for line in [
        "show BUNDLE",
        "show BUNDLE --hosts",
        "show BUNDLE --host web-07 --format ndjson",
        "show BUNDLE --where path='/etc/crontab'",
        "query BUNDLE SELECT\u{1}*\u{1}FROM\u{1}users --format ndjson",
        "outliers BUNDLE --format ndjson",
        "diff BUNDLE BUNDLE --format ndjson",
        "scope BUNDLE username=sysd",
        "verify BUNDLE --host web-09",
        "verify BUNDLE --content --format ndjson",
        "export BUNDLE --format ndjson -o -",
    ] {
        let run = |bundle: &str, rest: &str| {
            let line = line.replace("BUNDLE", bundle) + rest;
            let arguments: Vec<String> = line.split(' ').map(|word| word.replace('\u{1}', " ")).collect();
            let output = place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            told(&output).replace("x.age", "sweep.herd")
        };
        let plain = run("sweep.herd", "");
        assert!(!plain.contains("error:"), "{line}: {plain}");
        assert_eq!(run("x.age", " --age-identity rsa"), plain, "{line}");
    }
    assert!(
        place
            .run(&["export", "x.age", "--format", "herd", "-o", "back.herd", "--age-identity", "rsa"])
            .status
            .success()
    );
    assert!(same_bytes(&place, "back.herd", "sweep.herd"));
    // A journal as well, and what is made of several.
    compromised().write(&place.path("journal.herd"));
    assert!(
        place
            .run(&[
                "export",
                "journal.herd",
                "--format",
                "herd",
                "-o",
                "j.age",
                "--recipients-file",
                "ssh.pub"
            ])
            .status
            .success()
    );
    let merged = place.herdiff(&[
        "merge",
        "j.age",
        "x.age",
        "-o",
        "both.age",
        "--age-identity",
        "ssh",
        "--age-identity",
        "rsa",
        "--recipients-file",
        "ssh.pub",
    ]);
    assert!(merged.starts_with("exit: 0\n"), "{merged}");
    let hosts = place.herdiff(&[
        "query",
        "both.age",
        "SELECT count(*) FROM hosts",
        "--age-identity",
        "ssh",
        "--format",
        "csv",
    ]);
    assert!(hosts.contains("\n24\n"), "{hosts}");
}

#[test]
fn age_reads_ours_and_we_read_what_age_writes() {
    let place = ground();
    let made = place.run(&[
        "export",
        "sweep.herd",
        "--format",
        "herd",
        "-o",
        "ours.age",
        "--recipients-file",
        "ssh.pub",
        "--recipients-file",
        "rsa.pub",
    ]);
    assert!(made.status.success(), "{}", told(&made));
    for (key, out) in [("ssh", "one.herd"), ("rsa", "two.herd")] {
        let Some(output) = age(&place, &["-d", "-i", key, "-o", out, "ours.age"]) else { return };
        assert!(output.status.success(), "{}", told(&output));
        assert!(same_bytes(&place, out, "sweep.herd"));
    }
    age(&place, &["-e", "-R", "ssh.pub", "-R", "rsa.pub", "-o", "theirs.age", "sweep.herd"]);
    let plain = place.herdiff(&["show", "sweep.herd", "--hosts"]);
    for key in ["ssh", "rsa"] {
        assert_eq!(place.herdiff(&["show", "theirs.age", "--hosts", "--age-identity", key]), plain);
    }
    age(&place, &["-e", "-a", "-R", "ssh.pub", "-o", "text.age", "sweep.herd"]);
    assert_snapshot!(lines(&place, &["show text.age --age-identity ssh"]));
}

#[test]
fn a_sweep_can_be_encrypted_from_its_first_byte() {
    let place = ground();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hosts: String =
        (1..=9).map(|n| format!("web-{n} ansible_host=127.0.0.1 ansible_port={closed}\n")).collect();
    std::fs::write(place.path("fleet.ini"), format!("[web]\n{hosts}")).unwrap();
    let collect =
        ["collect", "-i", "fleet.ini", "-u", "ada", "-o", "today.age", "--recipients-file", "ssh.pub"];
    let output = place.run(&collect);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(std::fs::read(place.path("today.age")).unwrap().starts_with(b"age-encryption.org/v1\n"));
    let left: Vec<_> =
        std::fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
    // It is the sealed form, and whole.
    let verified = place.herdiff(&["verify", "today.age", "--content", "--age-identity", "ssh"]);
    assert!(
        verified.starts_with("exit: 0\n")
            && verified.contains("1.0, sealed")
            && verified.contains("9 snapshots"),
        "{verified}"
    );
    let seal = |text: &str| text.lines().find(|line| line.starts_with("seal")).map(str::to_owned);
    assert_eq!(seal(&told(&output)), seal(&verified));
    insta::with_settings!({filters => vec![(r"sweep-\d+T\d+Z", "sweep-[time]")]}, {
        assert_snapshot!(lines(&place, &["collect --resume today.age -i fleet.ini", "collect --resume sweep.herd -i fleet.ini --recipients-file ssh.pub"]));
    });
    assert_eq!(
        place
            .run(&[
                "collect",
                "-i",
                "fleet.ini",
                "-u",
                "ada",
                "-o",
                "again.herd",
                "--failed-from",
                "today.age",
                "--age-identity",
                "ssh"
            ])
            .status
            .code(),
        Some(4)
    );
}

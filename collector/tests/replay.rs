//! Importing saved output: what is there comes in, what is wrong is said of the query that it is about.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]

use herdiff_collector::engine::Limits;
use herdiff_collector::replay::{Replay, ReplayError};
use herdiff_model::outcome::{HostOutcomeKind, QueryFailureKind};
use herdiff_model::row::RowBatch;
use herdiff_model::visit::{Answer, Visit};
use std::fs;
use std::path::Path;

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn visits(dir: &Path, limits: Limits) -> (Vec<Visit>, Vec<String>) {
    let replay = Replay::open(dir, None, limits).unwrap();
    let notes = replay.notes().to_vec();
    (replay.visits().collect(), notes)
}

fn short(answer: &Answer) -> String {
    match answer {
        Answer::Rows { batches, .. } => format!("{} rows", batches.iter().map(RowBatch::len).sum::<usize>()),
        Answer::Failed(failure) => format!("{}: {}", failure.kind, failure.detail),
    }
}

#[test]
fn hosts_come_sorted_with_an_answer_for_each_query() {
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("web");
    write(
        &saved,
        &[
            ("web-2/users.json", "[\n  {\"uid\":\"0\"},\n  {\"uid\":\"1\"}\n]\n"),
            ("web-2/crontab.json", "[\n\n]\n"),
            ("web-1/users.json", "[{\"uid\":\"0\"}"),
            ("web-1/notes.txt", ""),
            ("README", "not a host"),
        ],
    );
    let (visits, notes) = visits(&saved, Limits::default());
    let hosts: Vec<_> = visits.iter().map(|visit| visit.host.as_str()).collect();
    assert_eq!(hosts, ["web-1", "web-2"]);
    assert_eq!(visits[0].herd.as_str(), "web");
    assert_eq!(visits[0].outcome.kind, HostOutcomeKind::Partial);
    assert_eq!(short(&visits[0].answers[0]), "not-run: there is no file crontab.json");
    assert!(short(&visits[0].answers[1]).starts_with("malformed: EOF"), "{:?}", visits[0].answers[1]);
    assert_eq!(visits[1].outcome.kind, HostOutcomeKind::Ok);
    assert_eq!(visits[1].answers.iter().map(short).collect::<Vec<_>>(), ["0 rows", "2 rows"]);
    assert!(visits[1].receipt.started.0 > 0 && visits[1].receipt.bytes_received > 20);
    assert_eq!(notes, ["passed over \"notes.txt\" of \"web-1\": not <query>.json"]);
}

#[test]
fn a_pack_says_what_belongs_there() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            (
                "pack.conf",
                "# ours\n{\"queries\":{\"users\":{\"query\":\"SELECT 1\"},\"mac\":{\"query\":\"x\",\"platform\":\"darwin\"}}}",
            ),
            ("a/users.json", "[]"),
            ("a/other.json", "[]"),
        ],
    );
    let (visits, notes) = visits(dir.path(), Limits::default());
    assert_eq!(visits[0].outcome.kind, HostOutcomeKind::Ok);
    assert_eq!(short(&visits[0].answers[1]), "not-asked: there is no file mac.json");
    assert_eq!(notes, ["not in pack.conf, so passed over: \"other\" (of 1 hosts)"]);
    write(dir.path(), &[("pack.conf", "{")]);
    assert!(matches!(Replay::open(dir.path(), None, Limits::default()), Err(ReplayError::Pack { .. })));
}

#[test]
fn hostile_directories_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), &[("users.json", "[{\"secret\":\"1\"}]")]);
    write(dir.path(), &[("h/groups.json", "[]"), ("h/big.json", &format!("[{}]", " ".repeat(500)))]);
    let link = |to: &Path, at: &str| std::os::unix::fs::symlink(to, dir.path().join(at)).unwrap();
    link(outside.path(), "linked");
    link(&outside.path().join("users.json"), "h/users.json");
    fs::create_dir(dir.path().join("bad\nname")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(dir.path().join("h/pipe.json")).status().unwrap();
    assert!(fifo.success());
    let (visits, notes) = visits(dir.path(), Limits { answer_bytes: 100, ..Limits::default() });
    assert_eq!(visits.len(), 1);
    let answers: Vec<_> = visits[0].answers.iter().map(short).collect();
    assert_eq!(
        answers,
        [
            "output-limit: the file is longer than 100 bytes",
            "0 rows",
            "malformed: it is not a plain file",
            "malformed: symbolic links are not followed"
        ]
    );
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn nothing_to_import_is_an_error_that_says_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let error = Replay::open(dir.path(), None, Limits::default()).unwrap_err().to_string();
    assert!(error.contains("<host>/<query>.json"), "{error}");
    let error = Replay::open(&dir.path().join("gone"), None, Limits::default()).unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn bytes_of_real_osqueryi_output_come_back_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("h")).unwrap();
    fs::write(dir.path().join("h/file.json"), b"[\n  {\"filename\":\"caf\xe9\\u001b[31m\"}\n]\n").unwrap();
    let (visits, _) = visits(dir.path(), Limits::default());
    let Answer::Rows { batches, .. } = &visits[0].answers[0] else { panic!("{:?}", visits[0].answers) };
    assert_eq!(batches[0].rows().next().unwrap().get("filename").unwrap(), &b"caf\xe9\x1b[31m"[..]);
    assert!(!matches!(&visits[0].answers[0], Answer::Failed(f) if f.kind == QueryFailureKind::Malformed));
}

/// Measures; run with `cargo test --release -p herdiff-collector --test replay -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn throughput() {
    let dir = tempfile::tempdir().unwrap();
    let (hosts, rows) = (100, 3000);
    let mut bytes = 0;
    for host in 0..hosts {
        let mut text = String::from("[\n");
        for row in 0..rows {
            text += &format!(
                "  {{\"cmdline\":\"/usr/sbin/service --number {row} --host {host}\",\"name\":\"service{row}\",\"on_disk\":\"1\",\"parent\":\"1\",\"path\":\"/usr/sbin/service\",\"pid\":\"{row}\",\"uid\":\"0\"}}{}\n",
                if row + 1 < rows { "," } else { "" }
            );
        }
        text += "]\n";
        bytes += text.len();
        write(dir.path(), &[(&format!("host-{host:04}/processes.json"), text.as_str())]);
    }
    let start = std::time::Instant::now();
    let (visits, _) = visits(dir.path(), Limits::default());
    let took = start.elapsed().as_secs_f64();
    assert_eq!(visits.len(), hosts);
    println!("{bytes} bytes in {took:.3} s: {:.0} MB/s", bytes as f64 / 1e6 / took);
    let text = fs::read(dir.path().join("host-0000/processes.json")).unwrap();
    let start = std::time::Instant::now();
    let one = tempfile::tempdir().unwrap();
    fs::create_dir(one.path().join("h")).unwrap();
    fs::write(one.path().join("h/processes.json"), &text).unwrap();
    let (visits, _) = self::visits(one.path(), Limits::default());
    assert_eq!(visits.len(), 1);
    let took = start.elapsed().as_secs_f64();
    println!(
        "one host: {} bytes in {:.2} ms: {:.0} MB/s on one core",
        text.len(),
        took * 1e3,
        text.len() as f64 / 1e6 / took
    );
}

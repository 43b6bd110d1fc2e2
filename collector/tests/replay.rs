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

fn line(host: &str, name: &str, time: u64, counter: u64, action: &str, row: &str) -> String {
    format!(
        r#"{{"name":"{name}","hostIdentifier":"{host}","calendarTime":"x","unixTime":{time},"epoch":0,"counter":{counter},"numerics":false,"columns":{row},"action":"{action}"}}"#
    ) + "\n"
}

/// Hosts with their answers, and each row.
fn states(path: &Path) -> (Vec<String>, Vec<String>) {
    let (visits, notes) = visits(path, Limits::default());
    let mut said = Vec::new();
    for visit in visits {
        for (n, answer) in visit.answers.iter().enumerate() {
            let rows = match answer {
                Answer::Failed(failure) => failure.kind.to_string(),
                Answer::Rows { batches, unread, .. } => {
                    let rows = batches.iter().flat_map(RowBatch::rows);
                    let rows: Vec<_> = rows
                        .map(|row| row.cells().map(|c| c.to_string()).collect::<Vec<_>>().join(","))
                        .collect();
                    format!("{}{}", rows.join(" "), if unread.is_empty() { "" } else { " …" })
                }
            };
            said.push(format!("{} {n} {}: {rows}", visit.host, visit.outcome.kind));
        }
    }
    (said, notes)
}

#[test]
fn a_differential_log_gives_the_state_at_its_end() {
    let place = tempfile::tempdir().unwrap();
    let log = [
        line("web-1", "pack_it_users", 10, 0, "added", r#"{"uid":"0","name":"root"}"#),
        line("web-1", "pack_it_users", 10, 0, "added", r#"{"name":"eve","uid":"7"}"#),
        line("web-2", "pack_it_users", 11, 5, "added", r#"{"uid":"8","name":"bob"}"#),
        line("web-1", "pack_it_users", 20, 1, "removed", r#"{"uid":"7","name":"eve"}"#),
        line("web-1", "pack_it_users", 20, 1, "added", r#"{"uid":"9","name":"mallory"}"#),
        line("web-2", "pack_it_users", 12, 6, "removed", r#"{"uid":"1","name":"never seen"}"#),
    ];
    write(place.path(), &[("osqueryd.results.log", &log.concat())]);
    let (said, notes) = states(place.path());
    // The second host's log starts in the middle: more users may be there.
    assert_eq!(said, ["web-1 0 ok: mallory,9 root,0", "web-2 0 ok: bob,8 …"]);
    assert_eq!(notes, [] as [&str; 0]);
    // A new epoch starts with everything that is there.
    let restarted = line("web-1", "pack_it_users", 30, 0, "added", r#"{"uid":"0","name":"root"}"#);
    let restarted = log.concat() + &restarted.replace(r#""epoch":0"#, r#""epoch":1"#);
    write(place.path(), &[("osqueryd.results.log", &restarted)]);
    assert_eq!(states(place.path()).0, ["web-1 0 ok: root,0", "web-2 0 ok: bob,8 …"]);
    assert_eq!(
        states(&place.path().join("osqueryd.results.log")).0,
        states(place.path()).0,
        "a file by itself"
    );
}

#[test]
fn a_counter_that_starts_anew_within_an_epoch_makes_nothing_absent() {
    let place = tempfile::tempdir().unwrap();
    let user = |time, counter, action: &str, uid: u32| {
        line("web-1", "users", time, counter, action, &format!(r#"{{"uid":"{uid}"}}"#))
    };
    let known = user(10, 0, "added", 0) + &user(10, 0, "added", 1);
    let state = |log: &str| {
        write(place.path(), &[("osqueryd.results.log", log)]);
        states(place.path()).0.remove(0)
    };
    assert_eq!(state(&known), "web-1 0 ok: 0 1");
    // osqueryd lost its memory and tells everything, or (before 5.8) its query is another one and it tells what changed.
    assert_eq!(state(&(known.clone() + &user(20, 0, "added", 2))), "web-1 0 ok: 2 …");
    // A row that went was there before, so this is no beginning, line by line or all at once.
    let changed = user(20, 0, "removed", 1) + &user(20, 0, "added", 2);
    assert_eq!(state(&(known.clone() + &changed)), "web-1 0 ok: 0 2");
    let batch = r#"{"name":"users","hostIdentifier":"web-1","unixTime":20,"epoch":0,"counter":0,"diffResults":{"removed":[{"uid":"1"}],"added":[{"uid":"2"}]}}"#;
    assert_eq!(state(&(known + batch)), "web-1 0 ok: 0 2");
    assert_eq!(state(batch), "web-1 0 ok: 2 …");
}

#[test]
fn snapshots_batches_and_rotated_logs() {
    let place = tempfile::tempdir().unwrap();
    let old = r#"{"name":"users","hostIdentifier":"web-1","unixTime":10,"epoch":1,"counter":0,"diffResults":{"added":[{"uid":"0"},{"uid":"1"}],"removed":[]}}"#;
    let new = r#"{"name":"users","hostIdentifier":"web-1","unixTime":20,"epoch":1,"counter":1,"diffResults":{"added":[],"removed":[{"uid":"1"}]}}"#;
    let snapshots = concat!(
        r#"{"action":"snapshot","snapshot":[{"n":"a"}],"name":"mods","hostIdentifier":"web-1","unixTime":5}"#,
        "\n",
        r#"{"action":"snapshot","snapshot":[{"n":"b"},{"n":"b"}],"name":"mods","hostIdentifier":"web-1","unixTime":25}"#,
        "\n",
        r#"{"action":"snapshot","snapshot":[],"name":"empty","hostIdentifier":"web-1","unixTime":25}"#,
        "\n",
        r#"{"action":"snapshot","columns":{"n":"x"},"name":"rows","hostIdentifier":"web-1","unixTime":24}"#,
        "\n",
        r#"{"action":"snapshot","columns":{"n":"y"},"name":"rows","hostIdentifier":"web-1","unixTime":25}"#,
        "\n",
        r#"{"action":"snapshot","columns":{"n":"z"},"name":"rows","hostIdentifier":"web-1","unixTime":25}"#,
        "\n",
    );
    write(
        place.path(),
        &[
            ("osqueryd.results.log.1", old),
            ("osqueryd.results.log", new),
            ("osqueryd.snapshots.log", snapshots),
        ],
    );
    let (said, notes) = states(place.path());
    assert_eq!(
        said,
        ["web-1 0 ok: ", "web-1 1 ok: b b", "web-1 2 ok: y z", "web-1 3 ok: 0"],
        "empty, mods, rows, users"
    );
    assert_eq!(notes, [] as [&str; 0]);
}

#[test]
fn a_pack_beside_a_log_names_its_queries() {
    let place = tempfile::tempdir().unwrap();
    let log = line("web-1", "pack_incident_response_logged_in_users", 1, 0, "added", r#"{"user":"ada"}"#)
        + &line("web-1", "pack_incident_response_other", 1, 0, "added", r#"{"x":"1"}"#);
    let pack = r#"{"queries":{"logged_in_users":{"query":"SELECT 1"},"users":{"query":"SELECT 1"}}}"#;
    write(place.path(), &[("results.log", &log), ("pack.conf", pack)]);
    let (said, notes) = states(place.path());
    // A query without a line may have run and found nothing, or not have run.
    assert_eq!(said, ["web-1 0 partial: ada", "web-1 1 partial: not-run"]);
    assert_eq!(
        notes,
        ["not in pack.conf, so passed over: \"pack_incident_response_other\", of 1 queries of the log"]
    );
}

#[test]
fn odd_lines_of_a_log_are_counted_and_nothing_else_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let mut log = b"garbage\n{}\n".to_vec();
    log.extend(line("web-1", "users", 9, 0, "added", r#"{"uid":"0"}"#).into_bytes());
    log.extend(line("web-1", "users", 3, 0, "added", r#"{"uid":"1"}"#).into_bytes());
    log.extend(line("../\\u0000", "users", 9, 0, "added", r#"{"uid":"2"}"#).into_bytes());
    log.extend(
        line("web-2", "users", 9, 0, "added", "{\"uid\":\"caf\u{e9}\"}").replace('\u{e9}', "?").into_bytes(),
    );
    if let Some(byte) = log.iter_mut().rev().find(|byte| **byte == b'?') {
        *byte = 0xff;
    }
    log.extend(b"{\"name\":\"users\",\"hostIdent");
    std::fs::write(place.path().join("x.log"), log).unwrap();
    let (said, notes) = states(place.path());
    assert_eq!(said, ["web-1 0 ok: 0", "web-2 0 ok: caf\u{fffd}"]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("5 lines passed over; the first is line 1: expected value"), "{notes:?}");
    assert!(notes[1].contains("1 lines hold bytes that are not UTF-8"), "{notes:?}");
    write(place.path(), &[("x.log", "nothing\n")]);
    assert!(matches!(
        Replay::open(place.path(), None, Limits::default()),
        Err(ReplayError::NoResults { .. })
    ));
}

#[test]
fn a_log_that_never_ends_a_query_is_cut() {
    let place = tempfile::tempdir().unwrap();
    let log: String = (0..9).map(|n| line("h", "q", 1, 0, "added", &format!(r#"{{"n":"{n}"}}"#))).collect();
    write(place.path(), &[("x.log", &log)]);
    let (visits, _) = visits(place.path(), Limits { rows: 4, ..Limits::default() });
    let Answer::Rows { batches, cut, .. } = &visits[0].answers[0] else { panic!() };
    assert_eq!((batches[0].len(), cut.as_deref()), (4, Some("rows")));
}

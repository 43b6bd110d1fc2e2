//! `herdiff query`, and `herdiff show --where`: questions to an old sweep.

use crate::support::{Fleet, Place, catches_interrupts, compromised};
use insta::assert_snapshot;

#[test]
fn questions_and_answers() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    let mut told = String::new();
    for arguments in [
        &[][..],
        &["SELECT * FROM users WHERE uid = 0 AND username <> 'root'"],
        &["SELECT name, count(*) AS hosts FROM kernel_modules GROUP BY name", "--format", "ndjson"],
        &[
            "SELECT uid, NULL AS missing, username FROM users WHERE host = 'web-09' ORDER BY uid DESC",
            "--format",
            "json",
        ],
        &["SELECT '=cmd' AS a, 'x,y' AS b", "--format", "csv"],
        &["SELECT * FROM users WHERE 0"],
        &["SELECT * FROM users WHERE 0", "--format", "json"],
        &["SELECT * FROM passwd"],
        &["SELECT shell FROM users"],
        &["DROP TABLE users"],
        &["SELECT 1; SELECT 2"],
        &["SELECT", "--format", "csv"],
    ] {
        told += &format!("$ herdiff query sweep.herd {arguments:?}\n");
        told += &place.herdiff(&[&["query", "sweep.herd"], arguments].concat());
        told += "\n";
    }
    assert_snapshot!(told);
}

#[test]
fn who_could_not_tell_is_said() {
    let place = Place::new();
    compromised().troubled().write(&place.path("sweep.herd"));
    let whole = std::fs::read(place.path("sweep.herd")).unwrap();
    std::fs::write(place.path("cut.herd"), &whole[..whole.len() - 3]).unwrap();
    let mut told = String::new();
    for (bundle, sql) in [
        ("sweep.herd", "SELECT count(*) AS n FROM crontab, users USING (host)"),
        ("sweep.herd", "SELECT count(*) AS n FROM users WHERE host = 'web-01'"),
        ("sweep.herd", "SELECT count(*) AS n FROM users WHERE host = 'web-04'"),
        ("sweep.herd", "SELECT host, outcome, detail FROM hosts WHERE outcome <> 'ok'"),
        ("cut.herd", "SELECT count(*) AS n FROM users WHERE host = 'web-01'"),
    ] {
        told += &format!("$ herdiff query {bundle} {sql:?}\n{}\n", place.herdiff(&["query", bundle, sql]));
    }
    assert_snapshot!(told);
}

#[test]
fn what_hosts_say_does_nothing_to_the_terminal() {
    let place = Place::new();
    Fleet::new()
        .row(2, 0, "path=/etc/cron.d/\u{1b}[2J|command=\u{202e}x \u{9b}31m")
        .write(&place.path("sweep.herd"));
    for format in ["table", "json", "ndjson", "csv"] {
        let output = place.run(&["query", "sweep.herd", "SELECT * FROM crontab", "--format", format]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("31m"), "{text}");
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn an_endless_statement_ends() {
    let place = Place::new();
    Fleet::new().write(&place.path("sweep.herd"));
    let sql = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t";
    assert_snapshot!(place.herdiff(&["query", "sweep.herd", sql, "--timeout", "1"]));
    let mut child = place.command(&["query", "sweep.herd", sql]).spawn().unwrap();
    catches_interrupts(child.id());
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn rows_that_a_condition_holds_for() {
    let place = Place::new();
    compromised().troubled().write(&place.path("sweep.herd"));
    let mut told = String::new();
    for arguments in [
        &["--where", "path LIKE '/var/tmp/%' OR command LIKE '%/var/tmp/%'"][..],
        &["--where", "uid = 0 AND username <> 'root'", "--query", "users", "--format", "ndjson"],
        &["--where", "uid = 0", "--host", "web-01"],
        &["--where", "name = 'none'", "--query", "kernel_modules"],
        &["--where", "missing = 1"],
        &["--where", "uid = ", "--query", "users"],
        &["--where", "uid = 0", "--host", "nobody"],
        &["--where", "uid = 0", "--query", "nothing"],
        &["--where", "uid = 0", "--hosts"],
    ] {
        told += &format!("$ herdiff show sweep.herd {arguments:?}\n");
        told += &place.herdiff(&[&["show", "sweep.herd"], arguments].concat());
        told += "\n";
    }
    assert_snapshot!(told);
}

#[test]
fn damage_is_found_where_it_is_read_and_ends_with_5() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    assert_eq!(place.run(&["merge", "sweep.herd", "-o", "sealed.herd"]).status.code(), Some(0));
    let whole = std::fs::read(place.path("sealed.herd")).unwrap();
    let ask = |table: &str| {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        place.run(&["query", "sealed.herd", &sql]).status.code()
    };
    assert_eq!((ask("users"), ask("crontab"), ask("hosts")), (Some(0), Some(0), Some(0)));
    assert_eq!(
        place.run(&["export", "sealed.herd", "--format", "ndjson", "-o", "good"]).status.code(),
        Some(0)
    );
    let good = std::fs::read(place.path("good")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for at in (0..whole.len()).step_by(41) {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        std::fs::write(place.path("sealed.herd"), changed).unwrap();
        seen.insert((ask("users"), ask("crontab")));
        // What is wrong is never an answer, and nothing panics.
        assert!(
            [ask("users"), ask("crontab")].iter().all(|code| matches!(code, Some(0 | 2 | 5))),
            "byte {at}"
        );
        // A frame that no export reads (proofs) may be damaged; then the export is as it was.
        let export = place.run(&["export", "sealed.herd", "--format", "ndjson", "-o", "never"]);
        match export.status.code() {
            Some(0) => assert!(std::fs::read(place.path("never")).unwrap() == good, "byte {at}"),
            code => assert!(matches!(code, Some(2 | 5)), "byte {at}: {export:?}"),
        }
        assert_eq!(std::fs::remove_file(place.path("never")).is_ok(), export.status.code() == Some(0));
    }
    // A query that is whole can be asked while another is damaged.
    assert!(seen.contains(&(Some(0), Some(5))) && seen.contains(&(Some(5), Some(0))), "{seen:?}");
}

//! `herdiff export`: what comes out is what was collected, in every format, and nothing is ever written over.

use crate::support::{Fleet, Place, compromised, told};
use herdiff_model::bundle::{Bundle, BundleWriter};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, QueryOutcome, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::row::RowBatch;
use herdiff_model::snapshot::{QueryId, Receipt};
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use herdiff_model::visit::{Answer, Visit};
use insta::assert_snapshot;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Names and cells that lead elsewhere where they are believed.
const ODD: &[&str] = &[
    "../../etc/passwd",
    "..",
    ".hidden",
    "-rf",
    "a\nb",
    "WEB-01",
    "web-01",
    "ü\u{202e}x",
    "%2E",
    "con.",
    "~2",
];
const QUERIES: &[&str] =
    &["users", "Users", "hosts", "../x", "pack/a b/\"q\"", "", "sqlite_master", "findings"];

fn batch(cells: &[(&str, &[u8])]) -> RowBatch {
    let names: Vec<ColumnName> = cells.iter().map(|&(name, _)| name.into()).collect();
    let mut batch = RowBatch::new(&names);
    batch.push(&cells.iter().map(|&(_, cell)| cell).collect::<Vec<_>>());
    batch
}

/// A bundle whose every name was chosen by an enemy; the very same host twice.
fn hostile(path: &Path) {
    let queries: serde_json::Map<_, _> = QUERIES
        .iter()
        .map(|name| ((*name).to_owned(), serde_json::json!({"query": "SELECT * FROM users"})))
        .collect();
    let pack = Pack::parse(&serde_json::json!({"queries": queries}).to_string()).unwrap();
    let facts = SweepFacts { tool: "herdiff 0.1.0".into(), targets: 13, ..SweepFacts::default() };
    let mut writer = BundleWriter::start(Vec::new(), &facts, &pack).unwrap();
    for (n, name) in ODD.iter().chain(&["web-01"]).enumerate() {
        let answers = (0..QUERIES.len()).map(|query| match (n + query) % 5 {
            0 => Answer::failed(QueryFailureKind::Timeout, "no\nanswer"),
            1 => Answer::Rows {
                batches: vec![],
                unread: vec![Unread { what: "/root".into(), why: "Permission denied".into(), count: 3 }],
                cut: Some("rows".into()),
            },
            _ => Answer::Rows {
                batches: vec![
                    batch(&[("uid", b"0"), ("username", b"=cmd|x"), ("size", b"")]),
                    batch(&[
                        ("uid", b"007"),
                        ("UID", b"9223372036854775808"),
                        ("username", b"\xff\0\n\x1b[2J"),
                    ]),
                    batch(&[
                        ("uid", n.to_string().as_bytes()),
                        ("host", "\u{202e}\u{9b}".as_bytes()),
                        ("raw", b"\xed\xa0\x80"),
                    ]),
                    batch(&[("uid", b"-1"), ("metric_value", b"0.25"), ("", b"nameless"), ("a\0b", b"1.50")]),
                    batch(&[("uid", b"-1"), ("metric_value", b"0.25"), ("", b"nameless"), ("a\0b", b"1.50")]),
                ],
                unread: vec![],
                cut: None,
            },
        });
        let receipt = Receipt {
            engine: "probe 0.1.0".into(),
            uid: Some(n as u32),
            duration_ms: 7,
            started: UnixMillis(1_795_226_326_219),
            ..Receipt::default()
        };
        let visit = Visit {
            host: (*name).into(),
            herd: format!("../{n}").into(),
            outcome: HostOutcome::ok(),
            receipt,
            answers: answers.collect(),
        };
        writer.append(&visit.settle()).unwrap();
    }
    let gone = HostOutcome::failed(HostOutcomeKind::HostKeyChanged, Phase::Handshake, "SHA256:\u{1b}x");
    writer
        .append(&Visit::without_rows("gone".into(), "web".into(), gone, Receipt::default(), QUERIES.len()))
        .unwrap();
    std::fs::write(path, writer.finish(UnixMillis(1), false).unwrap().0).unwrap();
}

/// All that a bundle says of its hosts, without the order of the hosts and rows.
fn said(path: &Path) -> Vec<String> {
    let bundle = Bundle::read(&std::fs::read(path).unwrap()[..]).unwrap();
    let mut all = Vec::new();
    for visit in &bundle.snapshots {
        all.push(format!("{:?} {:?} {:?} {:?}", visit.host, visit.herd, visit.outcome, visit.receipt));
        for (n, (query, outcome)) in bundle.pack.queries().iter().zip(&visit.queries).enumerate() {
            let said = match outcome {
                QueryOutcome::Failed(failure) => format!("{failure:?}"),
                QueryOutcome::Rows(set) => {
                    let table = bundle.table(QueryId(n as u32)).unwrap();
                    let mut rows: Vec<_> = set
                        .ids
                        .iter()
                        .map(|&id| format!("{:?}", table.row(id).unwrap().iter().collect::<Vec<_>>()))
                        .collect();
                    rows.sort();
                    format!("{:?} {:?} {rows:?}", set.unread, set.cut)
                }
            };
            all.push(format!("{:?} {:?} {:?} {:?} {said}", visit.host, visit.herd, query.name, query.sql));
        }
    }
    all.sort();
    all
}

fn done(place: &Place, arguments: &[&str]) {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", told(&output));
}

/// The names below a directory, with where they are.
fn names(directory: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        }
        names.insert(name);
    }
    names
}

#[test]
fn what_is_exported_as_json_is_imported_value_for_value() {
    let place = Place::new();
    hostile(&place.path("odd.herd"));
    Fleet::new().troubled().write(&place.path("plain.herd"));
    for name in ["odd", "plain"] {
        let (bundle, out, back) =
            (format!("{name}.herd"), format!("{name}.json.d"), format!("{name}.back.herd"));
        done(&place, &["export", &bundle, "--format", "json", "-o", &out]);
        let output = place.run(&["import", &out, "-o", &back]);
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        assert_eq!(output.stderr.escape_ascii().to_string(), "", "nothing is passed over");
        assert_eq!(said(&place.path(&back)), said(&place.path(&bundle)));
        // No name led out of the directory, or is one that a shell or a person could take for something else.
        for file in names(&place.path(&out)) {
            assert!(
                file.split('/')
                    .all(|part| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-_.@+~".contains(&b))),
                "{file}"
            );
            assert!(file.split('/').all(|part| !part.starts_with(['.', '-'])), "{file}");
        }
    }
    assert_eq!(
        names(place.0.path()).into_iter().filter(|name| !name.contains('/')).collect::<Vec<_>>(),
        ["odd.back.herd", "odd.herd", "odd.json.d", "plain.back.herd", "plain.herd", "plain.json.d"]
    );
}

#[test]
fn an_import_believes_files_more_than_what_is_said_of_them() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    done(&place, &["export", "sweep.herd", "--format", "json", "-o", "out"]);
    std::fs::remove_file(place.path("out/web-01/users.json")).unwrap();
    std::fs::write(place.path("out/web-02/users.json"), "[ {").unwrap();
    std::fs::create_dir(place.path("out/stranger")).unwrap();
    std::fs::write(place.path("out/stranger/users.json"), "[{\"uid\":\"0\"}]").unwrap();
    let output = place.run(&["import", "out", "-o", "back.herd"]);
    assert_eq!(output.status.code(), Some(3));
    assert_snapshot!(place.herdiff(&["show", "back.herd", "--failures"]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not in outcomes.ndjson: \"stranger\""));
    // A line that is not understood is said with its number.
    let told = std::fs::read_to_string(place.path("out/outcomes.ndjson")).unwrap();
    std::fs::write(place.path("out/outcomes.ndjson"), told.replacen("\"ok\"", "\"fine\"", 2)).unwrap();
    assert_snapshot!(place.herdiff(&["import", "out", "-o", "never.herd"]));
}

#[test]
fn lines_for_programs() {
    let place = Place::new();
    hostile(&place.path("odd.herd"));
    done(&place, &["export", "odd.herd", "--format", "ndjson", "-o", "odd.ndjson"]);
    let to_stdout = place.run(&["export", "odd.herd", "--format", "ndjson", "-o", "-"]);
    let file = std::fs::read_to_string(place.path("odd.ndjson")).unwrap();
    assert_eq!(to_stdout.stdout, file.as_bytes());
    assert!(!file.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for line in file.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        *kinds.entry(line["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let rows: usize = said_rows(&place.path("odd.herd"));
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [("host".into(), 13), ("outcome".into(), 13 * 8), ("row".into(), rows), ("sweep".into(), 1)]
    );
    compromised().write(&place.path("sweep.herd"));
    done(&place, &["export", "sweep.herd", "--format", "ndjson", "-o", "x.ndjson"]);
    let text = std::fs::read_to_string(place.path("x.ndjson")).unwrap();
    insta::with_settings!({filters => vec![(r#""seal":"[0-9a-f]{64}""#, r#""seal":"[seal]""#)]}, {
        assert_snapshot!(text.lines().take(2).chain(text.lines().skip(13).take(5)).collect::<Vec<_>>().join("\n"));
    });
}

fn said_rows(path: &Path) -> usize {
    let bundle = Bundle::read(&std::fs::read(path).unwrap()[..]).unwrap();
    bundle
        .snapshots
        .iter()
        .flat_map(|visit| &visit.queries)
        .filter_map(QueryOutcome::rows)
        .map(|rows| rows.ids.len())
        .sum()
}

#[test]
fn tables_for_spreadsheets() {
    let place = Place::new();
    hostile(&place.path("odd.herd"));
    done(&place, &["export", "odd.herd", "--format", "csv", "-o", "csv"]);
    let files: Vec<_> = names(&place.path("csv")).into_iter().collect();
    assert_snapshot!(files.join("\n"));
    let text = std::fs::read_to_string(place.path("csv/users.csv")).unwrap();
    assert_snapshot!(text.lines().take(12).collect::<Vec<_>>().join("\n"));
    for file in files {
        let mut reader = csv::Reader::from_path(place.path("csv").join(&file)).unwrap();
        for record in reader.records() {
            for cell in record.unwrap().iter().filter(|cell| cell.parse::<f64>().is_err()) {
                assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{file}: {cell}");
            }
        }
    }
}

#[test]
fn a_database_for_sqlite() {
    let place = Place::new();
    hostile(&place.path("odd.herd"));
    compromised().write(&place.path("sweep.herd"));
    let findings = place.run(&["outliers", "sweep.herd", "--format", "ndjson"]);
    std::fs::write(place.path("findings.ndjson"), findings.stdout).unwrap();
    done(
        &place,
        &["export", "sweep.herd", "--format", "sqlite", "-o", "sweep.db", "--findings", "findings.ndjson"],
    );
    done(
        &place,
        &["export", "odd.herd", "--format", "sqlite", "-o", "odd.db", "--findings", "findings.ndjson"],
    );
    let ask = |database: &str, sql: &str| {
        let connection = rusqlite::Connection::open(place.path(database)).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            Ok((0..columns)
                .map(|n| format!("{:?}", row.get_ref(n).unwrap().to_owned_value()))
                .collect::<Vec<_>>()
                .join(" "))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(
        ask("sweep.db", "SELECT host, username FROM users WHERE uid = 0 AND username <> 'root'"),
        ["Text(\"web-09\") Text(\"sysd\")"]
    );
    assert_eq!(
        ask(
            "sweep.db",
            "SELECT u.username FROM findings f JOIN users u USING (host) WHERE f.query = 'users' AND f.score > 8 AND u.uid = 0 ORDER BY 1"
        ),
        ["Text(\"root\")", "Text(\"sysd\")"]
    );
    assert_eq!(ask("sweep.db", "SELECT count(*) FROM outcomes WHERE outcome = 'rows'"), ["Integer(36)"]);
    assert_snapshot!(ask("odd.db", "SELECT name FROM sqlite_schema").join("\n"));
    // What SQLite would have changed is there byte for byte.
    assert_snapshot!(
        ask("odd.db", "SELECT DISTINCT uid, uid_1, username, host_1, raw FROM users ORDER BY 1, 2, 3, 4, 5")
            .join("\n")
    );
}

trait ToOwnedValue {
    fn to_owned_value(&self) -> rusqlite::types::Value;
}

impl ToOwnedValue for rusqlite::types::ValueRef<'_> {
    fn to_owned_value(&self) -> rusqlite::types::Value {
        (*self).try_into().unwrap()
    }
}

/// A Python with DuckDB; `.ci/run` makes one and names it.
fn duckdb() -> Option<String> {
    let python = std::env::var("HERDIFF_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python)
        .args(["-c", "import duckdb"])
        .output()
        .is_ok_and(|output| output.status.success());
    if there {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "no Python with duckdb: HERDIFF_TEST_PYTHON names one");
    eprintln!(
        "NOT TESTED: Parquet as DuckDB reads it: no Python with duckdb (HERDIFF_TEST_PYTHON names one)"
    );
    None
}

#[test]
fn parquet_as_duckdb_reads_it() {
    let place = Place::new();
    hostile(&place.path("odd.herd"));
    done(&place, &["export", "odd.herd", "--format", "parquet", "-o", "odd"]);
    done(&place, &["export", "odd.herd", "--format", "ndjson", "-o", "odd.ndjson"]);
    let Some(python) = duckdb() else { return };
    let script = place.path("read.py");
    std::fs::write(&script, include_str!("read_parquet.py")).unwrap();
    let output = Command::new(python)
        .arg(&script)
        .arg(place.path("odd"))
        .arg(place.path("odd.ndjson"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}

#[test]
fn nothing_is_written_over_and_nothing_half_is_left() {
    let place = Place::new();
    compromised().write(&place.path("sweep.herd"));
    std::fs::write(place.path("precious.db"), "precious").unwrap();
    std::fs::write(place.path("no.ndjson"), "{\"kind\":\"added\",\"host\":\"x\"}\n[]\n").unwrap();
    let mut all = String::new();
    for line in [
        "export sweep.herd --format json -o precious.db",
        "export sweep.herd --format sqlite -o precious.db",
        "export sweep.herd --format csv -o missing/out",
        "export sweep.herd --format csv -o -",
        "export sweep.herd --format csv -o out --findings no.ndjson",
        "export sweep.herd --format sqlite -o out --findings no.ndjson",
        "export sweep.herd --format sqlite -o out --findings nothing",
        "export missing.herd --format sqlite -o out",
        "export sweep.herd --format xml -o out",
    ] {
        all +=
            &format!("$ herdiff {line}\n{}\n", place.herdiff(&line.split_whitespace().collect::<Vec<_>>()));
    }
    assert_snapshot!(all);
    assert_eq!(std::fs::read(place.path("precious.db")).unwrap(), b"precious");
    assert_eq!(
        names(place.0.path()).into_iter().collect::<Vec<_>>(),
        ["no.ndjson", "precious.db", "sweep.herd"]
    );
    // Others cannot read it.
    done(&place, &["export", "sweep.herd", "--format", "sqlite", "-o", "out.db"]);
    done(&place, &["export", "sweep.herd", "--format", "csv", "-o", "out.d"]);
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("out.db"), mode("out.d")), (0o600, 0o700));
}

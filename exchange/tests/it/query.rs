//! SQL over stored rows: types, hosts that are asked for, what could not be told, and what is refused.

use crate::fleet::{rows, stored, unsealed, visits};
use herdiff_exchange::query::{Engine, QueryError, Sink, Watch};
use herdiff_model::snapshot::QueryId;
use rusqlite::types::ValueRef;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Rows as text: `a|1|NULL`; text stands in quotes.
#[derive(Default)]
struct Lines(Vec<String>);

impl Sink for Lines {
    fn columns(&mut self, names: &[&str]) -> io::Result<()> {
        self.0.push(names.join("|"));
        Ok(())
    }

    fn row(&mut self, values: &[ValueRef<'_>]) -> io::Result<()> {
        let shown = values.iter().map(|value| match value {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => format!("{number:?}"),
            ValueRef::Text(text) | ValueRef::Blob(text) => format!("'{}'", text.escape_ascii()),
        });
        self.0.push(shown.collect::<Vec<_>>().join("|"));
        Ok(())
    }
}

fn engine() -> Engine {
    Engine::open(&stored(&visits()), Watch::default()).unwrap()
}

fn ask(engine: &Engine, sql: &str) -> Vec<String> {
    let mut lines = Lines::default();
    engine.run(sql, &mut lines).unwrap_or_else(|error| panic!("{sql}: {error}"));
    lines.0
}

fn refusal(sql: &str) -> QueryError {
    engine().run(sql, &mut Lines::default()).unwrap_err()
}

#[test]
fn queries_are_tables_with_the_host_first() {
    let engine = engine();
    let mut files = ask(&engine, "SELECT * FROM files");
    // Rows of one host come in the order in which the bundle has them, which says nothing.
    files[1..].sort();
    assert_eq!(
        files,
        [
            "host|herd|path|size",
            "'../..'|'web'|'/tmp/\\xff\\x00\\n\\\"x'|'007'",
            "'web-01'|'web'|'/etc/b'|400",
            "'web-01'|'web'|'/tmp/a'|5",
        ]
    );
    // A query may have any name, and its columns may be called as ours are.
    assert_eq!(
        ask(&engine, "SELECT x, \"select\" FROM \"odd \"\"name\"\"/;--\""),
        ["x|select", "'1'|'2'", "'1'|'2'"]
    );
    assert_eq!(
        ask(&engine, "SELECT host, host_1, Address, address_1 FROM Hosts_1 WHERE host = 'web-02'"),
        ["host|host_1|Address|address_1", "'web-02'|'elsewhere'|'upper'|'192.0.2.9'"]
    );
    let tables: Vec<_> = engine.relations().unwrap().iter().map(|table| table.name.as_str()).collect();
    assert_eq!(tables, ["hosts", "outcomes", "users", "files", "Hosts_1", "odd \"name\"/;--"]);
}

#[test]
fn numbers_compare_and_sort_as_numbers() {
    let engine = engine();
    assert_eq!(ask(&engine, "SELECT host FROM users WHERE uid = 0")[1..], ["'web-01'", "'web-02'"]);
    assert_eq!(ask(&engine, "SELECT host FROM users WHERE uid = '0'").len(), 3);
    assert_eq!(
        ask(&engine, "SELECT uid FROM users ORDER BY uid DESC")[1..],
        ["'0x50'", "1000", "10", "9", "0", "0", "NULL"]
    );
    assert_eq!(ask(&engine, "SELECT path FROM files WHERE size > 100")[1..2], ["'/etc/b'"]);
    // Text that looks like a number can be compared with one.
    assert_eq!(ask(&engine, "SELECT count(*) FROM \"odd \"\"name\"\"/;--\" WHERE x = 1")[1..], ["2"]);
}

#[test]
fn osquerys_functions_are_there() {
    let sql = "SELECT split('a:b', ':', 1), in_cidr_block('192.0.2.0/24', '192.0.2.1'), \
               version_compare('1.10', '1.9'), regex_match('x42', '[0-9]+', 0), concat_ws('-', 'a', 'b')";
    assert_eq!(ask(&engine(), sql)[1..], ["'b'|1|1|'42'|'a-b'"]);
}

#[test]
fn facts_of_hosts_and_outcomes() {
    let engine = engine();
    assert_eq!(
        ask(&engine, "SELECT host, outcome, phase, detail, started, uid FROM hosts")[1..],
        [
            "'web-01'|'ok'|NULL|''|1795226326|0",
            "'web-02'|'partial'|NULL|'1 of 4 queries have no rows'|1795226326|0",
            "'../..'|'ok'|NULL|''|1795226326|0",
            "'web-04'|'refused'|'connect'|'Connection refused'|0|NULL",
        ]
    );
    assert_eq!(
        ask(&engine, "SELECT query, outcome, rows, detail FROM outcomes WHERE host = 'web-02'")[1..3],
        [
            "'users'|'partly'|4|'/etc/shadow (2 times): Permission denied; cut off by the limit of rows'",
            "'files'|'timeout'|NULL|'no answer within 30 s'",
        ]
    );
    assert_eq!(
        ask(&engine, "SELECT count(*) FROM hosts JOIN users USING (host) WHERE hosts.visit = users.visit")
            [1..],
        ["7"]
    );
}

#[test]
fn what_could_not_be_told_is_known_afterwards() {
    let engine = engine();
    ask(&engine, "SELECT * FROM files");
    let gaps = engine.coverage();
    assert_eq!((gaps.len(), gaps[0].table.as_str(), gaps[0].whole, gaps[0].part), (1, "files", 2, 0));
    assert_eq!(
        gaps[0].silent.iter().map(|(k, n)| format!("{k} {n}")).collect::<Vec<_>>(),
        ["refused 1", "timeout 1"]
    );
    ask(&engine, "SELECT * FROM users");
    assert_eq!((engine.coverage()[0].whole, engine.coverage()[0].part), (2, 1));
    // Only hosts that were asked for count, and facts are always whole.
    ask(&engine, "SELECT * FROM files WHERE host IN ('web-01', '../..')");
    assert!(engine.coverage()[0].is_closed());
    ask(&engine, "SELECT * FROM files WHERE host = 'web-04'");
    assert_eq!((engine.coverage()[0].whole, engine.coverage()[0].silent["refused"]), (0, 1));
    ask(&engine, "SELECT * FROM hosts");
    assert!(engine.coverage().is_empty());
}

#[test]
fn a_host_that_is_asked_for_is_found_however_it_is_compared() {
    let engine = engine();
    let count =
        |condition: &str| ask(&engine, &format!("SELECT count(*) FROM users WHERE {condition}"))[1].clone();
    for (condition, expected) in [
        ("host = 'web-01'", "2"),
        ("host = 'WEB-01'", "0"),
        ("host = 'WEB-01' COLLATE NOCASE", "2"),
        ("host LIKE 'web-%'", "6"),
        ("host IN ('web-01', 'web-02')", "6"),
        ("host = NULL", "0"),
        ("host = 5", "0"),
        ("host = 'web-01' OR uid = 9", "3"),
        ("host IN (SELECT host FROM hosts WHERE outcome = 'ok')", "3"),
    ] {
        assert_eq!(count(condition), expected, "{condition}");
    }
}

#[test]
fn only_reading_and_one_statement_at_a_time() {
    for sql in [
        "ATTACH '/tmp/x.db' AS x",
        "DELETE FROM users",
        "UPDATE users SET uid = 1",
        "INSERT INTO users (uid) VALUES (1)",
        "CREATE TABLE t (x)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "DROP TABLE users",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA writable_schema = ON",
        "VACUUM INTO '/tmp/x.db'",
        "BEGIN",
        "SELECT load_extension('x')",
    ] {
        let error = refusal(sql);
        assert!(matches!(error, QueryError::NotReading(_) | QueryError::Sql(_)), "{sql}: {error:?}");
    }
    assert!(matches!(refusal("SELECT 1; SELECT 2"), QueryError::NotOne("several")));
    assert!(matches!(refusal("SELECT 1; nonsense"), QueryError::NotOne("several")));
    assert!(matches!(refusal("  -- nothing"), QueryError::NotOne("no")));
    let error = refusal("SELECT missing FROM users");
    assert!(matches!(error, QueryError::NoSuchColumn(_)), "{error:?}");
    assert_eq!(ask(&engine(), "SELECT 1;  -- and a comment")[1..], ["1"]);
}

#[test]
fn a_runaway_statement_is_stopped() {
    let endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t";
    let watch = Watch { deadline: Some(Instant::now() + Duration::from_millis(50)), ..Watch::default() };
    let engine = Engine::open(&stored(&visits()), watch).unwrap();
    assert!(matches!(engine.run(endless, &mut Lines::default()), Err(QueryError::TimeOut)));

    let watch = Watch::default();
    watch.interrupted.store(true, Ordering::Relaxed);
    let engine = Engine::open(&stored(&visits()), watch).unwrap();
    assert!(matches!(engine.run(endless, &mut Lines::default()), Err(QueryError::Interrupted)));
}

#[test]
fn rows_are_found_by_a_condition() {
    let engine = engine();
    let find = |condition: &str, host| engine.find(QueryId(0), condition, host).unwrap();
    assert_eq!(find("username = 'root'", None).iter().map(|(visit, _)| *visit).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(find("uid > 0 AND uid < 100 -- people", Some("web-02")).len(), 2);
    // An OR in it does not reach beyond it.
    assert_eq!(find("0 OR 1", Some("web-01")).len(), 2);
    assert!(matches!(engine.find(QueryId(0), "1); SELECT (1", None), Err(QueryError::NotOne("several"))));
    assert!(matches!(engine.find(QueryId(0), "path = ''", None), Err(QueryError::NoSuchColumn(_))));
}

#[test]
fn hosts_cannot_make_a_table_that_is_too_wide() {
    let mut many = visits();
    for (n, visit) in many.iter_mut().take(3).enumerate() {
        let row: Vec<_> = (0..400).map(|column| format!("c{n}_{column}=x")).collect();
        visit.answers[3] = rows(&[&format!("common=1|{}", row.join("|"))]);
    }
    let engine = Engine::open(&stored(&many), Watch::default()).unwrap();
    let odd = engine.relations().unwrap().pop().unwrap();
    assert_eq!((odd.columns.len(), odd.left_out), (503, 701));
    assert_eq!(ask(&engine, "SELECT count(common) FROM \"odd \"\"name\"\"/;--\"")[1..], ["3"]);
}

#[test]
fn a_bundle_answers_alike_whether_it_is_sealed_or_not() {
    let (sealed, unsealed) = (engine(), Engine::open(&unsealed(&visits()), Watch::default()).unwrap());
    for sql in [
        "SELECT * FROM hosts",
        "SELECT * FROM outcomes",
        "SELECT * FROM users ORDER BY 1, 2, 3, 4",
        "SELECT * FROM files ORDER BY 1, 2, 3, 4",
        "SELECT * FROM Hosts_1 ORDER BY 1, 2, 3",
    ] {
        assert_eq!(ask(&sealed, sql), ask(&unsealed, sql), "{sql}");
        assert_eq!(sealed.coverage(), unsealed.coverage(), "{sql}");
    }
}

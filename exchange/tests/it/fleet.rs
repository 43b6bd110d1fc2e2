//! Bundles for tests.

use herdiff_exchange::Stored;
use herdiff_model::bundle::{BundleWriter, seal};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::row::RowBatch;
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use herdiff_model::visit::{Answer, Visit};
use std::fs::File;
use std::io::Write;

const PACK: &str = r#"{"queries": {
    "users": {"query": "SELECT * FROM users"},
    "files": {"query": "SELECT * FROM file"},
    "Hosts": {"query": "SELECT * FROM etc_hosts"},
    "odd \"name\"/;--": {}}}"#;

/// Rows from `a=1|b=2`.
pub(crate) fn rows(rows: &[&str]) -> Answer {
    let cells = |row: &str| -> Vec<(String, Vec<u8>)> {
        let cells = row.split('|').map(|cell| cell.split_once('=').unwrap());
        cells.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect()
    };
    raw(rows.iter().map(|row| cells(row)).collect())
}

pub(crate) fn raw(rows: Vec<Vec<(String, Vec<u8>)>>) -> Answer {
    let batch = |cells: &Vec<(String, Vec<u8>)>| {
        let names: Vec<ColumnName> = cells.iter().map(|(name, _)| name.as_str().into()).collect();
        let mut batch = RowBatch::new(&names);
        batch.push(&cells.iter().map(|(_, value)| value).collect::<Vec<_>>());
        batch
    };
    Answer::Rows { batches: rows.iter().map(batch).collect(), unread: Vec::new(), cut: None }
}

fn visit(host: &str, answers: Vec<Answer>) -> Visit {
    let receipt = Receipt {
        address: "192.0.2.7:22".into(),
        started: UnixMillis(1_795_226_326_219),
        duration_ms: 120,
        engine: "probe 0.1.0".into(),
        uid: Some(0),
        ..Receipt::default()
    };
    Visit { host: host.into(), herd: "web".into(), outcome: HostOutcome::ok(), receipt, answers }.settle()
}

/// Three hosts that answer, one of them partly, and one that does not; names and bytes as hosts choose them.
pub(crate) fn visits() -> Vec<Visit> {
    let empty = || rows(&[]);
    let mut second = visit(
        "web-02",
        vec![
            rows(&[
                "uid=0|username=root",
                "uid=10|username=ada",
                "uid=9|username=lp",
                "uid=|username=nobody",
            ]),
            Answer::failed(QueryFailureKind::Timeout, "no answer within 30 s"),
            rows(&["host=elsewhere|address=192.0.2.9|Address=upper"]),
            empty(),
        ],
    );
    if let Answer::Rows { unread, cut, .. } = &mut second.answers[0] {
        unread.push(Unread { what: "/etc/shadow".into(), why: "Permission denied".into(), count: 2 });
        *cut = Some("rows".into());
    }
    let odd = vec![("path".into(), b"/tmp/\xff\0\n\"x".to_vec()), ("size".into(), b"007".to_vec())];
    let third = visit(
        "../..",
        vec![
            rows(&["uid=0x50|username==cmd|username=-1"]),
            raw(vec![odd]),
            empty(),
            rows(&["x=1|select=2", "x=1|select=2"]),
        ],
    );
    let outcome = HostOutcome::failed(HostOutcomeKind::Refused, Phase::Connect, "Connection refused");
    vec![
        visit(
            "web-01",
            vec![
                rows(&["uid=0|username=root", "uid=1000|username=eve"]),
                rows(&["path=/tmp/a|size=5", "path=/etc/b|size=400"]),
                rows(&["host=one|address=192.0.2.1"]),
                empty(),
            ],
        ),
        second,
        third,
        Visit::without_rows("web-04".into(), "web".into(), outcome, Receipt::default(), 4),
    ]
}

fn written(visits: &[Visit]) -> Vec<u8> {
    let facts =
        SweepFacts { tool: "herdiff 0.1.0".into(), targets: visits.len() as u64, ..SweepFacts::default() };
    let mut writer = BundleWriter::start(Vec::new(), &facts, &Pack::parse(PACK).unwrap()).unwrap();
    visits.iter().for_each(|visit| writer.append(visit).unwrap());
    writer.finish(UnixMillis(1), false).unwrap().0
}

/// As a sweep leaves it: sealed, and read query by query.
pub(crate) fn stored(visits: &[Visit]) -> Stored {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.herd");
    std::fs::write(&path, written(visits)).unwrap();
    assert!(seal(&path).is_ok());
    Stored::open(Box::new(File::open(&path).unwrap())).unwrap()
}

/// As a killed sweep leaves it: read whole.
pub(crate) fn unsealed(visits: &[Visit]) -> Stored {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&written(visits)).unwrap();
    Stored::open(Box::new(file)).unwrap()
}

//! Bundles as files: what goes in comes out, and no damage goes unnoticed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use herdiff_model::bundle::{Bundle, BundleError, BundleWriter, Ending};
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, QueryOutcome, Unread};
use herdiff_model::pack::Pack;
use herdiff_model::row::RowBatch;
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use herdiff_model::visit::{Answer, Visit};

const PACK: &str = r#"{"queries": {"users": {"query": "SELECT * FROM users"}, "crontab": {"query": "SELECT * FROM crontab"}}}"#;

fn rows(columns: &[&str], rows: &[&[&[u8]]]) -> Answer {
    let names: Vec<ColumnName> = columns.iter().map(|&name| name.into()).collect();
    let mut batch = RowBatch::new(&names);
    rows.iter().for_each(|row| batch.push(row));
    Answer::Rows { batches: vec![batch], unread: Vec::new(), cut: None }
}

fn visits() -> Vec<Visit> {
    let visit = |host: &str, answers| Visit {
        host: host.into(),
        herd: "web".into(),
        outcome: HostOutcome::ok(),
        receipt: Receipt {
            uid: Some(0),
            removed: Some(true),
            engine: "probe 0.1.0".into(),
            ..Receipt::default()
        },
        answers,
    };
    let mut second = rows(&["username", "uid"], &[&[b"eve\xff\0", b"0"], &[b"root", b"0"], &[b"root", b"0"]]);
    if let Answer::Rows { unread, cut, .. } = &mut second {
        unread.push(Unread { what: "/etc/shadow".into(), why: "Permission denied".into(), count: 2 });
        *cut = Some("rows".into());
    }
    vec![
        visit("web-01", vec![rows(&["uid", "username"], &[&[b"0", b"root"]]), rows(&["command"], &[])]),
        visit("web-02", vec![second, Answer::failed(QueryFailureKind::Error, "no such table: crontab")])
            .settle(),
        Visit::without_rows(
            "web-03".into(),
            "web".into(),
            HostOutcome::failed(HostOutcomeKind::Refused, Phase::Connect, "Connection refused"),
            Receipt::default(),
            2,
        ),
    ]
}

fn facts() -> SweepFacts {
    SweepFacts { tool: "herdiff test".into(), started: UnixMillis(7), targets: 3, ..SweepFacts::default() }
}

fn written() -> Vec<u8> {
    let mut writer = BundleWriter::start(Vec::new(), &facts(), &Pack::parse(PACK).unwrap()).unwrap();
    visits().iter().for_each(|visit| writer.append(visit).unwrap());
    writer.finish(UnixMillis(9), false).unwrap().0
}

/// Everything of a bundle as text, so that two can be compared.
fn told(bundle: &Bundle) -> String {
    let mut told = format!("{:?}\n{:?}\n", bundle.facts, bundle.pack);
    for snapshot in &bundle.snapshots {
        told += &format!(
            "{:?} {:?} {:?} {:?}\n",
            snapshot.host, snapshot.herd, snapshot.outcome, snapshot.receipt
        );
        for ((_, query, table), outcome) in bundle.queries().zip(&snapshot.queries) {
            told += &format!("  {}: ", query.name);
            match outcome {
                QueryOutcome::Failed(failure) => told += &format!("{failure:?}"),
                QueryOutcome::Rows(set) => {
                    told += &format!("{:?} {:?}", set.unread, set.cut);
                    for &id in &set.ids {
                        let row = table.row(id).unwrap();
                        told += &row
                            .iter()
                            .map(|(column, cell)| format!(" {column}={cell:?}"))
                            .collect::<String>();
                        told += ";";
                    }
                }
            }
            told += "\n";
        }
    }
    told
}

#[test]
fn what_goes_in_comes_out() {
    let bundle = Bundle::read(&*written()).unwrap();
    let Ending::Whole { end, .. } = bundle.ending else { panic!("{:?}", bundle.ending) };
    assert_eq!((end.hosts, end.finished, end.interrupted), (3, UnixMillis(9), false));
    assert_eq!(bundle.facts, facts());
    let text = told(&bundle);
    assert!(text.contains(r#"username="eve\xff\0""#), "{text}");
    assert!(text.contains("Connection refused") && text.contains("Permission denied"), "{text}");
    assert_eq!(
        bundle.tables[0].len(),
        2,
        "root of both hosts is one row, whichever order its columns came in"
    );
    let rows = bundle.snapshots[1].queries[0].rows().unwrap();
    assert_eq!(rows.ids.len(), 3, "a row that came twice is kept twice");
}

#[test]
fn a_cut_file_is_whole_up_to_where_it_ends() {
    let whole = written();
    let mut hosts = Vec::new();
    for length in 0..whole.len() {
        match Bundle::read(&whole[..length]) {
            Ok(bundle) => {
                let Ending::Open { offset } = bundle.ending else {
                    panic!("cut at {length}, and said to be whole")
                };
                assert!(offset <= length as u64);
                hosts.push(bundle.snapshots.len());
            }
            Err(BundleError::NotABundle) => assert!(length < 16),
            Err(error) => assert!(hosts.is_empty(), "cut at {length}: {error}"),
        }
    }
    hosts.dedup();
    assert_eq!(hosts, [0, 1, 2, 3]);
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let whole = written();
    let truth = told(&Bundle::read(&*whole).unwrap());
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[position] ^= 1 << bit;
            if let Ok(bundle) = Bundle::read(&*damaged) {
                // A longer length makes the file look cut: then what is read must be a part of what is true.
                assert!(matches!(bundle.ending, Ending::Open { .. }), "bit {bit} of byte {position}");
                assert!(truth.starts_with(&told(&bundle)), "bit {bit} of byte {position}");
            }
        }
    }
}

#[test]
fn frames_cannot_be_left_out_or_moved() {
    let whole = written();
    let mut starts = vec![16];
    while let Some(&start) = starts.last().filter(|&&start| start < whole.len()) {
        let stored = u64::from_le_bytes(whole[start + 1..start + 9].try_into().unwrap());
        starts.push(start + 49 + stored as usize);
    }
    let frames: Vec<&[u8]> = starts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
    assert_eq!(frames.len(), 5);
    let put_together = |order: &[usize]| {
        let body: Vec<u8> = order.iter().flat_map(|&n| frames[n].iter().copied()).collect();
        Bundle::read(&*[&whole[..16], &body].concat())
    };
    assert!(put_together(&[0, 1, 2, 3, 4]).is_ok());
    for order in [&[0, 1, 3, 4][..], &[0, 2, 1, 3, 4], &[0, 1, 1, 2, 3, 4], &[1, 2, 3, 4]] {
        let error = put_together(order).unwrap_err();
        assert!(matches!(error, BundleError::Damaged { .. }), "{order:?}: {error}");
    }
}

#[test]
fn other_files_and_newer_bundles_are_refused_politely() {
    let error = |bytes: &[u8]| Bundle::read(bytes).unwrap_err().to_string();
    assert!(error(b"").contains("not a Herdiff bundle"));
    assert!(error(b"SQLite format 3\0 and so on").contains("not a Herdiff bundle"));
    let mut newer = written();
    newer[10] = 9;
    assert_eq!(
        error(&newer),
        "the bundle has format 0.9, and this version reads up to 0.1; use a newer herdiff"
    );
}

#[test]
fn a_visit_that_does_not_fit_the_pack_is_refused() {
    let mut writer = BundleWriter::start(Vec::new(), &facts(), &Pack::parse(PACK).unwrap()).unwrap();
    let mut visit = visits().remove(0);
    visit.answers.pop();
    assert!(writer.append(&visit).is_err());
}

//! Sealed bundles: they say what the journal said, whole or in parts.

use crate::fleet::{PACK, another, facts, fleet, sealed_of, told_visit, told_visits, visits, written};
use herdiff_model::bundle::{
    Archive, Bundle, BundleError, BundleWriter, Ending, seal, verify, verify_content,
};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::pack::Pack;
use herdiff_model::snapshot::QueryId;
use herdiff_model::sweep::UnixMillis;
use herdiff_model::visit::Visit;
use std::io::Cursor;

fn journal_of(visits: &[Visit]) -> Vec<u8> {
    let mut writer = BundleWriter::start(Vec::new(), &facts(), &Pack::parse(PACK).unwrap()).unwrap();
    visits.iter().for_each(|visit| writer.append(visit).unwrap());
    writer.finish(UnixMillis(9), false).unwrap().0
}

#[test]
fn a_sealed_bundle_says_what_the_journal_says_under_the_same_seal() {
    // Alone, few, one group and a bit, one block and a bit.
    for hosts in [0, 1, 3, 70, 1100] {
        let visits = if hosts == 3 { visits() } else { fleet(hosts) };
        let journal = journal_of(&visits);
        let (bytes, sealed) = sealed_of(&visits);
        let (from_journal, bundle) = (Bundle::read(&*journal).unwrap(), Bundle::read(&*bytes).unwrap());
        assert_eq!(told_visits(&bundle), told_visits(&from_journal), "{hosts}");
        assert_eq!(told_visits(&bundle), visits.iter().map(told_visit).collect::<Vec<_>>());
        assert_eq!(bundle.ending, from_journal.ending, "{hosts}");
        let Ending::Whole { seal, .. } = bundle.ending else { panic!("{hosts}") };
        assert_eq!(seal, sealed.seal);
        assert_eq!((&bundle.facts, bundle.pack.text()), (&facts(), PACK));
        let distinct = |bundle: &Bundle| bundle.tables.iter().map(|table| table.len()).collect::<Vec<_>>();
        assert_eq!(distinct(&bundle), distinct(&from_journal), "each row once, also over blocks");
        for file in [&journal, &bytes] {
            let verified = verify(Cursor::new(file)).unwrap();
            assert_eq!((verified.hosts, verified.bytes), (hosts as u64, file.len() as u64));
            assert_eq!(verify_content(Cursor::new(file)).unwrap(), [] as [&str; 0]);
        }
    }
}

#[test]
fn parts_are_what_they_are_in_the_whole() {
    let visits = fleet(150);
    let (bytes, sealed) = sealed_of(&visits);
    let mut archive = Archive::open(Cursor::new(&bytes)).unwrap().unwrap();
    assert_eq!((archive.seal(), archive.file_digest()), (sealed.seal, sealed.file));
    assert!(archive.names().eq(visits.iter().map(|visit| visit.host.as_str())));
    for (entry, visit) in archive.hosts().unwrap().iter().zip(&visits) {
        assert_eq!((&entry.host, &entry.herd, &entry.outcome), (&visit.host, &visit.herd, &visit.outcome));
        assert_eq!(
            (&entry.receipt, entry.answered),
            (&visit.receipt, if entry.outcome.kind.code() == "ok" { 2 } else { 1 })
        );
    }
    for (number, visit) in visits.iter().enumerate() {
        assert_eq!(told_visit(&archive.host(number).unwrap().unwrap()), told_visit(visit));
        let proof = archive.prove(number).unwrap().unwrap();
        assert!(proof.holds() && proof.is_of(visit));
        assert!(!proof.is_of(&visits[(number + 1) % 150]));
    }
    let mut each = Vec::new();
    archive
        .each_visit(|visit, part| {
            each.push((told_visit(&visit), part));
            Ok(())
        })
        .unwrap();
    assert_eq!(each, visits.iter().map(|visit| (told_visit(visit), 0)).collect::<Vec<_>>());
    assert!(archive.host(150).unwrap().is_none() && archive.prove(150).unwrap().is_none());
    let whole = Bundle::read(&*bytes).unwrap();
    let only = archive.only("h0100").unwrap();
    assert_eq!(told_visits(&only), [told_visit(&visits[100])]);
    assert_eq!((&only.facts, &only.pack, only.ending), (&whole.facts, &whole.pack, whole.ending));
    assert!(archive.only("nobody").unwrap().snapshots.is_empty());
    let outline = archive.without_rows().unwrap();
    for (known, snapshot) in outline.snapshots.iter().zip(&whole.snapshots) {
        assert_eq!(
            (&known.host, &known.outcome, &known.receipt),
            (&snapshot.host, &snapshot.outcome, &snapshot.receipt)
        );
        for (known, outcome) in known.queries.iter().zip(&snapshot.queries) {
            match (known, outcome) {
                (QueryOutcome::Rows(known), QueryOutcome::Rows(_)) => assert!(known.ids.is_empty()),
                (known, outcome) => assert_eq!(known, outcome),
            }
        }
    }
    for query in [0, 1] {
        let answers = archive.query(QueryId(query)).unwrap().unwrap();
        let table = whole.table(QueryId(query)).unwrap();
        for (outcome, snapshot) in answers.outcomes.iter().zip(&whole.snapshots) {
            let expected = snapshot.query(QueryId(query)).unwrap();
            assert_eq!(outcome, expected, "{:?}", snapshot.host);
            for id in outcome.rows().iter().flat_map(|rows| &rows.ids) {
                let cells =
                    |row: herdiff_model::row::Row<'_>| format!("{:?}", row.iter().collect::<Vec<_>>());
                assert_eq!(cells(answers.table.row(*id).unwrap()), cells(table.row(*id).unwrap()));
            }
        }
    }
    assert!(archive.query(QueryId(2)).unwrap().is_none());
}

#[test]
fn a_changed_row_another_place_or_another_end_is_not_proven() {
    let visits = fleet(9);
    let mut archive = Archive::open(Cursor::new(sealed_of(&visits).0)).unwrap().unwrap();
    let proof = archive.prove(4).unwrap().unwrap();
    let mut moved = proof.clone();
    moved.number = 5;
    let mut ended = proof.clone();
    ended.end.interrupted = true;
    let mut cut = proof.clone();
    cut.path.pop();
    assert!(proof.holds() && !moved.holds() && !ended.holds() && !cut.holds());
    let mut other = visits[4].clone();
    other.receipt.duration_ms += 1;
    assert!(!proof.is_of(&other));
}

#[test]
fn sealing_a_file_replaces_it_and_keeps_the_seal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    let journal = journal_of(&fleet(80));
    std::fs::write(&path, &journal).unwrap();
    let sealed = seal(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes, sealed_of(&fleet(80)).0);
    assert!(bytes.len() < journal.len());
    assert_eq!(seal(&path).unwrap(), sealed, "what is sealed stays as it is");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // A sweep that did not end stays a journal.
    std::fs::write(&path, &journal[..journal.len() - 1]).unwrap();
    assert!(matches!(seal(&path), Err(BundleError::Unfinished)));
    assert_eq!(std::fs::read(&path).unwrap(), journal[..journal.len() - 1]);
    // So does a damaged one; and nothing is left beside it.
    let mut damaged = journal.clone();
    damaged[journal.len() / 2] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(seal(&path), Err(BundleError::Damaged { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), damaged);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn an_interrupted_sweep_that_was_sealed_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    let visits = fleet(70);
    std::fs::write(&path, sealed_of(&visits[..50]).0).unwrap();
    let (mut writer, resumed) = BundleWriter::resume(&path, |_| another()).unwrap();
    assert_eq!(resumed.done.len(), 50);
    assert!(matches!(BundleWriter::resume(&path, |_| another()), Err(BundleError::InUse)));
    visits[50..].iter().for_each(|visit| writer.append(visit).unwrap());
    writer.finish(UnixMillis(9), false).unwrap();
    let written = seal(&path).unwrap();
    let bundle = Bundle::read(&*std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(told_visits(&bundle), visits.iter().map(told_visit).collect::<Vec<_>>());
    assert!(matches!(bundle.ending, Ending::Whole { seal, .. } if seal == written.seal));
    assert_eq!(bundle.parts.len(), 2);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn journals_and_old_bundles_have_no_index() {
    assert!(Archive::open(Cursor::new(written())).unwrap().is_none());
    let old = include_bytes!("../fixtures/format-0.1.herd");
    assert!(Archive::open(Cursor::new(old)).unwrap().is_none());
    let verified = verify(Cursor::new(old)).unwrap();
    assert_eq!((verified.version.to_string().as_str(), verified.frames, verified.hosts), ("0.1", 5, 3));
    assert_eq!(verified.bytes, old.len() as u64);
    assert!(Archive::open(Cursor::new(b"no bundle")).is_err());
}

#[test]
fn a_query_that_failed_has_no_rows_and_one_with_no_rows_has_not_failed() {
    let bundle = Bundle::read(&*sealed_of(&visits()).0).unwrap();
    let outcomes = |host: usize| &bundle.snapshots[host].queries;
    assert!(matches!(&outcomes(0)[1], QueryOutcome::Rows(rows) if rows.ids.is_empty()));
    assert!(matches!(&outcomes(1)[1], QueryOutcome::Failed(_)));
    assert_eq!(outcomes(1)[0].rows().unwrap().ids.len(), 3, "a row that came twice is kept twice");
}

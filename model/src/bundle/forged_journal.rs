//! Journals that lie about runs and hosts, with every digest right.

use super::forged::{Piece, journal, pack, put_together, taken_apart, visits, why};
use super::frame::FrameKind;
use super::wire::{BatchPayload, BatchesPayload, ColumnNames, RunPayload, SweepPayload, VisitPayload};
use super::{Bundle, BundleWriter, Part, codec, verify};
use crate::sweep::SweepFacts;
use crate::visit::{Answer, Visit};
use std::io::Cursor;

/// Puts another payload into a frame.
fn another<T: serde::Serialize + serde::de::DeserializeOwned>(piece: &mut Piece, lie: impl FnOnce(&mut T)) {
    let mut payload: T = codec::unpack(&piece.packed.bytes, piece.packed.unpacked).unwrap();
    lie(&mut payload);
    *piece = Piece::of(piece.kind, &payload);
}

/// A journal of two runs, with a host in each, after something was done to its frames.
fn of_runs(lie: impl FnOnce(&mut Vec<Piece>)) -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.herd");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = BundleWriter::start(file, &SweepFacts::default(), &pack()).unwrap();
    writer.append(&visits()[0]).unwrap();
    drop(writer);
    let (mut writer, _) = BundleWriter::resume(&path, |_| SweepFacts::default()).unwrap();
    writer.append(&visits()[1]).unwrap();
    writer.finish(crate::sweep::UnixMillis(9), false).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let (mut pieces, _) = taken_apart(&whole);
    assert_eq!(pieces.iter().map(|piece| piece.kind as u8).collect::<Vec<_>>(), [1, 1, 2, 9, 2, 3]);
    lie(&mut pieces);
    let file = put_together(&whole, &pieces, None);
    std::fs::write(&path, &file).unwrap();
    (place, path, file)
}

#[test]
fn a_journal_that_lies_about_its_runs_is_refused_in_every_way_of_reading() {
    assert!(Bundle::read(&*of_runs(|_| {}).2).is_ok());
    type Lie = fn(&mut Vec<Piece>);
    let other_run = "it is of another run of the sweep than should follow";
    let other_host = "it is of another run of the sweep than those around it";
    let lies: [(Lie, &str); 4] = [
        (|pieces| another(&mut pieces[3], |run: &mut RunPayload| run.number = 2), other_run),
        (|pieces| another(&mut pieces[3], |run: &mut RunPayload| run.number = 0), other_run),
        (|pieces| another(&mut pieces[4], |visit: &mut VisitPayload| visit.host.part = 0), other_host),
        (|pieces| another(&mut pieces[2], |visit: &mut VisitPayload| visit.host.part = 1), other_host),
    ];
    for (lie, told) in lies {
        let (_place, path, file) = of_runs(lie);
        assert_eq!(why(Bundle::read(&*file)), told);
        assert_eq!(why(verify(Cursor::new(&file))), told);
        assert_eq!(why(super::seal(&path)), told);
        assert_eq!(why(BundleWriter::resume(&path, |_| SweepFacts::default())), told);
        assert_eq!(std::fs::read(&path).unwrap(), file);
    }
    // Behind its end nothing comes, in whatever way it is read.
    let (_place, path, file) = of_runs(|pieces| pieces.swap(4, 5));
    assert!(
        Bundle::read(&*file).is_err() && verify(Cursor::new(&file)).is_err() && super::seal(&path).is_err()
    );
    let behind = "it has no place behind the end of the sweep";
    assert_eq!(why(BundleWriter::resume(&path, |_| SweepFacts::default())), behind);
    assert_eq!(std::fs::read(&path).unwrap(), file);
}

#[test]
fn a_sweep_that_is_of_several_has_no_runs() {
    let (_place, _, file) = of_runs(|pieces| {
        for piece in pieces.iter_mut().take(2) {
            let mut sweep: SweepPayload = codec::unpack(&piece.packed.bytes, piece.packed.unpacked).unwrap();
            let part = Part { facts: SweepFacts::default(), end: None, seal: None };
            sweep.parts.push((&part).into());
            *piece = Piece::of(piece.kind, &sweep);
        }
    });
    assert_eq!(why(Bundle::read(&*file)), "nobody can go on with a sweep that is of several");
}

/// A journal in which something is another about its first host.
fn of_host(lie: impl FnOnce(&mut VisitPayload)) -> Vec<u8> {
    let whole = journal();
    let (mut pieces, _) = taken_apart(&whole);
    let first = pieces.iter_mut().find(|piece| piece.kind == FrameKind::Visit).unwrap();
    another(first, lie);
    put_together(&whole, &pieces, None)
}

#[test]
fn what_a_host_says_fits_together() {
    let unfit = "what is in it does not fit together";
    type Lie = fn(&mut VisitPayload);
    let lies: [(&str, Lie); 7] = [
        ("columns out of order", |visit| visit.rows[0].0[0].columns.0.reverse()),
        ("a column twice", |visit| visit.rows[0].0[0].columns.0[1] = "name".into()),
        ("rows of a query that is not there", |visit| visit.rows.push(BatchesPayload(Vec::new()))),
        ("no rows of one that is", |visit| drop(visit.rows.pop())),
        ("an outcome that is not known", |visit| visit.host.outcome = 250),
        ("a phase that is not known", |visit| visit.host.phase = Some(250)),
        ("fewer rows than it says", |visit| visit.rows[0].0[0].rows += 1),
    ];
    assert!(Bundle::read(&*of_host(|_| {})).is_ok());
    for (number, lie) in lies {
        let file = of_host(lie);
        assert_eq!(why(Bundle::read(&*file)), unfit, "{number}");
        assert_eq!(why(verify(Cursor::new(&file))), unfit, "{number}");
    }
    let file = of_host(|visit| drop(visit.host.queries.pop()));
    assert!(Bundle::read(&*file).is_err());
    let more = |visit: &mut VisitPayload| {
        visit.host.queries.push(super::wire::QueryPayload::Whole);
        visit.rows.push(BatchesPayload(vec![BatchPayload {
            columns: ColumnNames(vec!["name".into()]),
            rows: 0,
            cells: Vec::new(),
        }]));
    };
    assert_eq!(why(Bundle::read(&*of_host(more))), "it does not have one outcome for each query");
}

#[test]
fn that_rows_were_cut_is_kept_also_where_all_were_read() {
    let mut visit = visits().remove(0);
    let Answer::Rows { cut, .. } = &mut visit.answers[0] else { panic!() };
    *cut = Some("bytes".into());
    let mut writer = BundleWriter::start(Vec::new(), &SweepFacts::default(), &pack()).unwrap();
    writer.append(&visit).unwrap();
    let file = writer.finish(crate::sweep::UnixMillis(9), false).unwrap().0;
    let Visit { answers, .. } = Bundle::read(&*file).unwrap().visit(0).unwrap();
    assert!(
        matches!(&answers[0], Answer::Rows { cut: Some(cut), unread, .. } if cut == "bytes" && unread.is_empty())
    );
}

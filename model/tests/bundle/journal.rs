//! Journals: what goes in comes out, no damage goes unnoticed, and a killed sweep goes on.

use crate::fleet::{PACK, another, facts, frames, told, told_visit, told_visits, visits, written};
use herdiff_model::bundle::{Bundle, BundleError, BundleWriter, Ending};
use herdiff_model::pack::Pack;
use herdiff_model::sweep::{SweepEnd, SweepFacts, UnixMillis};

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
    let (preamble, frames) = frames(&whole);
    assert_eq!(frames.len(), 6);
    let put_together = |order: &[usize]| {
        let body: Vec<u8> = order.iter().flat_map(|&n| frames[n].iter().copied()).collect();
        Bundle::read(&*[preamble, &body].concat())
    };
    assert!(put_together(&[0, 1, 2, 3, 4, 5]).is_ok());
    for order in [&[0, 1, 2, 4, 5][..], &[0, 1, 3, 2, 4, 5], &[0, 1, 2, 2, 3, 4, 5], &[1, 2, 3, 4, 5]] {
        let error = put_together(order).unwrap_err();
        assert!(matches!(error, BundleError::Damaged { .. }), "{order:?}: {error}");
    }
}

#[test]
fn a_frame_of_another_sweep_is_not_taken_for_its_own() {
    let whole = written();
    let other = SweepFacts { operator: "mallory".into(), ..facts() };
    let mut writer = BundleWriter::start(Vec::new(), &other, &Pack::parse(PACK).unwrap()).unwrap();
    visits().iter().for_each(|visit| writer.append(visit).unwrap());
    let other = writer.finish(UnixMillis(9), false).unwrap().0;
    let (preamble, mut mixed) = frames(&whole);
    let (_, foreign) = frames(&other);
    mixed[3] = foreign[3];
    let error = Bundle::read(&*[preamble, &mixed.concat()].concat()).unwrap_err();
    assert!(matches!(error, BundleError::Damaged { frame: 3, .. }), "{error}");
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
        "the bundle has format 1.9, and this version reads up to 1.0; use a newer herdiff"
    );
    newer[8] = 0;
    assert!(error(&newer).contains("format 0.9"));
    newer[8] = 2;
    newer[10] = 0;
    assert!(error(&newer).contains("format 2.0"));
}

#[test]
fn a_visit_that_does_not_fit_the_pack_is_refused() {
    let mut writer = BundleWriter::start(Vec::new(), &facts(), &Pack::parse(PACK).unwrap()).unwrap();
    let mut visit = visits().remove(0);
    visit.answers.pop();
    assert!(writer.append(&visit).is_err());
}

#[test]
#[allow(clippy::single_element_loop)] // One more line for each version to come.
fn every_version_that_was_ever_written_can_be_read() {
    let old = &include_bytes!("../fixtures/format-0.1.herd")[..];
    let journal = &include_bytes!("../fixtures/format-1.0-journal.herd")[..];
    let sealed = &include_bytes!("../fixtures/format-1.0.herd")[..];
    let content = include_str!("../fixtures/content.txt");
    for (name, file) in [("0.1", old), ("1.0, a journal", journal), ("1.0", sealed)] {
        let bundle = Bundle::read(file).unwrap();
        assert!(matches!(bundle.ending, Ending::Whole { .. }), "{name}");
        if name != "1.0" {
            // When it is sealed rows are sorted, so they have other numbers.
            assert_eq!(told(&bundle), content, "{name}");
        }
        assert_eq!(told_visits(&bundle), told_visits(&Bundle::read(old).unwrap()), "{name}");
    }
    let seal = |file: &[u8]| match Bundle::read(file).unwrap().ending {
        Ending::Whole { seal, .. } => seal.to_string(),
        Ending::Open { .. } => panic!(),
    };
    // With who went on with it; the files above are from before that was told.
    let journal_of_runs = &include_bytes!("../fixtures/format-1.0-runs-journal.herd")[..];
    let sealed_of_runs = &include_bytes!("../fixtures/format-1.0-runs.herd")[..];
    for file in [journal_of_runs, sealed_of_runs] {
        let bundle = Bundle::read(file).unwrap();
        assert_eq!(told_visits(&bundle), told_visits(&Bundle::read(old).unwrap()));
        let runs: Vec<_> = bundle.parts.iter().map(|part| (part.facts.operator.as_str(), part.end)).collect();
        let end =
            |finished, hosts| Some(SweepEnd { finished: UnixMillis(finished), interrupted: true, hosts });
        assert_eq!(
            runs,
            [
                ("", end(9, 1)),
                ("ada@ops", None),
                ("bob@ops", end(29, 3).map(|end| SweepEnd { interrupted: false, ..end }))
            ]
        );
        assert_eq!(bundle.snapshots.iter().map(|host| host.part).collect::<Vec<_>>(), [0, 1, 2]);
    }
    assert_eq!(seal(journal_of_runs), "075a604ae13b99d468a6f023014de3e23a71a723ed1817cf1628af374792bb02");
    assert_eq!(seal(sealed_of_runs), seal(journal_of_runs));
    // Every form of a column: what reader and writer changed together would still be another format.
    let forms = &include_bytes!("../fixtures/format-1.0-columns.herd")[..];
    let bundle = Bundle::read(forms).unwrap();
    assert_eq!(told_visits(&bundle), crate::fleet::forms().iter().map(told_visit).collect::<Vec<_>>());
    assert_eq!(seal(forms), "b3138bb03633d6a5db1abf47cb8c251ee468ddb02e10125f66ccd50742e3d521");
    // What stands for a content stands for it for ever: signatures are made of it.
    assert_eq!(seal(journal), "0ccce04b06014d154d31380f113e0665ccafc7ee71f882acc3701509aa7b4aaf");
    assert_eq!(seal(sealed), seal(journal));
}

/// Writes the fixtures of what is written now, beside those of before: for once, when it is new.
#[test]
#[ignore = "overwrites what must stay as it was"]
fn write_fixtures() {
    let path = std::path::Path::new("tests/fixtures/format-1.0-runs.herd");
    std::fs::write(path, crate::runs::journal()).unwrap();
    std::fs::write("tests/fixtures/format-1.0-runs-journal.herd", crate::runs::journal()).unwrap();
    herdiff_model::bundle::seal(path).unwrap();
    let forms = crate::fleet::sealed_of(&crate::fleet::forms()).0;
    std::fs::write("tests/fixtures/format-1.0-columns.herd", forms).unwrap();
}

#[test]
fn a_killed_sweep_goes_on_where_it_was_and_says_the_same_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    let (whole, visits) = (written(), visits());
    let truth = Bundle::read(&*whole).unwrap();
    let starts: Vec<usize> = (0..=5).map(|n| 16 + frames(&whole).1[..n].concat().len()).collect();
    for length in starts[2]..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (mut writer, resumed) = BundleWriter::resume(&path, |_| another()).unwrap();
        let done = starts[3..].iter().filter(|&&start| start <= length).count();
        assert_eq!(resumed.done.len(), done, "cut at {length}");
        assert_eq!((&resumed.facts, resumed.pack.text()), (&facts(), PACK));
        let kept = std::fs::read(&path).unwrap();
        assert_eq!(kept, whole[..starts[2 + done]], "nothing whole is touched");
        assert_eq!(resumed.cut, (length - kept.len()) as u64);
        for (visit, (host, herd, outcome)) in visits.iter().zip(&resumed.done) {
            assert_eq!((host, herd, outcome), (&visit.host, &visit.herd, &visit.outcome));
        }
        visits[done..].iter().for_each(|visit| writer.append(visit).unwrap());
        let (_, seal) = writer.finish(UnixMillis(19), false).unwrap();
        let file = std::fs::read(&path).unwrap();
        assert!(file.starts_with(&kept), "nothing whole is touched");
        let bundle = Bundle::read(&*file).unwrap();
        assert_eq!(told_visits(&bundle), told_visits(&truth), "cut at {length}");
        let Ending::Whole { seal: read, .. } = bundle.ending else { panic!("cut at {length}") };
        assert_eq!((read, bundle.parts.len(), bundle.is_of_runs()), (seal, 2, true));
        assert_eq!((&bundle.parts[0].facts, &bundle.parts[1].facts), (&facts(), &another()));
        // It was killed, unless its end is there.
        let end = |finished| Some(SweepEnd { finished: UnixMillis(finished), interrupted: false, hosts: 3 });
        assert_eq!(bundle.parts[0].end, if length == whole.len() { end(9) } else { None });
        assert_eq!(bundle.parts[1].end, end(19));
        let of: Vec<u32> = bundle.snapshots.iter().map(|host| host.part).collect();
        assert_eq!(of, (0..3).map(|host| u32::from(host >= done)).collect::<Vec<_>>());
    }
}

#[test]
fn what_was_changed_in_the_middle_is_never_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    let whole = written();
    let starts: Vec<usize> = (0..=5).map(|n| 16 + frames(&whole).1[..n].concat().len()).collect();
    for position in [starts[2], starts[2] + 14, starts[3] + 60] {
        let mut damaged = whole[..starts[5]].to_vec();
        damaged[position] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let error = BundleWriter::resume(&path, |_| another()).err().unwrap();
        assert!(matches!(error, BundleError::Damaged { frame: 2 | 3, .. }), "{position}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
    // What a power failure leaves: a last frame of zeros.
    let mut torn = whole[..starts[4]].to_vec();
    torn.resize(starts[4] + 5000, 0);
    std::fs::write(&path, &torn).unwrap();
    let (_, resumed) = BundleWriter::resume(&path, |_| another()).unwrap();
    assert_eq!((resumed.done.len(), resumed.cut), (2, 5000));
}

#[test]
fn a_bundle_is_resumed_by_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    std::fs::write(&path, written()).unwrap();
    let (first, _) = BundleWriter::resume(&path, |_| another()).unwrap();
    assert!(matches!(BundleWriter::resume(&path, |_| another()), Err(BundleError::InUse)));
    drop(first);
    assert!(BundleWriter::resume(&path, |_| another()).is_ok());
    let old = directory.path().join("old.herd");
    std::fs::write(&old, include_bytes!("../fixtures/format-0.1.herd")).unwrap();
    assert!(matches!(BundleWriter::resume(&old, |_| another()), Err(BundleError::TooOld { .. })));
}

#[test]
fn a_full_disk_is_an_error_and_leaves_a_readable_bundle() {
    /// Takes so many bytes and no more.
    struct Full(Vec<u8>, usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let fits = bytes.len().min(self.1 - self.0.len());
            if fits == 0 && !bytes.is_empty() {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0.extend(&bytes[..fits]);
            Ok(fits)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let whole = written();
    let first_host = 16 + frames(&whole).1[..2].concat().len();
    for space in first_host..whole.len() {
        let mut disk = Full(Vec::new(), space);
        let mut writer = BundleWriter::start(&mut disk, &facts(), &Pack::parse(PACK).unwrap()).unwrap();
        let failed = visits().iter().filter(|visit| writer.append(visit).is_err()).count();
        assert!(writer.finish(UnixMillis(9), false).is_err());
        let bundle = Bundle::read(&*disk.0).unwrap();
        assert!(matches!(bundle.ending, Ending::Open { .. }));
        assert_eq!(
            bundle.snapshots.len(),
            3 - failed,
            "no host is there that was not said to be, with {space} bytes"
        );
    }
}

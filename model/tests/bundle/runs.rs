//! Sweeps that were stopped and gone on with: who did that is in the bundle, in every form of it, and the seal stands for it.

use crate::fleet::{PACK, another, facts, fleet, frames, told_visits, visits};
use herdiff_model::bundle::{
    Archive, Bundle, BundleError, BundleWriter, Ending, Head, MergeError, Part, merge, recover, seal, verify,
    verify_content,
};
use herdiff_model::outcome::HostOutcomeKind;
use herdiff_model::pack::Pack;
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use std::io::Cursor;
use std::path::Path;

fn by(operator: &str) -> SweepFacts {
    SweepFacts { operator: operator.into(), ..another() }
}

/// Begun and interrupted, gone on with and killed, gone on with and finished: one host each.
pub(crate) fn journal() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = BundleWriter::start(file, &facts(), &Pack::parse(PACK).unwrap()).unwrap();
    let visits = visits();
    writer.append(&visits[0]).unwrap();
    writer.finish(UnixMillis(9), true).unwrap();
    let (mut writer, _) = BundleWriter::resume(&path, |_| by("ada@ops")).unwrap();
    writer.append(&visits[1]).unwrap();
    drop(writer);
    let (mut writer, resumed) = BundleWriter::resume(&path, |_| by("bob@ops")).unwrap();
    assert_eq!((resumed.facts, resumed.done.len()), (facts(), 2));
    writer.append(&visits[2]).unwrap();
    writer.finish(UnixMillis(29), false).unwrap();
    std::fs::read(&path).unwrap()
}

fn sealed(journal: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    std::fs::write(&path, journal).unwrap();
    seal(&path).unwrap();
    std::fs::read(&path).unwrap()
}

fn operators(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|part| part.facts.operator.as_str()).collect()
}

fn seal_of(bundle: &Bundle) -> String {
    match bundle.ending {
        Ending::Whole { seal, .. } => seal.to_string(),
        Ending::Open { .. } => panic!("no seal"),
    }
}

#[test]
fn both_forms_say_who_went_on_under_one_seal() {
    let journal = journal();
    let sealed = sealed(&journal);
    let (was, is) = (Bundle::read(&*journal).unwrap(), Bundle::read(&*sealed).unwrap());
    for bundle in [&was, &is] {
        assert_eq!(operators(&bundle.parts), ["", "ada@ops", "bob@ops"]);
        assert!(bundle.is_of_runs());
        assert_eq!(bundle.facts, facts());
        let interrupted: Vec<_> =
            bundle.parts.iter().map(|part| part.end.map(|end| end.interrupted)).collect();
        assert_eq!(interrupted, [Some(true), None, Some(false)], "killed is no end");
        assert_eq!(bundle.snapshots.iter().map(|host| host.part).collect::<Vec<_>>(), [0, 1, 2]);
    }
    assert_eq!((told_visits(&was), seal_of(&was), &was.parts), (told_visits(&is), seal_of(&is), &is.parts));
    for file in [&journal, &sealed] {
        assert_eq!(verify(Cursor::new(file)).unwrap().hosts, 3);
        assert_eq!(verify_content(Cursor::new(file)).unwrap(), [] as [&str; 0]);
    }
    let mut archive = Archive::open(Cursor::new(&sealed)).unwrap().unwrap();
    assert!((0..3).all(|host| archive.prove(host).unwrap().unwrap().holds()));
    assert!(herdiff_model::bundle::prove(&was, "web-02").unwrap().unwrap()[0].holds());
}

#[test]
fn a_sealed_sweep_of_several_runs_goes_on_and_keeps_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    std::fs::write(&path, sealed(&journal())).unwrap();
    let (mut writer, resumed) = BundleWriter::resume(&path, |_| by("eve@ops")).unwrap();
    assert_eq!(resumed.done.len(), 3);
    writer.append(&fleet(1)[0]).unwrap();
    writer.finish(UnixMillis(39), false).unwrap();
    let file = sealed(&std::fs::read(&path).unwrap());
    let bundle = Bundle::read(&*file).unwrap();
    assert_eq!(operators(&bundle.parts), ["", "ada@ops", "bob@ops", "eve@ops"]);
    assert_eq!(bundle.parts[2].end.unwrap().finished, UnixMillis(29));
    assert_eq!(bundle.snapshots.iter().map(|host| host.part).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn who_adds_nothing_has_not_gone_on_with_it_unless_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    let whole = journal();
    std::fs::write(&path, &whole).unwrap();
    drop(BundleWriter::resume(&path, |_| by("eve@ops")).unwrap());
    let left = std::fs::read(&path).unwrap();
    assert!(whole.starts_with(&left));
    assert_eq!(operators(&Bundle::read(&*left).unwrap().parts), ["", "ada@ops", "bob@ops"]);
    let (writer, _) = BundleWriter::resume(&path, |_| by("eve@ops")).unwrap();
    writer.finish(UnixMillis(49), false).unwrap();
    let bundle = Bundle::read(&*std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(operators(&bundle.parts), ["", "ada@ops", "bob@ops", "eve@ops"]);
}

#[test]
fn merged_its_runs_are_sweeps_of_their_own() {
    let bundle = Bundle::read(&*journal()).unwrap();
    let facts = SweepFacts { transport: "merge".into(), ..SweepFacts::default() };
    let load = |_| Ok::<_, MergeError>(bundle.clone());
    let (file, _) = merge(&[Head::of(&bundle)], &facts, UnixMillis(99), Vec::new(), load).unwrap();
    let merged = Bundle::read(&*file).unwrap();
    assert_eq!(operators(&merged.parts), ["", "ada@ops", "bob@ops"]);
    assert!(!merged.is_of_runs());
    assert_eq!(merged.snapshots.iter().map(|host| host.part).collect::<Vec<_>>(), [0, 1, 2]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sweep.herd");
    std::fs::write(&path, file).unwrap();
    assert!(matches!(BundleWriter::resume(&path, |_| by("eve@ops")), Err(BundleError::Merged)));
}

fn recovered(file: &[u8]) -> (Bundle, herdiff_model::bundle::Recovered) {
    let recovery = |facts: &SweepFacts| SweepFacts { transport: "recovery".into(), ..facts.clone() };
    let (file, report) = recover(Cursor::new(file), Vec::new(), recovery).unwrap();
    (Bundle::read(&*file).unwrap(), report)
}

#[test]
fn of_a_lost_frame_it_is_known_what_it_was() {
    let whole = journal();
    // Sweep, sweep, host, run, host, run, host, end.
    let (_, all) = frames(&whole);
    assert_eq!(all.iter().map(|frame| frame[8]).collect::<Vec<_>>(), [1, 1, 2, 9, 2, 9, 2, 3]);
    let start = |frame: usize| 16 + all[..frame].concat().len();
    for frame in 0..all.len() {
        let mut damaged = whole.clone();
        damaged[start(frame) + 60] ^= 1;
        assert!(matches!(Bundle::read(&*damaged), Err(BundleError::Damaged { .. })), "{frame}");
        assert!(verify(Cursor::new(&damaged)).is_err(), "{frame}");
        let (bundle, report) = recovered(&damaged);
        assert_eq!((report.damage.len(), report.hosts, report.nameless), (1, 3, 0), "{frame}");
        let of: Vec<_> = bundle.snapshots.iter().map(|host| (host.host.as_str(), host.part)).collect();
        assert_eq!(of, [("web-01", 0), ("web-02", 1), ("web-03", 2)], "{frame}");
        let lost: Vec<_> =
            bundle.snapshots.iter().filter(|host| host.outcome.kind == HostOutcomeKind::Unknown).collect();
        assert_eq!(lost.len(), usize::from(all[frame][8] == 2), "{frame}");
        let unknown = "unknown: what told it is damaged";
        let expected = match frame {
            3 => ["", unknown, "bob@ops"],
            5 => ["", "ada@ops", unknown],
            _ => ["", "ada@ops", "bob@ops"],
        };
        assert_eq!(operators(&bundle.parts), expected, "{frame}");
        assert_eq!(bundle.parts[0].end.is_some(), frame != 3, "{frame}");
        assert_eq!(bundle.parts[2].end.is_some(), frame != 7, "{frame}");
    }
    // A host and the run behind it: the host is lost with its name, the run is no host.
    let mut damaged = whole.clone();
    damaged[start(2) + 60] ^= 1;
    damaged[start(3) + 60] ^= 1;
    let (_, report) = recovered(&damaged);
    assert_eq!((report.hosts, report.nameless), (2, 1));
}

#[test]
fn frames_of_runs_cannot_be_left_out_or_moved() {
    let whole = journal();
    let (preamble, all) = frames(&whole);
    for order in [&[0, 1, 2, 4, 5, 6, 7][..], &[0, 1, 2, 5, 4, 3, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 3]] {
        let body: Vec<u8> = order.iter().flat_map(|&frame: &usize| all[frame].iter().copied()).collect();
        let file = [preamble, &body].concat();
        assert!(matches!(Bundle::read(&*file), Err(BundleError::Damaged { .. })), "{order:?}");
        assert!(verify(Cursor::new(&file)).is_err(), "{order:?}");
    }
}

#[test]
fn a_bundle_that_lies_about_its_runs_is_not_gone_on_with() {
    let bundle = Bundle::read(&*journal()).unwrap();
    let resumed = |facts: &SweepFacts, parts: &[Part], of: [u32; 3]| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sweep.herd");
        write(&path, &bundle, facts, parts, of);
        let before = std::fs::read(&path).unwrap();
        let result = BundleWriter::resume(&path, |_| by("eve@ops")).map(drop);
        if result.is_err() {
            assert_eq!(std::fs::read(&path).unwrap(), before);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        }
        result
    };
    assert!(resumed(&bundle.facts, &bundle.parts, [0, 1, 2]).is_ok());
    assert!(matches!(resumed(&by("other"), &bundle.parts, [0, 1, 2]), Err(BundleError::Merged)));
    assert!(matches!(resumed(&bundle.facts, &bundle.parts[..1], [0, 0, 0]), Err(BundleError::Merged)));
    for of in [[0, 2, 1], [0, 1, 3]] {
        let error = resumed(&bundle.facts, &bundle.parts, of).unwrap_err().to_string();
        assert!(error.contains("in the order of its runs"), "{error}");
    }
}

fn write(path: &Path, bundle: &Bundle, facts: &SweepFacts, parts: &[Part], of: [u32; 3]) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = herdiff_model::bundle::SealedWriter::start(file, facts, &bundle.pack, parts).unwrap();
    for (number, part) in of.into_iter().enumerate() {
        writer.append(&bundle.visit(number).unwrap(), part).unwrap();
    }
    let Ending::Whole { end, .. } = bundle.ending else { panic!() };
    writer.finish(end).unwrap();
}

//! Bundles whose every digest is right and which lie all the same, as a hostile writer would make them. Digests of frames stop
//! accidents; what is tried here stands behind them.

use super::frame::{FrameKind, FrameReader, FrameWriter, PREAMBLE};
use super::wire::{FramePayload, HostPayload, IndexPayload, LastPayload, SweepPayload, VisitPayload};
use super::{
    Archive, Bundle, BundleError, BundleWriter, Digest, Part, SealedWriter, codec, content, prove, read,
    verify, verify_content,
};
use crate::outcome::HostOutcome;
use crate::pack::Pack;
use crate::row::RowBatch;
use crate::snapshot::Receipt;
use crate::sweep::{SweepEnd, SweepFacts};
use crate::visit::{Answer, Visit};
use std::io::Cursor;

pub(super) fn visits() -> Vec<Visit> {
    let visit = |n: u32| {
        let mut batch = RowBatch::new(&["name".into(), "size".into()]);
        batch.push(&["everywhere", "1"]);
        batch.push(&[format!("of {n}").as_str(), "2"]);
        Visit {
            host: format!("web-{n}").into(),
            herd: "web".into(),
            outcome: HostOutcome::ok(),
            receipt: Receipt::default(),
            answers: vec![Answer::Rows { batches: vec![batch], unread: Vec::new(), cut: None }],
        }
    };
    (0..130).map(visit).collect()
}

pub(super) fn pack() -> Pack {
    Pack::of_names(["files".into()])
}

/// A frame as it is written: what it is, and its payload.
pub(super) struct Piece {
    pub(super) kind: FrameKind,
    pub(super) packed: codec::Packed,
}

impl Piece {
    pub(super) fn of(kind: FrameKind, value: &impl serde::Serialize) -> Self {
        Self { kind, packed: codec::pack(value).unwrap() }
    }
}

/// The frames of a file, and its index.
pub(super) fn taken_apart(file: &[u8]) -> (Vec<Piece>, Option<IndexPayload>) {
    let mut source = file;
    let preamble = read::preamble(&mut source).unwrap();
    let mut frames = FrameReader::after(preamble, source);
    let (mut pieces, mut index) = (Vec::new(), None);
    while index.is_none() {
        let Some(frame) = frames.next().unwrap() else { break };
        if frame.kind == FrameKind::Index {
            index = Some(read::payload(&frame).unwrap());
        } else {
            let packed = codec::Packed { bytes: frame.payload, unpacked: u64::from(frame.unpacked) };
            pieces.push(Piece { kind: frame.kind, packed });
        }
    }
    (pieces, index)
}

/// Writes frames with their right digests, and an index that has them too where `told` is set.
pub(super) fn put_together(file: &[u8], pieces: &[Piece], index: Option<(IndexPayload, bool)>) -> Vec<u8> {
    let tag = file[PREAMBLE - 4..PREAMBLE].try_into().unwrap();
    let mut frames = FrameWriter::start(Vec::new(), tag).unwrap();
    let written: Vec<_> =
        pieces.iter().map(|piece| frames.write(piece.kind, &piece.packed).unwrap()).collect();
    let Some((mut index, told)) = index else { return frames.into_inner() };
    if told {
        for (frame, written) in index.frames.iter_mut().zip(written) {
            (frame.stored, frame.digest) = (written.stored, written.digest.0);
        }
    }
    let written = frames.write(FrameKind::Index, &codec::pack(&index).unwrap()).unwrap();
    let mut file = frames.into_inner();
    file.extend(super::seal::trailer(written.offset));
    file
}

fn sealed() -> Vec<u8> {
    let mut writer = SealedWriter::start(Vec::new(), &SweepFacts::default(), &pack(), &[]).unwrap();
    visits().iter().for_each(|visit| {
        writer.append(visit, 0).unwrap();
    });
    writer.finish(SweepEnd::default()).unwrap().0
}

pub(super) fn journal() -> Vec<u8> {
    let mut writer = BundleWriter::start(Vec::new(), &SweepFacts::default(), &pack()).unwrap();
    visits().iter().take(3).for_each(|visit| writer.append(visit).unwrap());
    writer.finish(crate::sweep::UnixMillis(9), false).unwrap().0
}

/// A sealed bundle in which something is another.
fn forged(told: bool, lie: impl FnOnce(&mut Vec<Piece>, &mut IndexPayload)) -> Vec<u8> {
    let whole = sealed();
    let (mut pieces, index) = taken_apart(&whole);
    let mut index = index.unwrap();
    lie(&mut pieces, &mut index);
    put_together(&whole, &pieces, Some((index, told)))
}

pub(super) fn why<T>(result: Result<T, BundleError>) -> String {
    match result {
        Err(BundleError::Damaged { why, .. }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => "nothing".into(),
    }
}

pub(super) fn opened(file: &[u8]) -> Result<Archive<Cursor<&[u8]>>, BundleError> {
    Archive::open(Cursor::new(file)).map(|archive| archive.unwrap())
}

#[test]
fn what_is_only_put_together_again_is_in_order() {
    let file = forged(true, |_, _| {});
    assert_eq!(Bundle::read(&*file).unwrap().snapshots.len(), 130);
    assert!(opened(&file).unwrap().host(129).unwrap().is_some());
    let whole = journal();
    let (pieces, _) = taken_apart(&whole);
    assert_eq!(put_together(&whole, &pieces, None), whole);
}

#[test]
fn a_frame_that_is_not_the_one_of_the_index_is_refused_in_every_way_of_reading() {
    // As long, and with a right digest, but another one than the index tells of.
    let file = forged(false, |pieces, _| {
        pieces
            .iter_mut()
            .filter(|piece| piece.kind != FrameKind::Sealed)
            .for_each(|piece| piece.packed.unpacked += 1);
    });
    let lie = "it is not the frame that the index tells of";
    assert_eq!(why(opened(&file).unwrap().host(0)), lie);
    assert_eq!(why(opened(&file).unwrap().hosts()), lie);
    assert_eq!(why(verify(Cursor::new(&file))), "it does not fit the frames before it");
}

#[test]
fn an_index_of_other_frames_is_refused() {
    let lies: [fn(&mut IndexPayload); 4] = [
        |index| index.frames[1].stored += 1,
        |index| {
            let _ = index.frames.pop();
        },
        |index| index.frames[0].digest[0] ^= 1,
        |index| {
            let more: FramePayload = index.frames[1].clone();
            index.frames.push(more);
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let file = forged(false, |_, index| lie(index));
        assert_eq!(why(opened(&file).map(drop)), "it does not fit the frames before it", "{number}");
        assert_eq!(why(verify(Cursor::new(&file))), "it does not fit the frames before it", "{number}");
        assert_eq!(why(Bundle::read(&*file)), "it does not fit the frames before it", "{number}");
    }
    // What only says of which query or which hosts a frame is.
    let lies: [fn(&mut FramePayload); 3] =
        [|frame| frame.query += 1, |frame| frame.first += 1, |frame| frame.hosts += 1];
    for (number, lie) in lies.into_iter().enumerate() {
        let file = forged(false, |_, index| {
            index.frames.iter_mut().filter(|frame| frame.kind == FrameKind::Common as u8).for_each(lie);
        });
        assert_eq!(why(verify(Cursor::new(&file))), "it does not fit the frames before it", "{number}");
    }
}

#[test]
fn names_and_seals_that_are_not_those_of_the_hosts_are_refused() {
    let file = forged(true, |_, index| index.hosts[1].0 = "web-7".into());
    assert_eq!(why(Bundle::read(&*file)), "its names are not those of the hosts");
    let lies: [fn(&mut IndexPayload); 3] =
        [|index| index.seal[0] ^= 1, |index| index.leaves[0] ^= 1, |index| index.end.interrupted = true];
    for (number, lie) in lies.into_iter().enumerate() {
        let file = forged(true, |_, index| lie(index));
        for told in [why(Bundle::read(&*file)), why(opened(&file).map(drop)), why(verify(Cursor::new(&file)))]
        {
            assert_eq!(told, "its seal does not fit the hosts", "{number}");
        }
    }
    let file = forged(true, |_, index| drop(index.hosts.pop()));
    assert_eq!(why(opened(&file).map(drop)), "it does not have a name and a digest for each host");
}

#[test]
fn hosts_that_do_not_follow_each_other_are_refused() {
    let file = forged(true, |pieces, _| {
        let place = pieces.iter().position(|piece| piece.kind == FrameKind::Hosts).unwrap();
        let unpacked = pieces[place].packed.unpacked;
        let (_, hosts): (u32, Vec<HostPayload>) =
            codec::unpack(&pieces[place].packed.bytes, unpacked).unwrap();
        pieces[place] = Piece::of(FrameKind::Hosts, &(1u32, hosts));
    });
    assert_eq!(why(Bundle::read(&*file)), "its hosts do not follow those before");
}

#[test]
fn a_journal_that_lies_about_its_end_is_refused() {
    let whole = journal();
    type Lie = fn(&mut LastPayload);
    let lies: [(Lie, &str); 3] = [
        (|last| last.end.hosts += 1, "it ends with 4 hosts, and 3 are in it"),
        (|last| last.seal[0] ^= 1, "its seal does not fit the hosts"),
        (|last| last.end.finished_ms += 1, "its seal does not fit the hosts"),
    ];
    for (lie, told) in lies {
        let (mut pieces, _) = taken_apart(&whole);
        let end = pieces.pop().unwrap();
        let mut last: LastPayload = codec::unpack(&end.packed.bytes, end.packed.unpacked).unwrap();
        lie(&mut last);
        pieces.push(Piece::of(FrameKind::End, &last));
        let file = put_together(&whole, &pieces, None);
        assert_eq!(why(Bundle::read(&*file)), told);
        assert_eq!(why(verify(Cursor::new(&file))), told);
    }
}

/// A journal in which the first host's leaf is not that of its rows; everything else fits.
fn journal_with_another_leaf() -> Vec<u8> {
    let whole = journal();
    let (mut pieces, _) = taken_apart(&whole);
    let mut leaves = Vec::new();
    for piece in pieces.iter_mut().filter(|piece| piece.kind == FrameKind::Visit) {
        let mut visit: VisitPayload = codec::unpack(&piece.packed.bytes, piece.packed.unpacked).unwrap();
        if leaves.is_empty() {
            visit.leaf[0] ^= 1;
        }
        leaves.push(Digest(visit.leaf));
        *piece = Piece::of(FrameKind::Visit, &visit);
    }
    let end = pieces.pop().unwrap();
    let mut last: LastPayload = codec::unpack(&end.packed.bytes, end.packed.unpacked).unwrap();
    let sweep = content::of_sweep(&SweepPayload::of(&SweepFacts::default(), &pack())).unwrap();
    last.seal = content::seal(sweep, &last.end, &leaves).unwrap().0;
    pieces.push(Piece::of(FrameKind::End, &last));
    put_together(&whole, &pieces, None)
}

#[test]
fn rows_that_are_not_those_of_the_leaf_are_noticed_when_they_are_looked_at() {
    let file = journal_with_another_leaf();
    assert!(verify(Cursor::new(&file)).is_ok());
    assert_eq!(verify_content(Cursor::new(&file)).unwrap(), ["web-0"]);
    assert_eq!(prove(&Bundle::read(&*file).unwrap(), "web-0").unwrap(), None);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.herd");
    std::fs::write(&path, &file).unwrap();
    assert_eq!(why(super::seal(&path)), "its rows are not those that its digest stands for");
    assert_eq!(std::fs::read(&path).unwrap(), file);
}

#[test]
fn a_merged_bundle_is_not_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.herd");
    let part = Part { facts: SweepFacts::default(), end: None, seal: None };
    let writer = SealedWriter::start(Vec::new(), &SweepFacts::default(), &pack(), &[part]).unwrap();
    std::fs::write(&path, writer.finish(SweepEnd::default()).unwrap().0).unwrap();
    assert!(matches!(BundleWriter::resume(&path, |_| SweepFacts::default()), Err(BundleError::Merged)));
}

#[test]
fn a_payload_is_as_long_as_it_says_and_holds_nothing_else() {
    let packed = codec::pack(&7u64).unwrap();
    assert_eq!(codec::unpack::<u64>(&packed.bytes, packed.unpacked), Ok(7));
    assert!(codec::unpack::<u64>(&packed.bytes, packed.unpacked - 1).unwrap_err().contains("length"));
    assert!(codec::unpack::<u64>(&packed.bytes, packed.unpacked + 1).unwrap_err().contains("length"));
    let more = codec::pack(&(7u64, 8u64)).unwrap();
    assert!(codec::unpack::<u64>(&more.bytes, more.unpacked).unwrap_err().contains("more"));
}

#[test]
fn a_second_sweep_or_a_segment_in_a_journal_is_refused() {
    let place = "it has no place here";
    let other = SweepFacts { operator: "mallory".into(), ..SweepFacts::default() };
    let file = forged(true, |pieces, _| {
        let last = pieces.iter().rposition(|piece| piece.kind == FrameKind::Sealed).unwrap();
        pieces[last] = Piece::of(FrameKind::Sealed, &SweepPayload::of(&other, &pack()));
    });
    let journal_with = |at: usize, piece: Piece| {
        let whole = journal();
        let (mut pieces, _) = taken_apart(&whole);
        pieces[at] = piece;
        put_together(&whole, &pieces, None)
    };
    let sweep = journal_with(1, Piece::of(FrameKind::Sweep, &SweepPayload::of(&other, &pack())));
    let hosts = journal_with(2, Piece::of(FrameKind::Hosts, &(0u32, Vec::<HostPayload>::new())));
    let segment = journal_with(2, Piece { kind: FrameKind::Own, packed: codec::pack(&0u8).unwrap() });
    for file in [file, sweep, hosts, segment] {
        assert_eq!(why(Bundle::read(&*file)), place);
        assert_eq!(why(verify(Cursor::new(&file))), place);
    }
}

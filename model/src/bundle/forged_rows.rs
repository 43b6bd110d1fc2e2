//! Segments of rows that lie about whose they are, or take more memory than a file may, with every digest right.

use super::column::Output;
use super::forged::{Piece, opened, pack, put_together, taken_apart, why};
use super::frame::{Frame, FrameKind, FrameReader};
use super::segment::About;
use super::unseal::{self, Budget};
use super::wire::{FramePayload, HostPayload, IndexPayload, QueryPayload};
use super::{Bundle, SealedWriter, codec, read};
use crate::outcome::HostOutcome;
use crate::row::RowBatch;
use crate::snapshot::{QueryId, Receipt};
use crate::sweep::{SweepEnd, SweepFacts};
use crate::visit::{Answer, Visit};

/// Hosts that have one row in common and one, so long, of their own.
fn sealed(hosts: usize, common: usize, own: usize) -> Vec<u8> {
    let mut writer = SealedWriter::start(Vec::new(), &SweepFacts::default(), &pack(), &[]).unwrap();
    for host in 0..hosts {
        let mut batch = RowBatch::new(&["name".into()]);
        if common > 0 {
            batch.push(&["x".repeat(common)]);
        }
        if own > 0 {
            batch.push(&[format!("{}{host}", "x".repeat(own))]);
        }
        let answers = vec![Answer::Rows { batches: vec![batch], unread: Vec::new(), cut: None }];
        let visit = Visit {
            host: format!("h{host}").into(),
            herd: "web".into(),
            outcome: HostOutcome::ok(),
            receipt: Receipt::default(),
            answers,
        };
        writer.append(&visit, 0).unwrap();
    }
    writer.finish(SweepEnd::default()).unwrap().0
}

/// A bundle in which one segment says that it is about other hosts, and the index agrees.
fn about(whole: &[u8], frame: usize, first: u32) -> Vec<u8> {
    let (mut pieces, index) = taken_apart(whole);
    let mut index = index.unwrap();
    let told: &mut FramePayload = &mut index.frames[frame];
    let was = About { query: told.query, first: told.first, hosts: told.hosts };
    told.first = first;
    let head = |first: u32| {
        let mut output = Output::new(&codec::Squeezer::new().unwrap());
        [was.query, first, was.hosts].into_iter().for_each(|number| output.number(u64::from(number)));
        output.into_bytes()
    };
    let packed = &mut pieces[frame].packed;
    let rest = packed.bytes.strip_prefix(&head(was.first)[..]).unwrap();
    packed.bytes = [&head(first), rest].concat();
    put_together(whole, &pieces, Some((index, true)))
}

fn place(whole: &[u8], kind: FrameKind, first: u32) -> usize {
    let index = taken_apart(whole).1.unwrap();
    index.frames.iter().position(|frame| frame.kind == kind as u8 && frame.first == first).unwrap()
}

#[test]
fn rows_of_a_block_are_not_given_to_hosts_of_another() {
    let whole = sealed(1030, 5, 9);
    let unfit = "its rows do not fit together";
    let own = |first| place(&whole, FrameKind::Own, first);
    assert!(Bundle::read(&*about(&whole, own(896), 896)).is_ok(), "nothing is another");
    for (frame, first) in [
        // Beginning in its block and ending in the next.
        (own(896), 900),
        // Beginning in the block before.
        (own(1024), 1020),
        (own(1024), 0),
        // Beginning behind its block.
        (own(896), 1024),
    ] {
        let file = about(&whole, frame, first);
        assert_eq!(why(Bundle::read(&*file)), unfit, "{first}");
        assert_eq!(why(opened(&file).unwrap().query(QueryId(0))), unfit, "{first}");
    }
    // The bounds of its own block are no others.
    assert!(Bundle::read(&*about(&whole, own(896), 0)).is_ok(), "rows of other hosts, which the leaves tell");
}

/// A bundle in which every host says that a query failed of which it has rows.
fn failed_with_rows() -> Vec<u8> {
    let whole = sealed(5, 5, 9);
    let (mut pieces, index) = taken_apart(&whole);
    let place = pieces.iter().position(|piece| piece.kind == FrameKind::Hosts).unwrap();
    let packed = &pieces[place].packed;
    let (first, mut hosts): (u32, Vec<HostPayload>) = codec::unpack(&packed.bytes, packed.unpacked).unwrap();
    for host in &mut hosts {
        host.queries[0] = QueryPayload::Failed { kind: 1, detail: String::new() };
    }
    pieces[place] = Piece::of(FrameKind::Hosts, &(first, hosts));
    let index: IndexPayload = index.unwrap();
    put_together(&whole, &pieces, Some((index, true)))
}

#[test]
fn a_query_that_failed_has_no_rows_however_it_is_read() {
    let file = failed_with_rows();
    assert_eq!(why(Bundle::read(&*file)), "hosts and rows do not fit together");
    let mut archive = opened(&file).unwrap();
    assert_eq!(why(archive.host(0)), "its rows do not fit together");
    assert_eq!(why(archive.query(QueryId(0))), "hosts and rows do not fit together");
    assert_eq!(why(archive.each_visit(|_, _| Ok(()))), "hosts and rows do not fit together");
}

/// The segments of a file.
fn segments(file: &[u8]) -> Vec<Frame> {
    let mut source = file;
    let preamble = read::preamble(&mut source).unwrap();
    let mut frames = FrameReader::after(preamble, source);
    let mut segments = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        match frame.kind {
            FrameKind::Common | FrameKind::Own => segments.push(frame),
            FrameKind::Index => break,
            _ => {}
        }
    }
    segments
}

#[test]
fn rows_take_no_more_memory_than_a_file_may() {
    const MEBIBYTE: usize = 1 << 20;
    let whole = |file: &[u8], hosts, budget: usize| {
        unseal::query(&segments(file), hosts, &Budget::of(budget as u64)).is_ok()
    };
    let one = |file: &[u8], budget: usize| {
        let mut visit = opened(file).unwrap().host(0).unwrap().unwrap();
        let Answer::Rows { batches, .. } = &mut visit.answers[0] else { panic!() };
        batches.clear();
        unseal::fill(&mut visit, 0, &segments(file), &Budget::of(budget as u64)).is_ok()
    };
    // Whoever draws on it draws a mebibyte at a time: cells, and which hosts have them.
    let common = sealed(5, 5, 0);
    assert!(whole(&common, 5, 2 * MEBIBYTE) && !whole(&common, 5, 2 * MEBIBYTE - 1));
    assert!(one(&common, MEBIBYTE) && !one(&common, MEBIBYTE - 1));
    let own = sealed(2, 0, MEBIBYTE * 6 / 10);
    assert!(whole(&own, 2, 2 * MEBIBYTE) && !whole(&own, 2, 2 * MEBIBYTE - 1));
    assert!(one(&own, MEBIBYTE) && !one(&own, MEBIBYTE - 1));
    let long = sealed(3, 3 * MEBIBYTE, 0);
    assert!(whole(&long, 3, 5 * MEBIBYTE) && !whole(&long, 3, 3 * MEBIBYTE));
    // A file of no length is as good as another to begin with.
    assert!(whole(&common, 5, 1 << 28));
}

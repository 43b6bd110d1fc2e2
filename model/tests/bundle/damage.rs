//! Damage: every byte of small bundles, in both forms; what is intact is saved and what is lost is unknown.

use crate::fleet::{facts, fleet, frames, sealed, sealed_of, told_visit, told_visits, written};
use herdiff_model::bundle::{Archive, Bundle, BundleError, Recovered, recover, verify, verify_content};
use herdiff_model::outcome::{HostOutcomeKind, QueryFailureKind};
use herdiff_model::sweep::SweepFacts;
use herdiff_model::visit::{Answer, Visit};
use std::io::Cursor;

/// What is told of a host: as before, or less. Rows that are there must have been there before, and what is not there must
/// be unknown.
fn is_same_or_unknown(was: &Visit, is: &Visit) -> bool {
    if told_visit(was) == told_visit(is) {
        return true;
    }
    let rows = |answer: &Answer| -> Vec<String> {
        let Answer::Rows { batches, .. } = answer else { return Vec::new() };
        let row = |row: herdiff_model::row::Row<'_>| format!("{:?}", row.iter().collect::<Vec<_>>());
        batches.iter().flat_map(|batch| batch.rows().map(row)).collect()
    };
    let lost = is.outcome.kind == HostOutcomeKind::Unknown;
    was.answers.iter().zip(&is.answers).all(|(was, is)| {
        let known = rows(was);
        match is {
            Answer::Failed(failure) if failure.kind == QueryFailureKind::Unknown => true,
            Answer::Failed(_) => matches!(was, Answer::Failed(_)),
            Answer::Rows { unread, .. } => {
                let now = rows(is);
                let all = now.len() == known.len();
                now.iter().all(|row| known.contains(row)) && ((all && !lost) || !unread.is_empty())
            }
        }
    })
}

fn recovery(facts: &SweepFacts) -> SweepFacts {
    SweepFacts { tool: "recovery".into(), ..facts.clone() }
}

fn recovered(file: &[u8]) -> Result<(Bundle, Recovered), BundleError> {
    let (bytes, recovered) = recover(Cursor::new(file), Vec::new(), recovery)?;
    assert_eq!(verify_content(Cursor::new(&bytes)).unwrap(), [] as [&str; 0]);
    Ok((Bundle::read(&*bytes).unwrap(), recovered))
}

#[test]
fn no_flipped_bit_of_a_sealed_bundle_goes_unnoticed_by_anybody() {
    let whole = sealed();
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[position] ^= 1 << bit;
            let read = Bundle::read(&*damaged);
            assert!(read.is_err(), "bit {bit} of byte {position}");
            assert!(verify(Cursor::new(&damaged)).is_err(), "bit {bit} of byte {position}");
            // In parts, what is read is right or refused.
            if let Ok(Some(mut archive)) = Archive::open(Cursor::new(&damaged)) {
                let truth = Bundle::read(&*whole).unwrap();
                for number in 0..3 {
                    if let Ok(Some(visit)) = archive.host(number) {
                        assert_eq!(told_visit(&visit), told_visit(&truth.visit(number).unwrap()));
                    }
                }
            }
        }
    }
}

#[test]
fn no_cut_of_a_sealed_bundle_goes_unnoticed() {
    let whole = sealed();
    for length in 0..whole.len() {
        let cut = &whole[..length];
        let error = Bundle::read(cut).unwrap_err();
        assert!(matches!(error, BundleError::NotABundle | BundleError::Damaged { .. }), "{error}");
        assert!(verify(Cursor::new(cut)).is_err());
        assert!(!matches!(Archive::open(Cursor::new(cut)), Ok(Some(_))));
    }
    assert!(Bundle::read(&*[&whole[..], b"x"].concat()).is_err(), "nothing may follow");
}

#[test]
fn whatever_byte_is_changed_what_is_saved_is_true() {
    for whole in [written(), sealed(), crate::runs::journal()] {
        let truth = Bundle::read(&*whole).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x55;
            match recovered(&damaged) {
                Ok((bundle, report)) => {
                    assert_eq!(report.hosts as usize, bundle.snapshots.len());
                    assert_eq!(
                        report.hosts + report.nameless,
                        3,
                        "byte {position}: nobody is lost in silence"
                    );
                    assert_eq!(report.intact + report.lost.len() as u64, report.hosts);
                    for number in 0..bundle.snapshots.len() {
                        let is = bundle.visit(number).unwrap();
                        let was = (0..3).filter_map(|n| truth.visit(n)).find(|was| was.host == is.host);
                        assert!(
                            is_same_or_unknown(&was.unwrap(), &is),
                            "byte {position}: {}",
                            told_visit(&is)
                        );
                    }
                }
                // Nothing is left of the first bytes that says what this is.
                Err(error) => assert!(position < 32, "byte {position}: {error}"),
            }
        }
    }
}

#[test]
fn a_damaged_journal_frame_costs_one_host_and_not_its_name() {
    let whole = written();
    let starts: Vec<usize> = (0..=5).map(|n| 16 + frames(&whole).1[..n].concat().len()).collect();
    for host in 0..3 {
        let mut damaged = whole.clone();
        damaged[starts[2 + host] + 60] ^= 1;
        let error = Bundle::read(&*damaged).unwrap_err();
        let BundleError::Damaged { frame, offset, .. } = error else { panic!("{error}") };
        assert_eq!((frame, offset), (2 + host as u64, starts[2 + host] as u64));
        let (bundle, report) = recovered(&damaged).unwrap();
        assert_eq!((report.hosts, report.intact, report.nameless, report.lost.len()), (3, 2, 0, 1));
        let names: Vec<_> = bundle.snapshots.iter().map(|host| host.host.as_str()).collect();
        assert_eq!(names, ["web-01", "web-02", "web-03"]);
        assert_eq!(report.lost[0].host, names[host]);
        assert_eq!(bundle.snapshots[host].outcome.kind, HostOutcomeKind::Unknown);
        assert_eq!(bundle.facts.tool, "recovery");
        assert_eq!(bundle.parts[0].facts, facts());
        assert_eq!((report.damage.len(), report.damage[0].offset), (1, starts[2 + host] as u64));
    }
}

#[test]
fn a_damaged_segment_of_a_sealed_bundle_costs_one_query_of_some_hosts() {
    let visits = fleet(150);
    let (whole, _) = sealed_of(&visits);
    let truth = Bundle::read(&*whole).unwrap();
    let body = &whole[..whole.len() - 16];
    let mut start = 16;
    let mut seen = std::collections::BTreeSet::new();
    for (number, frame) in frames(body).1.iter().enumerate() {
        let mut damaged = whole.clone();
        damaged[start + 60] ^= 1;
        start += frame.len();
        let (bundle, report) = recovered(&damaged).unwrap();
        assert_eq!((report.damage.len(), report.damage[0].frame), (1, number as u64));
        assert_eq!((report.hosts, report.nameless), (150, 0));
        let kind = frame[8];
        let expected: &[u64] = match kind {
            // What was swept stands twice, the index can be made again.
            7 | 8 => &[0],
            // A group of hosts.
            4 | 6 => &[128, 22],
            // All hosts that had rows of it.
            _ => &[150, 100],
        };
        assert!(
            expected.contains(&(150 - report.intact)),
            "frame {number} of kind {kind}: {}",
            report.intact
        );
        for (n, was) in visits.iter().enumerate() {
            assert!(is_same_or_unknown(was, &bundle.visit(n).unwrap()), "frame {number}");
        }
        if kind == 4 {
            // Whose rows these are stands in the index, too.
            let lost: Vec<_> = bundle
                .snapshots
                .iter()
                .filter(|host| host.outcome.kind == HostOutcomeKind::Unknown)
                .collect();
            assert_eq!(lost.len() as u64, 150 - report.intact);
            assert!(lost.iter().all(|host| host.queries[0].rows().is_some_and(|rows| rows.ids.len() > 20)));
        }
        if report.intact == 150 {
            assert_eq!(told_visits(&bundle), told_visits(&truth));
        }
        seen.insert(kind);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
}

#[test]
fn where_the_index_is_lost_too_nothing_that_is_gone_counts_as_absent() {
    let visits = fleet(150);
    let (whole, _) = sealed_of(&visits);
    let (preamble, all) = frames(&whole[..whole.len() - 16]);
    let start = |frame: usize| preamble.len() + all[..frame].concat().len();
    let index = all.len() - 1;
    for frame in (0..index).filter(|&frame| matches!(all[frame][8], 5 | 6)) {
        let mut damaged = whole.clone();
        damaged[start(frame) + 60] ^= 1;
        damaged[start(index) + 60] ^= 1;
        let (bundle, report) = recovered(&damaged).unwrap();
        assert_eq!((report.damage.len(), report.hosts), (2, 150), "{frame}");
        assert!(report.intact < 150, "{frame}");
        for (n, was) in visits.iter().enumerate() {
            assert!(is_same_or_unknown(was, &bundle.visit(n).unwrap()), "{frame}: {n}");
        }
    }
}

#[test]
fn lost_common_rows_of_one_block_cost_no_other_block() {
    let visits = fleet(1030);
    let (whole, _) = sealed_of(&visits);
    let (_, all) = frames(&whole[..whole.len() - 16]);
    let common: Vec<usize> = (0..all.len()).filter(|&frame| all[frame][8] == 5).collect();
    // Two queries in two blocks.
    assert_eq!(common.len(), 4);
    let start = |frame: usize| 16 + all[..frame].concat().len();
    for (number, hosts) in [(0, 1024), (2, 6)] {
        let mut damaged = whole.clone();
        damaged[start(common[number]) + 60] ^= 1;
        let (bundle, report) = recovered(&damaged).unwrap();
        assert_eq!((report.hosts, report.intact), (1030, 1030 - hosts), "{number}");
        let unknown = bundle.snapshots.iter().filter(|host| host.queries[0].rows().is_none()).count();
        assert_eq!(unknown as u64, hosts);
    }
}

#[test]
fn of_an_old_bundle_the_hosts_before_the_damage_are_saved() {
    let old = include_bytes!("../fixtures/format-0.1.herd");
    let (bundle, report) = recovered(old).unwrap();
    assert_eq!((report.hosts, report.damage.len()), (3, 0));
    assert_eq!(told_visits(&bundle), told_visits(&Bundle::read(&old[..]).unwrap()));
    let mut damaged = old.to_vec();
    let at = old.len() - 150;
    damaged[at] ^= 1;
    let (bundle, report) = recovered(&damaged).unwrap();
    assert!(bundle.snapshots.len() < 3 && report.damage.len() == 1);
}

#[test]
fn hosts_that_are_numbered_too_high_do_not_fill_the_memory() {
    let whole = sealed();
    let (preamble, mut all) = frames(&whole[..whole.len() - 16]);
    // Without an index, what rows say of their hosts is all there is.
    all.pop();
    let frame = all.iter().position(|frame| frame[8] == 5).unwrap();
    let (head, payload) = (&all[frame][..21], &all[frame][53..]);
    // After the query's number, which is one byte, stands that of the first host.
    assert_eq!(payload[1], 0);
    let payload = [&payload[..1], &[0x80, 0xe0, 0xff, 0xff, 0x0f], &payload[2..]].concat();
    let mut head = head.to_vec();
    head[13..17].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let digest = blake3::hash(&[preamble, &head, &payload].concat());
    let forged = [&head[..], digest.as_bytes(), &payload].concat();
    all[frame] = &forged;
    let file = [preamble, &all.concat()].concat();
    let error = recover(Cursor::new(file), Vec::new(), recovery).map(drop).unwrap_err();
    assert!(error.to_string().contains("higher"), "{error}");
}

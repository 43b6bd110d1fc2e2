//! Reads a whole bundle of any version. Every frame is checked before anything in it is believed.

use super::frame::{Frame, FrameKind, FrameReader, PREAMBLE};
use super::index::Index;
use super::runs::Runs;
use super::seal::{self, TRAILER_LENGTH};
use super::segment::About;
use super::unseal::{self, Budget, QueryRows};
use super::wire::{FramePayload, HostPayload, LastPayload, SweepPayload, VisitPayload};
use super::{Bundle, BundleError, Digest, Ending, MAGIC, Part, VERSION, Version, codec, content, v0};
use crate::outcome::{QueryOutcome, RowSet};
use crate::pack::Pack;
use crate::rowtable::{RowId, RowTable};
use crate::snapshot::Snapshot;
use crate::visit::{Answer, Visit};
use std::io::Read;

pub(super) fn read(mut source: impl Read) -> Result<Bundle, BundleError> {
    let (version, preamble) = versioned_preamble(&mut source)?;
    if version == v0::VERSION {
        return v0::read(&preamble, source);
    }
    let mut frames = FrameReader::after(preamble, source);
    let (first, payload, pack) = sweep(&mut frames)?;
    let mut bundle = Bundle::empty(payload.clone(), pack);
    if first.kind == FrameKind::Sealed {
        return sealed(frames, &first, content::of_sweep(&payload)?, bundle);
    }
    let mut runs = Runs::of(payload);
    let mut leaves = Vec::new();
    while let Some(frame) = frames.next()? {
        match frame.kind {
            FrameKind::Sweep if frame.payload == first.payload => {}
            FrameKind::Visit if matches!(bundle.ending, Ending::Open { .. }) => {
                let (visit, leaf) = visit(&frame, bundle.tables.len(), runs.current())?;
                leaves.push(leaf);
                bundle.take(visit, runs.current());
            }
            FrameKind::Run if matches!(bundle.ending, Ending::Open { .. }) => runs.read(&frame)?,
            FrameKind::End if matches!(bundle.ending, Ending::Open { .. }) => {
                bundle.ending = end(&frame, &mut runs, &leaves)?;
            }
            _ => return Err(frame.damaged("it has no place here")),
        }
    }
    if let Ending::Open { offset } = &mut bundle.ending {
        *offset = frames.offset();
    }
    bundle.parts = runs.parts();
    Ok(bundle)
}

/// Reads the rest of a sealed bundle.
fn sealed<R: Read>(
    mut frames: FrameReader<R>,
    sweep: &Frame,
    of_sweep: Digest,
    mut bundle: Bundle,
) -> Result<Bundle, BundleError> {
    let queries = bundle.tables.len();
    let mut segments: Vec<Vec<Frame>> = vec![Vec::new(); queries];
    let mut hosts: Vec<HostPayload> = Vec::new();
    let mut found = vec![FramePayload::of(sweep)];
    while let Some(frame) = frames.next()? {
        if frame.kind == FrameKind::Index {
            let index = Index::read(&frame, of_sweep)?;
            trailer(frames, &frame)?;
            index.check(&frame, &found, &hosts)?;
            let budget = Budget::of_file(frame.offset + frame.len());
            let rows = unseal::queries(&segments, hosts.len(), &budget)?;
            bundle.ending = Ending::Whole { end: index.end.into(), seal: index.seal };
            bundle.fill(hosts, rows).ok_or_else(|| frame.damaged("hosts and rows do not fit together"))?;
            return Ok(bundle);
        }
        found.push(FramePayload::of(&frame));
        match frame.kind {
            FrameKind::Sealed if frame.payload == sweep.payload => {}
            FrameKind::Hosts => {
                let (first, group) = unseal::hosts(&frame, queries)?;
                if first as usize != hosts.len() {
                    return Err(frame.damaged("its hosts do not follow those before"));
                }
                hosts.extend(group);
            }
            FrameKind::Common | FrameKind::Own => {
                let query = About::of(&frame).and_then(|about| segments.get_mut(about.query as usize));
                match query {
                    Some(query) => query.push(frame),
                    None => return Err(frame.damaged("it is about no query of the pack")),
                }
            }
            _ => return Err(frame.damaged("it has no place here")),
        }
    }
    let why = "the file ends before its index".into();
    Err(BundleError::Damaged { frame: u64::from(frames.number()), offset: frames.offset(), why })
}

/// Nothing follows the index but where it starts.
pub(super) fn trailer<R: Read>(frames: FrameReader<R>, index: &Frame) -> Result<(), BundleError> {
    let (frame, offset) = (u64::from(index.number) + 1, frames.offset());
    let mut rest = Vec::new();
    frames.into_inner().take(TRAILER_LENGTH as u64 + 1).read_to_end(&mut rest)?;
    if rest == seal::trailer(index.offset) {
        return Ok(());
    }
    Err(BundleError::Damaged {
        frame,
        offset,
        why: "the last bytes of the file are not what they should be".into(),
    })
}

/// The first bytes of a file that is a bundle which this version can read.
fn versioned_preamble(source: &mut impl Read) -> Result<(Version, [u8; PREAMBLE]), BundleError> {
    let mut preamble = Vec::new();
    source.by_ref().take(PREAMBLE as u64).read_to_end(&mut preamble)?;
    let Ok(preamble) = <[u8; PREAMBLE]>::try_from(preamble) else { return Err(BundleError::NotABundle) };
    let number = |at: usize| preamble.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let (Some(major), Some(minor), true) = (number(8), number(10), preamble.starts_with(&MAGIC)) else {
        return Err(BundleError::NotABundle);
    };
    let version = Version { major, minor };
    let known = version == v0::VERSION || (major == VERSION.major && version <= VERSION);
    if known { Ok((version, preamble)) } else { Err(BundleError::TooNew { found: version, known: VERSION }) }
}

/// The same, of the version that is written.
pub(super) fn preamble(source: &mut impl Read) -> Result<[u8; PREAMBLE], BundleError> {
    let (version, preamble) = versioned_preamble(source)?;
    if version.major == VERSION.major { Ok(preamble) } else { Err(BundleError::TooOld { found: version }) }
}

/// The same, for forms that have an index; `None` for those of earlier versions.
pub(super) fn sealable_preamble(source: &mut impl Read) -> Result<Option<[u8; PREAMBLE]>, BundleError> {
    let (version, preamble) = versioned_preamble(source)?;
    Ok((version.major == VERSION.major).then_some(preamble))
}

pub(super) fn payload<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, BundleError> {
    codec::unpack(&frame.payload, u64::from(frame.unpacked)).map_err(|why| frame.damaged(why))
}

/// The frame that every bundle starts with: what was swept.
pub(super) fn sweep<R: Read>(
    frames: &mut FrameReader<R>,
) -> Result<(Frame, SweepPayload, Pack), BundleError> {
    match frames.next()? {
        Some(frame) if matches!(frame.kind, FrameKind::Sweep | FrameKind::Sealed) => {
            let (sweep, pack) = sweep_of(&frame)?;
            Ok((frame, sweep, pack))
        }
        Some(frame) => Err(frame.damaged("it should say what was swept")),
        None => {
            let why = "the file ends before it says what was swept".into();
            Err(BundleError::Damaged { frame: u64::from(frames.number()), offset: frames.offset(), why })
        }
    }
}

pub(super) fn sweep_of(frame: &Frame) -> Result<(SweepPayload, Pack), BundleError> {
    let payload: SweepPayload = payload(frame)?;
    let pack = pack_of(&payload.pack, &payload.queries);
    let pack = pack.ok_or_else(|| frame.damaged("two of its queries have one name"))?;
    Ok((payload, pack))
}

/// The pack, or where this version understands its text otherwise, its names. `None` where two are the same.
pub(super) fn pack_of(text: &str, names: &[String]) -> Option<Pack> {
    let names_of = || names.iter().map(|name| name.as_str().into());
    let same_names = |pack: &Pack| pack.queries().iter().map(|query| query.name.clone()).eq(names_of());
    let pack = Pack::parse(text).ok().filter(same_names).unwrap_or_else(|| Pack::of_names(names_of()));
    (pack.queries().len() == names.len()).then_some(pack)
}

/// A host of a journal, with what its content is committed to.
pub(super) fn visit(frame: &Frame, queries: usize, run: u32) -> Result<(Visit, Digest), BundleError> {
    let payload: VisitPayload = payload(frame)?;
    if payload.host.part != run {
        return Err(frame.damaged("it is of another run of the sweep than those around it"));
    }
    let leaf = Digest(payload.leaf);
    let visit = payload.visit().ok_or_else(|| frame.damaged("what is in it does not fit together"))?;
    if visit.answers.len() != queries {
        return Err(frame.damaged("it does not have one outcome for each query"));
    }
    Ok((visit, leaf))
}

/// The end of a journal.
pub(super) fn end(frame: &Frame, runs: &mut Runs, leaves: &[Digest]) -> Result<Ending, BundleError> {
    let LastPayload { end, seal, .. } = payload(frame)?;
    if end.hosts != leaves.len() as u64 {
        return Err(frame.damaged(format!(
            "it ends with {} hosts, and {} are in it",
            end.hosts,
            leaves.len()
        )));
    }
    let seal = Digest(seal);
    runs.end(&end);
    if content::seal(runs.digest()?, &end, leaves)? != seal {
        return Err(frame.damaged("its seal does not fit the hosts"));
    }
    Ok(Ending::Whole { end: end.into(), seal })
}

impl Bundle {
    pub(super) fn empty(payload: SweepPayload, pack: Pack) -> Self {
        Self {
            tables: vec![RowTable::default(); pack.queries().len()],
            facts: payload.facts.into(),
            pack,
            snapshots: Vec::new(),
            ending: Ending::Open { offset: 0 },
            parts: payload.parts.into_iter().map(Part::from).collect(),
        }
    }

    /// Takes in the hosts of a sealed bundle and the rows of each query.
    fn fill(&mut self, hosts: Vec<HostPayload>, rows: Vec<QueryRows>) -> Option<()> {
        let (tables, ids): (Vec<_>, Vec<_>) = rows.into_iter().map(|rows| (rows.table, rows.ids)).unzip();
        self.tables = tables;
        let mut ids: Vec<_> = ids.into_iter().map(Vec::into_iter).collect();
        for host in hosts {
            let part = host.part;
            let visit = host.visit()?;
            let outcome = |(ids, answer): (&mut std::vec::IntoIter<Vec<RowId>>, Answer)| {
                let ids = ids.next()?;
                Some(match answer {
                    Answer::Rows { unread, cut, .. } => QueryOutcome::Rows(RowSet { ids, unread, cut }),
                    // A query without rows has none.
                    Answer::Failed(failure) => ids.is_empty().then_some(QueryOutcome::Failed(failure))?,
                })
            };
            self.snapshots.push(Snapshot {
                host: visit.host,
                herd: visit.herd,
                outcome: visit.outcome,
                receipt: visit.receipt,
                queries: ids.iter_mut().zip(visit.answers).map(outcome).collect::<Option<_>>()?,
                part,
            });
        }
        Some(())
    }

    /// Takes in a visit, its rows among those that are there.
    pub(super) fn take(&mut self, visit: Visit, part: u32) {
        let outcome = |(table, answer): (&mut RowTable, Answer)| match answer {
            Answer::Failed(failure) => QueryOutcome::Failed(failure),
            Answer::Rows { batches, unread, cut } => {
                let mut ids = Vec::with_capacity(batches.iter().map(|batch| batch.len()).sum());
                batches.iter().for_each(|batch| table.intern(batch, &mut ids));
                ids.sort_unstable();
                QueryOutcome::Rows(RowSet { ids, unread, cut })
            }
        };
        self.snapshots.push(Snapshot {
            host: visit.host,
            herd: visit.herd,
            outcome: visit.outcome,
            receipt: visit.receipt,
            queries: self.tables.iter_mut().zip(visit.answers).map(outcome).collect(),
            part,
        });
    }
}

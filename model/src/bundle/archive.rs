//! A sealed bundle that is read in parts: who is in it, one host, one query.

use super::frame::{Frame, FrameKind, FrameReader, Next, OVERHEAD, PREAMBLE, Tag, tag_of};
use super::index::Index;
use super::proof::Proof;
use super::seal::{TRAILER_LENGTH, read_trailer};
use super::segment::About;
use super::unseal::{self, Budget, QueryRows};
use super::wire::{FramePayload, HostPayload};
use super::{Bundle, BundleError, Digest, Ending, Part, content, merkle, read};
use crate::name::{HerdName, HostName};
use crate::outcome::{HostOutcome, QueryOutcome, RowSet};
use crate::pack::Pack;
use crate::rowtable::RowTable;
use crate::snapshot::{QueryId, Receipt};
use crate::sweep::{SweepEnd, SweepFacts};
use crate::visit::{Answer, Visit};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// A sealed bundle of which only the index was read.
pub struct Archive<R> {
    source: R,
    tag: Tag,
    length: u64,
    facts: SweepFacts,
    pack: Pack,
    parts: Vec<Part>,
    sweep: Digest,
    index: Index,
    /// Where each frame starts.
    offsets: Vec<u64>,
    file: Digest,
}

/// A host of a bundle, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// As the inventory calls it.
    pub host: HostName,
    /// The hosts it is compared with.
    pub herd: HerdName,
    /// How the visit ended.
    pub outcome: HostOutcome,
    /// What was done on the host.
    pub receipt: Receipt,
    /// Where sweeps were merged, which of them it is from.
    pub part: u32,
    /// How many queries have rows, or said that there are none.
    pub answered: usize,
}

/// One query of a bundle.
#[derive(Clone, Debug)]
pub struct QueryAnswers {
    /// Its distinct rows.
    pub table: RowTable,
    /// What each host answered, in the order of the bundle.
    pub outcomes: Vec<QueryOutcome>,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the index of a sealed bundle; `None` where it is a bundle of another form, which can only be read whole.
    pub fn open(mut source: R) -> Result<Option<Self>, BundleError> {
        let Some(Ends { tag, start, at, length }) = ends(&mut source)? else { return Ok(None) };
        let (sweep, index) =
            (frame_at(&mut source, tag, 0, PREAMBLE as u64)?, frame_at(&mut source, tag, u32::MAX, start)?);
        if sweep.kind != FrameKind::Sealed {
            return Err(sweep.damaged("it should say what was swept"));
        }
        if index.kind != FrameKind::Index || index.offset + index.len() != at {
            return Err(index.damaged("it should be the index"));
        }
        let (payload, pack) = read::sweep_of(&sweep)?;
        let of_sweep = content::of_sweep(&payload)?;
        let file = index.digest;
        let checked = Index::read(&index, of_sweep)?;
        let mut next = PREAMBLE as u64;
        let starts = checked.frames.iter().map(|frame| {
            let behind = next + OVERHEAD as u64 + u64::from(frame.stored);
            std::mem::replace(&mut next, behind)
        });
        let offsets: Vec<u64> = starts.collect();
        let is_first = checked.frames.first().is_some_and(|first| first.digest == sweep.digest.0);
        if next != start || !is_first {
            return Err(index.damaged("it does not fit the frames before it"));
        }
        let parts = payload.parts.into_iter().map(Part::from).collect();
        let facts = payload.facts.into();
        Ok(Some(Self {
            source,
            tag,
            length,
            facts,
            pack,
            parts,
            sweep: of_sweep,
            index: checked,
            offsets,
            file,
        }))
    }

    /// Who, when, from where.
    pub fn facts(&self) -> &SweepFacts {
        &self.facts
    }

    /// What was asked.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// The sweeps that were merged into it; none where it is of one sweep.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How the sweep ended.
    pub fn end(&self) -> SweepEnd {
        self.index.end.clone().into()
    }

    /// Stands for all that the bundle says.
    pub fn seal(&self) -> Digest {
        self.index.seal
    }

    /// Stands for all bytes of the file.
    pub fn file_digest(&self) -> Digest {
        self.file
    }

    /// The names of its hosts, in the order of the bundle. A host that was visited twice stands twice, later visits last.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.index.hosts.iter().map(|(host, _)| host.as_str())
    }

    /// What the content of each host is committed to.
    pub fn leaves(&self) -> &[Digest] {
        &self.index.leaves
    }

    /// The hosts without their rows.
    pub fn hosts(&mut self) -> Result<Vec<HostEntry>, BundleError> {
        let mut entries = Vec::new();
        for frame in self.read(|frame| frame.kind == FrameKind::Hosts as u8)? {
            for host in unseal::hosts(&frame, self.pack.queries().len())?.1 {
                let (part, visit) = (host.part, visit_of(&frame, host)?);
                let answered =
                    visit.answers.iter().filter(|answer| matches!(answer, Answer::Rows { .. })).count();
                let Visit { host, herd, outcome, receipt, .. } = visit;
                entries.push(HostEntry { host, herd, outcome, receipt, part, answered });
            }
        }
        Ok(entries)
    }

    /// One host with its rows, by its place in the bundle; `None` where there are fewer hosts.
    pub fn host(&mut self, number: usize) -> Result<Option<Visit>, BundleError> {
        Ok(self.visit(number)?.map(|(visit, _)| visit))
    }

    fn visit(&mut self, number: usize) -> Result<Option<(Visit, u32)>, BundleError> {
        let Some(host) = u32::try_from(number).ok().filter(|_| number < self.index.hosts.len()) else {
            return Ok(None);
        };
        let (mut about, mut segments) = (None, Vec::new());
        for frame in self.read(|frame| frame.concerns(host))? {
            match frame.kind {
                FrameKind::Hosts => {
                    let (first, hosts) = unseal::hosts(&frame, self.pack.queries().len())?;
                    let own = host.checked_sub(first).and_then(|at| hosts.into_iter().nth(at as usize));
                    about = own
                        .map(|own| Ok::<_, BundleError>((own.part, visit_of(&frame, own)?)))
                        .transpose()?;
                }
                _ => segments.push(frame),
            }
        }
        let (part, mut visit) = about.ok_or_else(|| missing(host))?;
        unseal::fill(&mut visit, host, &segments, &Budget::of_file(self.length))?;
        Ok(Some((visit, part)))
    }

    /// Calls `take` with every host, its rows and which part it is from, in the order of the bundle. In memory are the rows of a group
    /// of hosts at a time.
    pub fn each_visit(
        &mut self,
        mut take: impl FnMut(Visit, u32) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let (queries, all) = (self.pack.queries().len(), self.index.hosts.len());
        let groups = self.index.frames.iter().filter(|frame| frame.kind == FrameKind::Hosts as u8);
        let groups: Vec<Range<u32>> =
            groups.map(|frame| frame.first..frame.first.saturating_add(frame.hosts)).collect();
        let mut next = 0;
        for group in groups {
            let (mut hosts, mut segments) = (None, vec![Vec::new(); queries]);
            let about = |frame: &FramePayload| {
                frame.first < group.end && group.start < frame.first.saturating_add(frame.hosts)
            };
            for frame in self.read(|frame| frame.is_of_hosts() && about(frame))? {
                if frame.kind == FrameKind::Hosts {
                    hosts = Some(frame);
                    continue;
                }
                match About::of(&frame).and_then(|about| segments.get_mut(about.query as usize)) {
                    Some(query) => query.push(frame),
                    None => return Err(frame.damaged("it is about no query of the pack")),
                }
            }
            let frame = hosts.ok_or_else(|| missing(next))?;
            let (first, hosts) = unseal::hosts(&frame, queries)?;
            if first != next {
                return Err(frame.damaged("its hosts do not follow those before"));
            }
            let rows = unseal::queries(&segments, all, &Budget::of_file(self.length))?;
            for (number, host) in (first..).zip(hosts) {
                let part = host.part;
                let mut visit = visit_of(&frame, host)?;
                for (answer, rows) in visit.answers.iter_mut().zip(&rows) {
                    let ids = rows.ids.get(number as usize).map_or(&[][..], Vec::as_slice);
                    match answer {
                        Answer::Rows { batches, .. } => *batches = rows.table.batches(ids),
                        // A query without rows has none.
                        Answer::Failed(_) if ids.is_empty() => {}
                        Answer::Failed(_) => return Err(frame.damaged("hosts and rows do not fit together")),
                    }
                }
                next = number + 1;
                take(visit, part)?;
            }
        }
        if next as usize == all { Ok(()) } else { Err(missing(next)) }
    }

    /// A bundle of one host, with all its visits; of none where it is not there.
    pub fn only(&mut self, host: &str) -> Result<Bundle, BundleError> {
        let mut bundle = self.empty();
        let places: Vec<usize> =
            self.names().enumerate().filter(|(_, name)| *name == host).map(|(place, _)| place).collect();
        for place in places {
            if let Some((visit, part)) = self.visit(place)? {
                bundle.take(visit, part);
            }
        }
        Ok(bundle)
    }

    /// A bundle of all hosts in which every list of rows is empty: for those who want to know how visits and queries ended.
    pub fn without_rows(&mut self) -> Result<Bundle, BundleError> {
        let mut bundle = self.empty();
        for frame in self.read(|frame| frame.kind == FrameKind::Hosts as u8)? {
            for host in unseal::hosts(&frame, self.pack.queries().len())?.1 {
                let part = host.part;
                bundle.take(visit_of(&frame, host)?, part);
            }
        }
        Ok(bundle)
    }

    /// What the bundle says of itself, and no host.
    fn empty(&self) -> Bundle {
        Bundle {
            facts: self.facts.clone(),
            pack: self.pack.clone(),
            tables: vec![RowTable::default(); self.pack.queries().len()],
            snapshots: Vec::new(),
            ending: Ending::Whole { end: self.end(), seal: self.index.seal },
            parts: self.parts.clone(),
        }
    }

    /// One query over all hosts; `None` where the pack does not have it.
    pub fn query(&mut self, id: QueryId) -> Result<Option<QueryAnswers>, BundleError> {
        let place = id.0 as usize;
        if place >= self.pack.queries().len() {
            return Ok(None);
        }
        let (rows, own) = (FrameKind::Common as u8, FrameKind::Own as u8);
        let segments = self.read(|frame| (frame.kind == rows || frame.kind == own) && frame.query == id.0)?;
        let hosts = self.index.hosts.len();
        let QueryRows { table, ids } = unseal::query(&segments, hosts, &Budget::of_file(self.length))?;
        let mut ids = ids.into_iter();
        let mut outcomes = Vec::with_capacity(hosts);
        for frame in self.read(|frame| frame.kind == FrameKind::Hosts as u8)? {
            for host in unseal::hosts(&frame, self.pack.queries().len())?.1 {
                let unfit = || frame.damaged("hosts and rows do not fit together");
                let ids = ids.next().ok_or_else(unfit)?;
                let answer = visit_of(&frame, host)?.answers.into_iter().nth(place).ok_or_else(unfit)?;
                outcomes.push(match answer {
                    Answer::Rows { unread, cut, .. } => QueryOutcome::Rows(RowSet { ids, unread, cut }),
                    Answer::Failed(failure) if ids.is_empty() => QueryOutcome::Failed(failure),
                    Answer::Failed(_) => return Err(unfit()),
                });
            }
        }
        Ok(Some(QueryAnswers { table, outcomes }))
    }

    /// What proves that one host's content is part of what the seal stands for. Its leaf is computed from its rows.
    pub fn prove(&mut self, number: usize) -> Result<Option<Proof>, BundleError> {
        let Some(visit) = self.host(number)? else { return Ok(None) };
        let leaf = content::of_visit(&visit)?;
        let path = merkle::path(&self.index.leaves, number).unwrap_or_default();
        let end = self.end();
        Ok(Some(Proof {
            host: visit.host,
            number: number as u64,
            leaf,
            path,
            sweep: self.sweep,
            end,
            seal: self.index.seal,
        }))
    }

    /// Reads frames, and checks them against the index.
    fn read(&mut self, wanted: impl Fn(&FramePayload) -> bool) -> Result<Vec<Frame>, BundleError> {
        let mut frames = Vec::new();
        let told = (0u32..).zip(self.index.frames.iter().zip(&self.offsets));
        for (number, (told, &offset)) in told.filter(|(_, (told, _))| wanted(told)) {
            let frame = frame_at(&mut self.source, self.tag, number, offset)?;
            if FramePayload::of(&frame).digest != told.digest {
                return Err(frame.damaged("it is not the frame that the index tells of"));
            }
            frames.push(frame);
        }
        Ok(frames)
    }
}

/// Where what is in a sealed bundle is found.
struct Ends {
    tag: Tag,
    /// Where the index starts, and where it ends.
    start: u64,
    at: u64,
    length: u64,
}

/// Looks at both ends of a file; `None` where it is a bundle of another form.
fn ends(source: &mut (impl Read + Seek)) -> Result<Option<Ends>, BundleError> {
    source.rewind()?;
    let Some(preamble) = read::sealable_preamble(source)? else { return Ok(None) };
    let length = source.seek(SeekFrom::End(0))?;
    let Some(at) = length.checked_sub(TRAILER_LENGTH as u64).filter(|&at| at >= PREAMBLE as u64) else {
        return Ok(None);
    };
    source.seek(SeekFrom::Start(at))?;
    let mut trailer = Vec::new();
    source.by_ref().take(TRAILER_LENGTH as u64).read_to_end(&mut trailer)?;
    let start = read_trailer(&trailer).filter(|&start| start < at);
    Ok(start.map(|start| Ends { tag: tag_of(&preamble), start, at, length }))
}

/// Whether a bundle is sealed, so that it can be read in parts.
pub fn is_sealed(source: &mut (impl Read + Seek)) -> Result<bool, BundleError> {
    Ok(ends(source)?.is_some())
}

fn visit_of(frame: &Frame, host: HostPayload) -> Result<Visit, BundleError> {
    host.visit().ok_or_else(|| frame.damaged("it has an outcome that is not known"))
}

fn missing(host: u32) -> BundleError {
    BundleError::Damaged { frame: 0, offset: 0, why: format!("host {host} is nowhere") }
}

impl FramePayload {
    fn is_of_hosts(&self) -> bool {
        (FrameKind::Hosts as u8..=FrameKind::Own as u8).contains(&self.kind)
    }

    fn concerns(&self, host: u32) -> bool {
        self.is_of_hosts() && (self.first..self.first.saturating_add(self.hosts)).contains(&host)
    }
}

/// The frame at a place; of any number where it is `u32::MAX`.
fn frame_at<R: Read + Seek>(
    source: &mut R,
    tag: Tag,
    number: u32,
    offset: u64,
) -> Result<Frame, BundleError> {
    source.seek(SeekFrom::Start(offset))?;
    let why = match FrameReader::at(source, tag, number, offset).look(number != u32::MAX)? {
        Next::Frame(frame) => return Ok(frame),
        Next::End => "the file ends within it".to_owned(),
        Next::Damaged(why) => why,
    };
    Err(BundleError::Damaged { frame: u64::from(number), offset, why })
}

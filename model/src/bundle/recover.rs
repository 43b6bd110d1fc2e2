//! Saves what is intact of a damaged bundle. What is lost is unknown in what is saved, and never missing.

use super::frame::{Frame, FrameKind, PREAMBLE, Tag};
use super::index::Index;
use super::runs::Remains;
use super::scan::{Found, Scanner};
use super::seal::{Sealed, SealedWriter, TRAILER_LENGTH};
use super::segment::About;
use super::unseal::{self, Budget};
use super::wire::{HostPayload, LastPayload, RunPayload, SweepPayload, VisitPayload};
use super::{BundleError, Digest, Part, content, read, v0};
use crate::outcome::{HostOutcome, HostOutcomeKind, Phase, QueryFailureKind, Unread};
use crate::row::RowBatch;
use crate::snapshot::Receipt;
use crate::sweep::{SweepEnd, SweepFacts};
use crate::visit::{Answer, Visit};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// What was saved and what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// What stands for the new bundle.
    pub sealed: Sealed,
    /// The places that are damaged.
    pub damage: Vec<Damage>,
    /// How many snapshots are in the new bundle.
    pub hosts: u64,
    /// How many of them are whole.
    pub intact: u64,
    /// What each of the others has lost.
    pub lost: Vec<Lost>,
    /// How many hosts are lost with their names.
    pub nameless: u64,
}

/// A place where there is no whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The number of the frame that should be there.
    pub frame: u64,
    /// Where it starts.
    pub offset: u64,
    /// Where the next whole frame starts, or the file ends.
    pub end: u64,
    /// What is wrong.
    pub why: String,
}

/// What a host has lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which host.
    pub host: String,
    /// Queries of which nothing is known any more; all, where the host's own frame is lost.
    pub queries: Vec<String>,
    /// Queries of which some rows are lost.
    pub partly: Vec<String>,
}

/// Where rows were lost, in the place of a path that could not be read.
const WHERE: &str = "the bundle";
const WHY: &str = "damaged, and recovered without what stood there";

fn unread() -> Unread {
    Unread { what: WHERE.into(), why: WHY.into(), count: 1 }
}

/// Frames that are intact, by what they are.
#[derive(Default)]
struct Intact {
    sweep: Option<Frame>,
    index: Option<Frame>,
    hosts: Vec<Frame>,
    rows: Vec<Frame>,
    runs: Remains,
    numbers: BTreeSet<u32>,
    sweeps: BTreeSet<u32>,
}

/// Writes a sealed bundle of what is intact. `facts` are those of the recovery, made from those of the sweep, which are kept
/// beside them.
pub fn recover<W: Write>(
    mut source: impl Read + Seek,
    sink: W,
    facts: impl Fn(&SweepFacts) -> SweepFacts,
) -> Result<(W, Recovered), BundleError> {
    source.rewind()?;
    let Some(tag) = tag(&mut source)? else { return recover_old(source, sink, facts) };
    let length = source.seek(SeekFrom::End(0))?;
    let mut damage = Vec::new();
    let mut intact = Intact::default();
    let mut journal = false;
    let mut scanner = Scanner::new(&mut source, tag, PREAMBLE as u64)?;
    while let Some(found) = scanner.next()? {
        match found {
            Found::Damage { frame, offset, end, why } => damage.push(Damage { frame, offset, end, why }),
            Found::Frame(frame) => {
                intact.numbers.insert(frame.number);
                match frame.kind {
                    FrameKind::Sweep | FrameKind::Sealed => {
                        journal = frame.kind == FrameKind::Sweep;
                        intact.sweeps.insert(frame.number);
                        intact.sweep = Some(frame);
                    }
                    FrameKind::Run => intact.runs.run(&frame)?,
                    // Hosts say which run they are of; what that was may be lost.
                    FrameKind::Visit => intact.runs.seen(read::payload::<VisitPayload>(&frame)?.host.part),
                    FrameKind::End => intact.runs.end(read::payload::<LastPayload>(&frame)?.end),
                    FrameKind::Hosts => intact.hosts.push(frame),
                    FrameKind::Common | FrameKind::Own => intact.rows.push(frame),
                    FrameKind::Index => intact.index = Some(frame),
                }
            }
        }
    }
    let Some(sweep) = intact.sweep.take() else {
        return Err(BundleError::Damaged {
            frame: 0,
            offset: PREAMBLE as u64,
            why: "nothing is left that says what was swept, so no row has a meaning".into(),
        });
    };
    let (mut payload, pack) = read::sweep_of(&sweep)?;
    // What follows the index is no frame.
    let trailer = intact.index.as_ref().map(|index| index.offset + index.len());
    damage.retain(|damage| {
        Some(damage.offset) != trailer || damage.end != damage.offset + TRAILER_LENGTH as u64
    });
    let queries: Vec<String> = pack.queries().iter().map(|query| query.name.to_string()).collect();
    let mut saving = Saving { queries, lost: Vec::new(), intact: 0, hosts: 0, nameless: 0 };
    let (writer, end) = if journal {
        let runs = intact.runs.parts(&payload.facts, intact.numbers.len());
        payload.parts = runs.ok_or_else(|| sweep.damaged("a host of it is of a run that cannot be"))?;
        saving.journal(&mut source, tag, payload, sink, &pack, &facts)?
    } else {
        saving.sealed(intact, payload, sink, &pack, &facts, length)?
    };
    let end = SweepEnd { hosts: 0, ..end.unwrap_or(SweepEnd { interrupted: true, ..SweepEnd::default() }) };
    let (sink, sealed) = writer.finish(end)?;
    let Saving { lost, intact, hosts, nameless, .. } = saving;
    Ok((sink, Recovered { sealed, damage, hosts, intact, lost, nameless }))
}

/// The bundle's tag, from its first bytes, or where those are damaged from a frame that fits; `None` for format 0.1.
fn tag(source: &mut (impl Read + Seek)) -> Result<Option<Tag>, BundleError> {
    match read::sealable_preamble(source) {
        Ok(None) => return Ok(None),
        Ok(Some(_)) | Err(BundleError::NotABundle | BundleError::TooNew { .. }) => {}
        Err(error) => return Err(error),
    }
    source.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    source.by_ref().take(PREAMBLE as u64 + 8).read_to_end(&mut start)?;
    // The first frame repeats it.
    let told = |at: usize| start.get(at..at + 4)?.try_into().ok();
    for tag in [told(PREAMBLE + 4), told(PREAMBLE - 4)].into_iter().flatten() {
        let mut scanner = Scanner::new(&mut *source, tag, PREAMBLE as u64)?;
        while let Some(found) = scanner.next()? {
            if matches!(found, Found::Frame(_)) {
                return Ok(Some(tag));
            }
        }
    }
    Err(BundleError::NotABundle)
}

/// Counts what is saved.
struct Saving {
    queries: Vec<String>,
    lost: Vec<Lost>,
    intact: u64,
    hosts: u64,
    nameless: u64,
}

/// The facts of the recovery, and beside them those of what was recovered.
fn start<W: Write>(
    payload: SweepPayload,
    end: Option<SweepEnd>,
    seal: Option<Digest>,
    sink: W,
    pack: &crate::pack::Pack,
    facts: impl Fn(&SweepFacts) -> SweepFacts,
) -> io::Result<SealedWriter<W>> {
    let was: SweepFacts = payload.facts.into();
    let mut parts: Vec<Part> = payload.parts.into_iter().map(Part::from).collect();
    let now = facts(&was);
    if parts.is_empty() {
        parts.push(Part { facts: was, end, seal });
    }
    SealedWriter::start(sink, &now, pack, &parts)
}

impl Saving {
    fn save<W: Write>(&mut self, writer: &mut SealedWriter<W>, visit: &Visit, part: u32) -> io::Result<()> {
        writer.append(visit, part)?;
        self.hosts += 1;
        Ok(())
    }

    /// A host of which only the name is left, and rows that stood elsewhere.
    fn lose<W: Write>(
        &mut self,
        writer: &mut SealedWriter<W>,
        host: &str,
        herd: &str,
        part: u32,
        rows: impl Fn(usize) -> Vec<RowBatch>,
    ) -> io::Result<()> {
        let outcome = HostOutcome::failed(HostOutcomeKind::Unknown, Phase::Read, WHY);
        let mut visit = Visit::without_rows(host.into(), herd.into(), outcome, Receipt::default(), 0);
        let mut lost = Lost { host: host.to_owned(), queries: Vec::new(), partly: Vec::new() };
        for (query, name) in self.queries.iter().enumerate() {
            let batches = rows(query);
            if batches.is_empty() {
                lost.queries.push(name.clone());
                visit.answers.push(Answer::failed(QueryFailureKind::Unknown, WHY));
            } else {
                // Whether it said that there is more is lost.
                lost.partly.push(name.clone());
                visit.answers.push(Answer::Rows { batches, unread: vec![unread()], cut: None });
            }
        }
        self.lost.push(lost);
        self.save(writer, &visit, part)
    }

    fn journal<W: Write>(
        &mut self,
        source: &mut (impl Read + Seek),
        tag: Tag,
        payload: SweepPayload,
        sink: W,
        pack: &crate::pack::Pack,
        facts: impl Fn(&SweepFacts) -> SweepFacts,
    ) -> Result<(SealedWriter<W>, Option<SweepEnd>), BundleError> {
        let mut writer = start(payload, None, None, sink, pack, facts)?;
        let mut end = None;
        // The number of the next frame (hosts start at 2), and of the run.
        let (mut expected, mut run) = (2, 0);
        let mut scanner = Scanner::new(source, tag, PREAMBLE as u64)?;
        while let Some(found) = scanner.next()? {
            let Found::Frame(frame) = found else { continue };
            let gap = u64::from(frame.number.saturating_sub(expected));
            // Of what is lost the last is named, unless it was no host but the beginning of a run.
            let mut fill =
                |saving: &mut Self, run: u32, before: Option<(String, String)>| -> io::Result<()> {
                    saving.nameless += gap.saturating_sub(1);
                    match before.filter(|_| gap > 0) {
                        Some((host, herd)) => saving.lose(&mut writer, &host, &herd, run, |_| Vec::new()),
                        None => Ok(()),
                    }
                };
            match frame.kind {
                FrameKind::Visit => {
                    let about: VisitPayload = read::payload(&frame)?;
                    run = about.host.part;
                    fill(self, run, about.before)?;
                    let (visit, _) = read::visit(&frame, pack.queries().len(), run)?;
                    self.intact += 1;
                    self.save(&mut writer, &visit, run)?;
                    expected = frame.number.saturating_add(1);
                }
                FrameKind::End => {
                    let last: LastPayload = read::payload(&frame)?;
                    fill(self, run, last.before)?;
                    end = Some(last.end.into());
                }
                FrameKind::Run => {
                    let begun: RunPayload = read::payload(&frame)?;
                    fill(self, begun.number.saturating_sub(1), begun.before)?;
                    run = begun.number;
                    expected = frame.number.saturating_add(1);
                }
                _ => {}
            }
        }
        Ok((writer, end))
    }

    fn sealed<W: Write>(
        &mut self,
        intact: Intact,
        payload: SweepPayload,
        sink: W,
        pack: &crate::pack::Pack,
        facts: impl Fn(&SweepFacts) -> SweepFacts,
        length: u64,
    ) -> Result<(SealedWriter<W>, Option<SweepEnd>), BundleError> {
        let of_sweep = content::of_sweep(&payload)?;
        let index = intact.index.as_ref().map(|frame| Index::read(frame, of_sweep)).transpose()?;
        let (end, seal) = index.as_ref().map(|index| (SweepEnd::from(index.end.clone()), index.seal)).unzip();
        let mut writer = start(payload, end, seal, sink, pack, facts)?;
        let queries = self.queries.len();
        let mut about: BTreeMap<u32, HostPayload> = BTreeMap::new();
        for frame in &intact.hosts {
            let (first, hosts) = unseal::hosts(frame, queries)?;
            about.extend((first..).zip(hosts));
        }
        let count = match &index {
            Some(index) => index.hosts.len() as u32,
            None => intact
                .rows
                .iter()
                .filter_map(About::of)
                .map(|about| about.range().end)
                .max()
                .unwrap_or(0)
                .max(about.keys().next_back().map_or(0, |last| last + 1)),
        };
        // A number costs a hostile file a few bytes, and each host costs memory.
        if u64::from(count) > length {
            let why = "its hosts are numbered higher than there can be hosts in it".into();
            return Err(BundleError::Damaged { frame: 0, offset: 0, why });
        }
        let missing = Missing::of(&intact, index.as_ref());
        let rows = unseal::queries(&intact.usable(queries), count as usize, &Budget::of_file(length))?;
        for number in 0..count {
            let name = index.as_ref().and_then(|index| index.hosts.get(number as usize));
            let ids = |query: usize| {
                rows.get(query).and_then(|rows| rows.ids.get(number as usize)).map_or(&[][..], Vec::as_slice)
            };
            let Some(host) = about.remove(&number) else {
                match name {
                    Some((name, herd)) => {
                        let batches =
                            |query: usize| rows.get(query).map(|rows| rows.table.batches(ids(query)));
                        self.lose(&mut writer, name, herd, 0, |query| batches(query).unwrap_or_default())?;
                    }
                    None => self.nameless += 1,
                }
                continue;
            };
            let part = host.part;
            let unfit =
                || BundleError::Damaged { frame: 0, offset: 0, why: "a host does not fit its rows".into() };
            let mut visit = host.visit().ok_or_else(unfit)?;
            for ((query, answer), rows) in visit.answers.iter_mut().enumerate().zip(&rows) {
                if let Answer::Rows { batches, .. } = answer {
                    *batches = rows.table.batches(ids(query));
                }
            }
            let (gone, partly) = missing.of_host(number, queries);
            let mut lost = Lost { host: visit.host.to_string(), queries: Vec::new(), partly: Vec::new() };
            for (query, answer) in visit.answers.iter_mut().enumerate() {
                let Answer::Rows { unread, .. } = answer else { continue };
                let name = || self.queries.get(query).cloned();
                if gone.contains(&query) {
                    *answer = Answer::failed(QueryFailureKind::Unknown, WHY);
                    lost.queries.extend(name());
                } else if partly.contains(&query) {
                    unread.push(self::unread());
                    lost.partly.extend(name());
                }
            }
            if lost.queries.is_empty() && lost.partly.is_empty() {
                self.intact += 1;
            } else {
                self.lost.push(lost);
            }
            self.save(&mut writer, &visit.settle(), part)?;
        }
        Ok((writer, end))
    }
}

/// Which segments of rows are lost.
struct Missing {
    /// Of hosts and a query all rows: the common ones are gone, and with them the columns of the others.
    common: Vec<About>,
    /// Of hosts and a query the rows that few hosts have.
    own: Vec<About>,
    /// Without an index nobody knows whether a segment that is not there ever was.
    unsure: Option<(Vec<About>, Vec<About>)>,
}

impl Missing {
    fn of(intact: &Intact, index: Option<&Index>) -> Self {
        let kind = |kind: FrameKind| {
            let frames = intact.rows.iter().filter(move |frame| frame.kind == kind);
            frames.filter_map(About::of).collect::<Vec<_>>()
        };
        let (common, own) = (kind(FrameKind::Common), kind(FrameKind::Own));
        let Some(index) = index else {
            let last = intact.numbers.iter().next_back().copied().unwrap_or(0);
            let complete = intact.numbers.len() as u64 == u64::from(last) + 1 && intact.ends_with_sweep(last);
            let unsure = (!complete).then_some((common, own));
            return Self { common: Vec::new(), own: Vec::new(), unsure };
        };
        let told = |kind: FrameKind, found: &[About]| {
            let told = index.frames.iter().filter(move |frame| frame.kind == kind as u8);
            let about =
                told.map(|frame| About { query: frame.query, first: frame.first, hosts: frame.hosts });
            about.filter(|about| !found.contains(about)).collect::<Vec<_>>()
        };
        let (common, own) = (told(FrameKind::Common, &common), told(FrameKind::Own, &own));
        Self { common, own, unsure: None }
    }

    /// The queries of which a host has lost all rows, and some.
    fn of_host(&self, host: u32, queries: usize) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let has = |list: &[About]| -> BTreeSet<usize> {
            let about = list.iter().filter(|about| about.range().contains(&host));
            about.map(|about| about.query as usize).collect()
        };
        match &self.unsure {
            None => (has(&self.common), has(&self.own)),
            Some((common, own)) => {
                let (common, own) = (has(common), has(own));
                let without =
                    |has: &BTreeSet<usize>| (0..queries).filter(|query| !has.contains(query)).collect();
                (without(&common), without(&own))
            }
        }
    }
}

impl Intact {
    /// The segments of each query that can be read: without the common rows of a block nobody knows the columns of the
    /// others.
    fn usable(&self, queries: usize) -> Vec<Vec<Frame>> {
        let mut usable: Vec<Vec<Frame>> = vec![Vec::new(); queries];
        let mut blocks: BTreeMap<u32, Range<u32>> = BTreeMap::new();
        for frame in &self.rows {
            let Some(about) = About::of(frame) else { continue };
            if frame.kind == FrameKind::Common {
                blocks.insert(about.query, about.range());
            }
            let fits = blocks.get(&about.query).is_some_and(|block| block.contains(&about.first));
            usable
                .get_mut(about.query as usize)
                .filter(|_| fits)
                .into_iter()
                .for_each(|query| query.push(frame.clone()));
        }
        usable
    }

    /// Whether the frame before the index is there: then only the index is lost.
    fn ends_with_sweep(&self, last: u32) -> bool {
        self.sweeps.contains(&last) && last > 0
    }
}

/// Format 0.1 is a chain: what comes before the first damage is intact.
fn recover_old<W: Write>(
    mut source: impl Read + Seek,
    sink: W,
    facts: impl Fn(&SweepFacts) -> SweepFacts,
) -> Result<(W, Recovered), BundleError> {
    source.rewind()?;
    let (bundle, damage) = v0::read_prefix(&mut source)?;
    let mut saving = Saving { queries: Vec::new(), lost: Vec::new(), intact: 0, hosts: 0, nameless: 0 };
    let payload = SweepPayload::of(&bundle.facts, &bundle.pack);
    let mut writer = start(payload, None, None, sink, &bundle.pack, facts)?;
    for visit in (0..bundle.snapshots.len()).filter_map(|number| bundle.visit(number)) {
        saving.intact += 1;
        saving.save(&mut writer, &visit, 0)?;
    }
    let (sink, sealed) = writer.finish(SweepEnd { interrupted: true, ..SweepEnd::default() })?;
    let Saving { lost, intact, hosts, nameless, .. } = saving;
    let damage = match damage {
        Some(BundleError::Damaged { frame, offset, why }) => {
            vec![Damage { frame, offset, end: source.seek(SeekFrom::End(0))?, why }]
        }
        Some(error) => return Err(error),
        None => Vec::new(),
    };
    Ok((sink, Recovered { sealed, damage, hosts, intact, lost, nameless }))
}

//! Writes a bundle host by host, while a sweep runs. Each host is in a frame that needs no other, so that a killed sweep
//! loses no host that was done, and a damaged frame costs one host.

use super::codec;
use super::frame::{FrameKind, FrameReader, FrameWriter, Tag};
use super::runs::Runs;
use super::scan::{Found, Scanner};
use super::wire::{EndPayload, FactsPayload, LastPayload, RunPayload, SweepPayload, VisitPayload};
use super::{BundleError, Digest, content, read};
use crate::name::{HerdName, HostName};
use crate::outcome::HostOutcome;
use crate::pack::Pack;
use crate::sweep::{SweepEnd, SweepFacts, UnixMillis};
use crate::visit::Visit;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};

/// Takes in visits and writes a frame for each.
pub struct BundleWriter<W> {
    frames: FrameWriter<W>,
    runs: Runs,
    /// Who goes on with the sweep: told before the first thing that is added, as who adds nothing has not gone on with it.
    next: Option<(Option<EndPayload>, FactsPayload)>,
    queries: usize,
    leaves: Vec<Digest>,
    /// Host and herd of the last frame, where that is of a host.
    last: Option<(String, String)>,
}

/// What an unfinished bundle already has.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The facts of the sweep that is resumed, as it was begun.
    pub facts: SweepFacts,
    /// What it asked.
    pub pack: Pack,
    /// The hosts that are done, in the order of the file; a host that was visited twice stands twice.
    pub done: Vec<(HostName, HerdName, HostOutcome)>,
    /// How many bytes of an unfinished frame were cut off at the end.
    pub cut: u64,
}

impl SweepPayload {
    pub(super) fn of(facts: &SweepFacts, pack: &Pack) -> Self {
        Self {
            facts: facts.into(),
            pack: pack.text().to_owned(),
            queries: pack.queries().iter().map(|query| query.name.to_string()).collect(),
            parts: Vec::new(),
        }
    }

    pub(super) fn tag(&self) -> io::Result<Tag> {
        Ok(content::of_sweep(self)?.as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

impl<W: Write> BundleWriter<W> {
    /// Starts a bundle. The facts are on disk when this returns, as far as `sink` goes.
    pub fn start(sink: W, facts: &SweepFacts, pack: &Pack) -> io::Result<Self> {
        let payload = SweepPayload::of(facts, pack);
        let mut frames = FrameWriter::start(sink, payload.tag()?)?;
        // Twice: without it all hosts would be rows without names.
        let packed = codec::pack(&payload)?;
        frames.write(FrameKind::Sweep, &packed)?;
        frames.write(FrameKind::Sweep, &packed)?;
        let queries = payload.queries.len();
        Ok(Self { frames, runs: Runs::of(payload), next: None, queries, leaves: Vec::new(), last: None })
    }

    /// Adds a host. Answers beyond the queries of the pack have no place and are an error.
    pub fn append(&mut self, visit: &Visit) -> io::Result<()> {
        if visit.answers.len() != self.queries {
            return Err(io::Error::other("a visit must have one answer for each query of the pack"));
        }
        self.begin_run()?;
        let leaf = content::of_visit(visit)?;
        let payload = VisitPayload::of(visit, self.runs.current(), leaf.0, self.last.take());
        self.frames.write(FrameKind::Visit, &codec::pack(&payload)?)?;
        self.last = Some((visit.host.to_string(), visit.herd.to_string()));
        self.leaves.push(leaf);
        Ok(())
    }

    /// What is added from here on is of another run of the sweep. `ended` is how the one before did, if it was not killed.
    pub(super) fn go_on(&mut self, ended: Option<EndPayload>, facts: FactsPayload) -> io::Result<()> {
        self.begin_run()?;
        self.next = Some((ended, facts));
        Ok(())
    }

    fn begin_run(&mut self) -> io::Result<()> {
        let Some((ended, facts)) = self.next.take() else { return Ok(()) };
        let number = self.runs.next()?;
        let payload = RunPayload { before: self.last.take(), number, ended, facts };
        self.frames.write(FrameKind::Run, &codec::pack(&payload)?)?;
        self.runs.begin(payload.ended, payload.facts);
        Ok(())
    }

    /// Ends the bundle. The digest stands for all that it says.
    pub fn finish(mut self, finished: UnixMillis, interrupted: bool) -> io::Result<(W, Digest)> {
        self.begin_run()?;
        let hosts = self.leaves.len() as u64;
        let end = EndPayload::from(SweepEnd { finished, interrupted, hosts });
        self.runs.end(&end);
        let seal = content::seal(self.runs.digest()?, &end, &self.leaves)?;
        self.frames
            .write(FrameKind::End, &codec::pack(&LastPayload { before: self.last, end, seal: seal.0 })?)?;
        Ok((self.frames.into_inner(), seal))
    }
}

impl BundleWriter<File> {
    /// Goes on with a journal. What follows its last whole frame is cut off where no whole frame comes behind it: that is
    /// what a killed writer leaves. Nothing whole is ever touched; an end frame is taken off again, and what it says is told where
    /// the next run begins.
    pub(super) fn resume_journal(
        mut file: File,
        facts: impl FnOnce(&Resumed) -> SweepFacts,
    ) -> Result<(Self, Resumed), BundleError> {
        file.rewind()?;
        let mut source = BufReader::with_capacity(1 << 20, &file);
        let preamble = read::preamble(&mut source)?;
        let mut frames = FrameReader::after(preamble, source);
        let (first, payload, pack) = read::sweep(&mut frames)?;
        let tag = payload.tag()?;
        let (was, queries) = (payload.facts.clone().into(), payload.queries.len());
        let mut runs = Runs::of(payload);
        let (mut ended, mut last) = (None, None);
        let mut done = Vec::new();
        let mut leaves = Vec::new();
        let (mut keep, mut number) = (frames.offset(), frames.number());
        let torn = loop {
            match frames.next() {
                Ok(None) => break None,
                Err(error @ BundleError::Damaged { .. }) if frames.offset() == keep => break Some(error),
                Err(error) => return Err(error),
                Ok(Some(frame)) => {
                    match frame.kind {
                        _ if ended.is_some() => {
                            return Err(frame.damaged("it has no place behind the end of the sweep"));
                        }
                        FrameKind::Visit => {
                            let (visit, leaf) = read::visit(&frame, queries, runs.current())?;
                            leaves.push(leaf);
                            last = Some((visit.host.to_string(), visit.herd.to_string()));
                            done.push((visit.host, visit.herd, visit.outcome));
                        }
                        FrameKind::Run => {
                            runs.read(&frame)?;
                            last = None;
                        }
                        FrameKind::Sweep if frame.payload == first.payload => {}
                        FrameKind::End => {
                            ended = Some(read::payload::<LastPayload>(&frame)?.end);
                            continue;
                        }
                        _ => return Err(frame.damaged("it has no place in an unfinished bundle")),
                    }
                    (keep, number) = (frames.offset(), frames.number());
                }
            }
        };
        drop(frames);
        let length = file.metadata()?.len();
        if let Some(damage) = torn
            && frame_behind(&file, tag, keep)?
        {
            return Err(damage);
        }
        file.set_len(keep)?;
        file.seek(SeekFrom::Start(keep))?;
        let resumed = Resumed { facts: was, pack, done, cut: length - keep };
        let frames = FrameWriter::resume(file, tag, number, keep);
        let mut writer = Self { frames, runs, next: None, queries, leaves, last };
        writer.go_on(ended, (&facts(&resumed)).into())?;
        Ok((writer, resumed))
    }
}

/// What a killed writer leaves has nothing whole behind it. Where there is something, bytes in the middle were changed.
fn frame_behind(file: &File, tag: Tag, offset: u64) -> io::Result<bool> {
    let mut scanner = Scanner::new(file, tag, offset)?;
    while let Some(found) = scanner.next()? {
        if matches!(found, Found::Frame(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

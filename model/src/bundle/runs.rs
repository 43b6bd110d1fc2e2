//! The runs of one sweep: who began it, and who went on with it after it was stopped. Each is a part of what the bundle says of the
//! sweep, so that the seal stands for it.

use super::frame::Frame;
use super::wire::{EndPayload, FactsPayload, PartPayload, RunPayload, SweepPayload};
use super::{BundleError, Digest, Part, content, read};
use crate::sweep::SweepFacts;
use std::collections::BTreeMap;
use std::io;

/// No sweep is gone on with more often.
const MOST: usize = 100_000;

/// What a journal says of its sweep, up to some place.
pub(super) struct Runs {
    sweep: SweepPayload,
    /// Of a sweep that is of several already it could not be told whose run it is.
    merged: bool,
}

impl Runs {
    /// Of a sweep that nobody went on with yet.
    pub(super) fn of(sweep: SweepPayload) -> Self {
        let merged = !sweep.parts.is_empty();
        Self { sweep, merged }
    }

    /// The number of the run that is under way: what hosts are from.
    pub(super) fn current(&self) -> u32 {
        self.sweep.parts.len().saturating_sub(1) as u32
    }

    /// The number of one that begins now.
    pub(super) fn next(&self) -> io::Result<u32> {
        match self.current() + 1 {
            next if (next as usize) < MOST => Ok(next),
            _ => Err(io::Error::other(format!("a sweep of more than {MOST} runs"))),
        }
    }

    /// Another run begins. The one before ended so, or was killed.
    pub(super) fn begin(&mut self, ended: Option<EndPayload>, facts: FactsPayload) {
        if self.sweep.parts.is_empty() {
            let first = self.sweep.facts.clone();
            self.sweep.parts.push(PartPayload { facts: first, end: None, seal: None });
        }
        if let Some(before) = self.sweep.parts.last_mut() {
            before.end = ended;
        }
        self.sweep.parts.push(PartPayload { facts, end: None, seal: None });
    }

    /// The same, as a frame says it.
    pub(super) fn read(&mut self, frame: &Frame) -> Result<(), BundleError> {
        if self.merged {
            return Err(frame.damaged("nobody can go on with a sweep that is of several"));
        }
        let RunPayload { number, ended, facts, .. } = read::payload(frame)?;
        if self.next()? != number {
            return Err(frame.damaged("it is of another run of the sweep than should follow"));
        }
        self.begin(ended, facts);
        Ok(())
    }

    /// The last run ends, and the sweep with it.
    pub(super) fn end(&mut self, end: &EndPayload) {
        if let Some(last) = self.sweep.parts.last_mut().filter(|_| !self.merged) {
            last.end = Some(end.clone());
        }
    }

    /// What a sealed bundle says in the place of all of it.
    pub(super) fn sweep(&self) -> &SweepPayload {
        &self.sweep
    }

    pub(super) fn digest(&self) -> io::Result<Digest> {
        content::of_sweep(&self.sweep)
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        self.sweep.parts.iter().cloned().map(Part::from).collect()
    }
}

/// What is left of the runs of a damaged journal.
#[derive(Default)]
pub(super) struct Remains {
    runs: BTreeMap<u32, RunPayload>,
    end: Option<EndPayload>,
    last: u32,
}

impl Remains {
    pub(super) fn run(&mut self, frame: &Frame) -> Result<(), BundleError> {
        let run: RunPayload = read::payload(frame)?;
        self.seen(run.number);
        self.runs.insert(run.number, run);
        Ok(())
    }

    /// Something of this run was seen.
    pub(super) fn seen(&mut self, run: u32) {
        self.last = self.last.max(run);
    }

    pub(super) fn end(&mut self, end: EndPayload) {
        self.end = Some(end);
    }

    /// The runs, of some of which nothing may be known any more. There are not more than `most`: a number costs a hostile file nothing.
    pub(super) fn parts(&self, sweep: &FactsPayload, most: usize) -> Option<Vec<PartPayload>> {
        let count = self.last as usize + 1;
        if count > most.min(MOST) {
            return None;
        }
        let facts = |number: u32| match number {
            0 => sweep.clone(),
            _ => self.runs.get(&number).map_or_else(unknown, |run| run.facts.clone()),
        };
        let end = |number: u32| match number {
            last if last == self.last => self.end.clone(),
            _ => self.runs.get(&(number + 1)).and_then(|next| next.ended.clone()),
        };
        Some(
            (0..=self.last)
                .map(|number| PartPayload { facts: facts(number), end: end(number), seal: None })
                .collect(),
        )
    }
}

/// Of a run whose beginning is damaged.
fn unknown() -> FactsPayload {
    let operator = "unknown: what told it is damaged".into();
    FactsPayload::from(&SweepFacts { operator, ..SweepFacts::default() })
}

/// Whether parts are the runs of one sweep, the first of which has the facts of the whole, and not sweeps that were merged.
pub(super) fn are_runs(facts: &SweepFacts, parts: &[Part]) -> bool {
    parts.len() > 1
        && parts.first().is_some_and(|first| first.facts == *facts)
        && parts.iter().all(|part| part.seal.is_none())
}

//! Makes one bundle of several: sweeps of parts of a fleet, or of several days.

use super::seal::{Sealed, SealedWriter};
use super::{Bundle, Ending, Part};
use crate::name::HostName;
use crate::pack::Pack;
use crate::sweep::{SweepEnd, SweepFacts, UnixMillis};
use crate::visit::Visit;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

/// Bundles that cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// None was given.
    #[error("there is no bundle to merge")]
    Nothing,
    /// They asked other things, so that one pack cannot say what was asked of whom.
    #[error("bundle {number} did not ask what the first one asked: {difference}")]
    Packs {
        /// Which of them, counted from 1.
        number: usize,
        /// What the first one has otherwise.
        difference: String,
    },
    /// The system could not write.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What differs between two packs, if their rows cannot stand under one of them.
fn difference(one: &Pack, other: &Pack) -> Option<String> {
    let (left, right) = (one.queries(), other.queries());
    if let Some((left, right)) = left.iter().zip(right).find(|(left, right)| left.name != right.name) {
        return Some(format!("its query {:?} stands where {:?} should", right.name, left.name));
    }
    if left.len() != right.len() {
        return Some(format!("it has {} queries, and not {}", right.len(), left.len()));
    }
    let (_, right) = left.iter().zip(right).find(|(left, right)| left.sql != right.sql)?;
    Some(format!("its query {:?} is another statement", right.name))
}

/// Writes all hosts of several bundles into one, those that were visited earlier first; a host that is in several of them
/// is in the result as often, so that what it said last comes last. `facts` are those of the merging; the facts, ends and
/// seals of the sweeps are kept beside them.
///
/// Bundles are asked for one after the other, by their place among `heads`, so that no two have to be in memory at a time.
pub fn merge<W: Write, E: From<MergeError>>(
    heads: &[Head],
    facts: &SweepFacts,
    finished: UnixMillis,
    sink: W,
    mut load: impl FnMut(usize) -> Result<Bundle, E>,
) -> Result<(W, Sealed), E> {
    let first = heads.first().ok_or(MergeError::Nothing)?;
    for (number, head) in heads.iter().enumerate() {
        if let Some(difference) = difference(&first.pack, &head.pack) {
            return Err(MergeError::Packs { number: number + 1, difference }.into());
        }
    }
    let mut order: Vec<usize> = (0..heads.len()).collect();
    order.sort_by_key(|&number| heads.get(number).map(|head| head.facts.started));
    let parts: Vec<Part> =
        order.iter().filter_map(|&number| heads.get(number)).flat_map(Head::parts).collect();
    // The latest pack says how rows are to be compared.
    let pack = order.last().and_then(|&last| heads.get(last)).map_or(&first.pack, |head| &head.pack);
    let io = |error: io::Error| E::from(MergeError::Io(error));
    let mut writer = SealedWriter::start(sink, facts, pack, &parts).map_err(io)?;
    let out_of_order = out_of_order(order.iter().filter_map(|&number| heads.get(number)));
    let mut late: Vec<(UnixMillis, Visit, u32)> = Vec::new();
    let mut base = 0;
    for number in order {
        let bundle = load(number)?;
        for (at, snapshot) in bundle.snapshots.iter().enumerate() {
            let Some(visit) = bundle.visit(at) else { continue };
            let part = base + snapshot.part;
            if out_of_order.contains(&snapshot.host) {
                late.push((snapshot.receipt.started, visit, part));
            } else {
                writer.append(&visit, part).map_err(io)?;
            }
        }
        base += heads.get(number).map_or(0, |head| head.parts().len() as u32);
    }
    late.sort_by_key(|(started, ..)| *started);
    for (_, visit, part) in late {
        writer.append(&visit, part).map_err(io)?;
    }
    let interrupted = heads.iter().any(|head| head.end.is_none_or(|end| end.interrupted));
    writer.finish(SweepEnd { finished, interrupted, hosts: 0 }).map_err(io)
}

/// The hosts whose visits do not stand in order of time when the bundles follow each other: those of sweeps that ran at the
/// same time.
fn out_of_order<'a>(heads: impl Iterator<Item = &'a Head>) -> HashSet<HostName> {
    let mut latest: HashMap<&HostName, UnixMillis> = HashMap::new();
    let mut out = HashSet::new();
    for (host, began) in heads.flat_map(|head| &head.visits) {
        let before = latest.entry(host).or_insert(*began);
        if *began < *before {
            out.insert(host.clone());
        }
        *before = (*before).max(*began);
    }
    out
}

/// What a bundle says of itself, without rows.
#[derive(Clone, Debug)]
pub struct Head {
    /// The facts of its sweep.
    pub facts: SweepFacts,
    /// What it asked.
    pub pack: Pack,
    /// The sweeps that were merged into it already.
    pub merged: Vec<Part>,
    /// How it ended; `None` where it ends early.
    pub end: Option<SweepEnd>,
    /// Stands for all that it says, where it is complete.
    pub seal: Option<super::Digest>,
    /// Its hosts, with when each visit began.
    pub visits: Vec<(HostName, UnixMillis)>,
}

impl Head {
    /// Of a bundle that was read.
    pub fn of(bundle: &Bundle) -> Self {
        let (end, seal) = match bundle.ending {
            Ending::Whole { end, seal } => (Some(end), Some(seal)),
            Ending::Open { .. } => (None, None),
        };
        let visits = bundle.snapshots.iter().map(|host| (host.host.clone(), host.receipt.started)).collect();
        let (facts, pack, merged) = (bundle.facts.clone(), bundle.pack.clone(), bundle.parts.clone());
        Self { facts, pack, merged, end, seal, visits }
    }

    fn parts(&self) -> Vec<Part> {
        if self.merged.is_empty() {
            vec![Part { facts: self.facts.clone(), end: self.end, seal: self.seal }]
        } else {
            self.merged.clone()
        }
    }
}

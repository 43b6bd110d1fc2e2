//! Proves one host alone: that its content is part of what a bundle's seal stands for.

use super::wire::{EndPayload, PartPayload, SweepPayload};
use super::{Bundle, BundleError, Digest, Ending, content, merkle};
use crate::name::HostName;
use crate::sweep::SweepEnd;
use crate::visit::Visit;

/// The way from one host's content up to the seal of its bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Which host.
    pub host: HostName,
    /// Its place among the hosts of the bundle, from 0.
    pub number: u64,
    /// What its content is committed to.
    pub leaf: Digest,
    /// What stands beside the way, from the leaf up.
    pub path: Vec<Digest>,
    /// Commits to the facts of the sweep and its pack.
    pub sweep: Digest,
    /// How the sweep ended, and how many hosts it has.
    pub end: SweepEnd,
    /// Stands for all that the bundle says.
    pub seal: Digest,
}

/// Proofs of a host of a bundle that was read whole, one for each of its visits; `None` where the bundle has no such seal: it ends
/// early, or is of a version before 1.0.
pub fn prove(bundle: &Bundle, host: &str) -> Result<Option<Vec<Proof>>, BundleError> {
    let Ending::Whole { end, seal } = bundle.ending else { return Ok(None) };
    let sweep = SweepPayload {
        parts: bundle.parts.iter().map(PartPayload::from).collect(),
        ..SweepPayload::of(&bundle.facts, &bundle.pack)
    };
    let sweep = content::of_sweep(&sweep)?;
    let leaf = |number: usize| bundle.visit(number).map(|visit| content::of_visit(&visit));
    let leaves: Vec<Digest> = (0..bundle.snapshots.len()).filter_map(leaf).collect::<Result<_, _>>()?;
    if content::seal(sweep, &EndPayload::from(end), &leaves)? != seal {
        return Ok(None);
    }
    let visits = bundle.snapshots.iter().zip(&leaves).enumerate();
    let own = visits.filter(|(_, (snapshot, _))| snapshot.host.as_str() == host);
    Ok(Some(
        own.map(|(number, (snapshot, &leaf))| Proof {
            host: snapshot.host.clone(),
            number: number as u64,
            leaf,
            path: merkle::path(&leaves, number).unwrap_or_default(),
            sweep,
            end,
            seal,
        })
        .collect(),
    ))
}

impl Proof {
    /// Whether leaf, path and seal belong together.
    pub fn holds(&self) -> bool {
        let root = merkle::climb(self.leaf, self.number, self.end.hosts, &self.path);
        let seal =
            root.and_then(|root| content::seal_of_root(self.sweep, &EndPayload::from(self.end), root).ok());
        seal == Some(self.seal)
    }

    /// Whether this is the host whose content was proven, row for row.
    pub fn is_of(&self, visit: &Visit) -> bool {
        content::of_visit(visit).is_ok_and(|leaf| leaf == self.leaf)
    }
}

//! What a bundle says, as digests that do not depend on how it is stored: a row, a host with all its rows, the whole.

use super::wire::{EndPayload, HostPayload, SweepPayload};
use super::{Digest, codec, merkle};
use crate::row::{Columns, RowBatch};
use crate::visit::{Answer, Visit};
use std::io;

/// Commits to the columns of a row.
pub(super) fn of_columns(columns: &Columns) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("herdiff 1 columns");
    for column in columns.iter() {
        hasher.update(&(column.as_str().len() as u64).to_le_bytes()).update(column.as_str().as_bytes());
    }
    Digest(hasher.finalize().into())
}

/// Commits to a row: its columns, and its cells each with its length in front.
pub(super) fn of_row(columns: Digest, cells: &[u8]) -> Digest {
    Digest::of(&[columns.as_bytes(), cells])
}

/// Commits to one host: everything that is known of it, and of each query with rows all of them, in the order of their
/// digests, each as often as the host reported it.
pub(super) struct HostContent {
    hasher: blake3::Hasher,
}

impl HostContent {
    pub(super) fn start(visit: &Visit) -> io::Result<Self> {
        let about = codec::encode(&HostPayload::of(visit, 0))?;
        let mut hasher = blake3::Hasher::new_derive_key("herdiff 1 host");
        hasher.update(&(about.len() as u64).to_le_bytes()).update(&about);
        Ok(Self { hasher })
    }

    /// The rows of the next query that has some outcome with rows. Sorts them.
    pub(super) fn rows(&mut self, rows: &mut [Digest]) {
        // Most differ in their first bytes, which one comparison of numbers tells.
        rows.sort_unstable_by(|one, other| one.first().cmp(&other.first()).then_with(|| one.cmp(other)));
        self.sorted(rows.len(), rows.iter());
    }

    /// The same for rows that are in the order of their digests.
    pub(super) fn sorted<'a>(&mut self, count: usize, rows: impl Iterator<Item = &'a Digest>) {
        self.hasher.update(&(count as u64).to_le_bytes());
        let mut bytes = [0u8; 32 * 128];
        let mut filled = 0;
        for row in rows {
            if let Some(place) = bytes.get_mut(filled..filled + 32) {
                place.copy_from_slice(row.as_bytes());
            }
            filled += 32;
            if filled == bytes.len() {
                self.hasher.update(&bytes);
                filled = 0;
            }
        }
        self.hasher.update(bytes.get(..filled).unwrap_or_default());
    }

    pub(super) fn finish(&self) -> Digest {
        Digest(self.hasher.finalize().into())
    }
}

/// The leaf of one host, from its visit alone.
pub(super) fn of_visit(visit: &Visit) -> io::Result<Digest> {
    let mut content = HostContent::start(visit)?;
    let mut rows = Vec::new();
    for answer in &visit.answers {
        if let Answer::Rows { batches, .. } = answer {
            rows.clear();
            batches.iter().for_each(|batch| of_batch(batch, &mut rows));
            content.rows(&mut rows);
        }
    }
    Ok(content.finish())
}

fn of_batch(batch: &RowBatch, rows: &mut Vec<Digest>) {
    let columns = of_columns(batch.columns());
    rows.extend(batch.encoded().map(|cells| of_row(columns, cells)));
}

/// Commits to the facts of the sweep and its pack.
pub(super) fn of_sweep(sweep: &SweepPayload) -> io::Result<Digest> {
    Ok(Digest::of(&[&codec::encode(sweep)?]))
}

/// The seal: commits to all that a bundle says.
pub(super) fn seal(sweep: Digest, end: &EndPayload, leaves: &[Digest]) -> io::Result<Digest> {
    seal_of_root(sweep, end, merkle::root(leaves))
}

/// The same from the root over the hosts.
pub(super) fn seal_of_root(sweep: Digest, end: &EndPayload, root: Digest) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new_derive_key("herdiff 1 bundle");
    hasher.update(sweep.as_bytes()).update(root.as_bytes()).update(&codec::encode(end)?);
    Ok(Digest(hasher.finalize().into()))
}

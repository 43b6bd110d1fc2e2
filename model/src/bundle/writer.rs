//! Writes a bundle host by host, while a sweep runs.

use super::codec;
use super::frame::{Digest, FrameKind, FrameWriter};
use super::wire::{
    ColumnNames, EndPayload, HostPayload, NewRows, QueryPayload, ReceiptPayload, SweepPayload,
};
use crate::outcome::Unread;
use crate::pack::Pack;
use crate::row::RowBatch;
use crate::rowtable::{RowId, RowTable};
use crate::snapshot::Receipt;
use crate::sweep::{SweepEnd, SweepFacts, UnixMillis};
use crate::visit::{Answer, Visit};
use std::io::{self, Write};

/// Takes in visits and writes a frame for each.
pub struct BundleWriter<W> {
    frames: FrameWriter<W>,
    tables: Vec<RowTable>,
    hosts: u64,
}

impl<W: Write> BundleWriter<W> {
    /// Starts a bundle. The facts are on disk when this returns, as far as `sink` goes.
    pub fn start(sink: W, facts: &SweepFacts, pack: &Pack) -> io::Result<Self> {
        let mut frames = FrameWriter::start(sink)?;
        let payload = SweepPayload {
            tool: facts.tool.clone(),
            started_ms: facts.started.0,
            operator: facts.operator.clone(),
            transport: facts.transport.clone(),
            inventory: facts.inventory.clone(),
            targets: facts.targets,
            pack: pack.text().to_owned(),
            queries: pack.queries().iter().map(|query| query.name.to_string()).collect(),
        };
        frames.write(FrameKind::Sweep, &codec::pack(&payload)?)?;
        Ok(Self { frames, tables: vec![RowTable::default(); pack.queries().len()], hosts: 0 })
    }

    /// Adds a host. Answers beyond the queries of the pack have no place and are an error.
    pub fn append(&mut self, visit: &Visit) -> io::Result<()> {
        if visit.answers.len() != self.tables.len() {
            return Err(io::Error::other("a visit must have one answer for each query of the pack"));
        }
        let queries =
            self.tables.iter_mut().zip(&visit.answers).map(|(table, answer)| store(table, answer)).collect();
        let payload = HostPayload {
            host: visit.host.to_string(),
            herd: visit.herd.to_string(),
            outcome: visit.outcome.kind.number(),
            phase: visit.outcome.phase.map(|phase| phase.number()),
            detail: visit.outcome.detail.clone(),
            receipt: receipt(&visit.receipt),
            queries,
        };
        self.frames.write(FrameKind::Host, &codec::pack(&payload)?)?;
        self.hosts += 1;
        Ok(())
    }

    /// Ends the bundle. The digest stands for all of its bytes.
    pub fn finish(mut self, finished: UnixMillis, interrupted: bool) -> io::Result<(W, Digest)> {
        let end = SweepEnd { finished, interrupted, hosts: self.hosts };
        let payload = EndPayload { finished_ms: end.finished.0, interrupted, hosts: end.hosts };
        let seal = self.frames.write(FrameKind::End, &codec::pack(&payload)?)?;
        Ok((self.frames.into_inner(), seal))
    }
}

fn store(table: &mut RowTable, answer: &Answer) -> QueryPayload {
    match answer {
        Answer::Failed(failure) => {
            QueryPayload::Failed { kind: failure.kind.number(), detail: failure.detail.clone() }
        }
        Answer::Rows { batches, unread, cut } => {
            let (new, ids) = intern(table, batches);
            let fold = |unread: &Unread| (unread.what.clone(), unread.why.clone(), unread.count);
            QueryPayload::Rows { new, ids, unread: unread.iter().map(fold).collect(), cut: cut.clone() }
        }
    }
}

fn intern(table: &mut RowTable, batches: &[RowBatch]) -> (NewRows, Vec<u32>) {
    let (known_rows, known_shapes) = (table.len() as u32, table.shapes().len());
    let mut ids = Vec::with_capacity(batches.iter().map(RowBatch::len).sum());
    batches.iter().for_each(|batch| table.intern(batch, &mut ids));
    ids.sort_unstable();

    let mut new = NewRows::default();
    for shape in table.shapes().iter().skip(known_shapes) {
        new.shapes.push(ColumnNames(shape.iter().map(ToString::to_string).collect()));
    }
    for (shape, cells) in (known_rows..table.len() as u32).filter_map(|id| table.encoded(RowId(id))) {
        match new.runs.last_mut() {
            Some((last, count)) if *last == shape.0 => *count += 1,
            _ => new.runs.push((shape.0, 1)),
        }
        new.cells.extend_from_slice(cells);
    }
    let mut before = 0;
    let distances = ids.into_iter().map(|RowId(id)| id - std::mem::replace(&mut before, id));
    (new, distances.collect())
}

fn receipt(receipt: &Receipt) -> ReceiptPayload {
    ReceiptPayload {
        address: receipt.address.clone(),
        started_ms: receipt.started.0,
        duration_ms: receipt.duration_ms,
        host_key: receipt.host_key.clone(),
        engine: receipt.engine.clone(),
        engine_sha256: receipt.engine_sha256.clone(),
        arch: receipt.arch.clone(),
        uid: receipt.uid,
        root: receipt.root.clone(),
        placed: receipt.placed.clone(),
        removed: receipt.removed,
        status: receipt.status,
        bytes_sent: receipt.bytes_sent,
        bytes_received: receipt.bytes_received,
        host_cpu_us: receipt.host_cpu_us,
    }
}

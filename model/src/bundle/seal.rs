//! Writes a sealed bundle: what is kept of a sweep once it is over. Rows are stored column by column, those that many hosts
//! have once, and an index says what is where.

use super::block::{Block, GROUP};
use super::column::Output;
use super::frame::{FrameKind, FrameWriter};
use super::wire::{EndPayload, FramePayload, IndexPayload, PartPayload, SweepPayload};
use super::{Digest, Part, codec, content};
use crate::pack::Pack;
use crate::sweep::{SweepEnd, SweepFacts};
use crate::visit::Visit;
use std::io::{self, Write};

/// How many bytes follow the last frame of a sealed bundle.
pub(super) const TRAILER_LENGTH: usize = 16;
const TRAILER: [u8; 8] = *b"HERDSEAL";

/// The last bytes of a sealed bundle: where its index starts, and that it is one.
pub(super) fn trailer(index: u64) -> Vec<u8> {
    [index.to_le_bytes(), TRAILER].concat()
}

/// Where the index starts, if these are the last bytes of a sealed bundle.
pub(super) fn read_trailer(bytes: &[u8]) -> Option<u64> {
    let (offset, rest) = bytes.split_first_chunk()?;
    (rest == TRAILER).then_some(u64::from_le_bytes(*offset))
}

/// Takes in visits and writes them in blocks; nothing can be read before it is finished.
pub struct SealedWriter<W> {
    frames: FrameWriter<W>,
    sweep: codec::Packed,
    content: Digest,
    queries: usize,
    block: Block,
    squeezer: codec::Squeezer,
    hosts: Vec<(String, String)>,
    leaves: Vec<Digest>,
    index: Vec<FramePayload>,
}

/// What stands for a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// For all that it says, however it is stored.
    pub seal: Digest,
    /// For all bytes of the file.
    pub file: Digest,
}

impl<W: Write> SealedWriter<W> {
    /// Starts a bundle of one sweep, or of several that are merged.
    pub fn start(sink: W, facts: &SweepFacts, pack: &Pack, parts: &[Part]) -> io::Result<Self> {
        let payload = SweepPayload {
            parts: parts.iter().map(PartPayload::from).collect(),
            ..SweepPayload::of(facts, pack)
        };
        let queries = payload.queries.len();
        let squeezer = codec::Squeezer::new()?;
        let mut writer = Self {
            frames: FrameWriter::start(sink, payload.tag()?)?,
            sweep: squeezer.pack(&payload)?,
            content: content::of_sweep(&payload)?,
            queries,
            block: Block::new(queries),
            squeezer,
            hosts: Vec::new(),
            leaves: Vec::new(),
            index: Vec::new(),
        };
        writer.write_sweep()?;
        Ok(writer)
    }

    /// Twice, at both ends: without it all hosts would be rows without names.
    fn write_sweep(&mut self) -> io::Result<()> {
        let written = self.frames.write(FrameKind::Sealed, &self.sweep)?;
        let (stored, digest) = (written.stored, written.digest.0);
        self.index.push(FramePayload {
            kind: FrameKind::Sealed as u8,
            query: 0,
            first: 0,
            hosts: 0,
            stored,
            digest,
        });
        Ok(())
    }

    /// Adds a host. Answers beyond the queries of the pack have no place and are an error.
    pub fn append(&mut self, visit: &Visit, part: u32) -> io::Result<Digest> {
        if visit.answers.len() != self.queries {
            return Err(io::Error::other("a visit must have one answer for each query of the pack"));
        }
        let leaf = self.block.append(visit, part)?;
        self.hosts.push((visit.host.to_string(), visit.herd.to_string()));
        self.leaves.push(leaf);
        if self.block.is_full() {
            self.write_block()?;
        }
        Ok(leaf)
    }

    fn write_block(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Block::new(self.queries));
        let hosts = block.hosts();
        if hosts.is_empty() {
            return Ok(());
        }
        let start = self.hosts.len() - hosts.len();
        self.squeezer.expect(hosts.len())?;
        // First who they are, then their rows: what is cut off at the end has lost rows and no host.
        for (first, group) in (start..).step_by(GROUP).zip(hosts.chunks(GROUP)) {
            let packed = self.squeezer.pack(&(first as u32, group))?;
            self.write(FrameKind::Hosts, 0, first, group.len(), &packed)?;
        }
        for query in 0..self.queries {
            let Some(rows) = block.query(query) else { continue };
            let mut output = self.head(query, start, hosts.len());
            rows.encode_common(&mut output)?;
            self.write(FrameKind::Common, query, start, hosts.len(), &output.packed())?;
            for first in (0..hosts.len()).step_by(GROUP) {
                let count = GROUP.min(hosts.len() - first);
                let mut output = self.head(query, start + first, count);
                if rows.encode_own(first, &mut output)? {
                    self.write(FrameKind::Own, query, start + first, count, &output.packed())?;
                }
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        kind: FrameKind,
        query: usize,
        first: usize,
        hosts: usize,
        payload: &codec::Packed,
    ) -> io::Result<()> {
        let written = self.frames.write(kind, payload)?;
        let (query, first, hosts) = (query as u32, first as u32, hosts as u32);
        let (stored, digest) = (written.stored, written.digest.0);
        self.index.push(FramePayload { kind: kind as u8, query, first, hosts, stored, digest });
        Ok(())
    }

    /// What a segment of rows starts with.
    fn head(&self, query: usize, first: usize, hosts: usize) -> Output {
        let mut output = Output::new(&self.squeezer);
        output.number(query as u64);
        output.number(first as u64);
        output.number(hosts as u64);
        output
    }

    /// Ends the bundle.
    pub fn finish(mut self, end: SweepEnd) -> io::Result<(W, Sealed)> {
        self.write_block()?;
        self.write_sweep()?;
        let end = EndPayload { hosts: self.leaves.len() as u64, ..EndPayload::from(end) };
        let seal = content::seal(self.content, &end, &self.leaves)?;
        let index = IndexPayload {
            end,
            seal: seal.0,
            hosts: self.hosts,
            leaves: self.leaves.iter().flat_map(|leaf| leaf.0).collect(),
            frames: self.index,
        };
        let written = self.frames.write(FrameKind::Index, &self.squeezer.pack(&index)?)?;
        let mut sink = self.frames.into_inner();
        sink.write_all(&trailer(written.offset))?;
        sink.flush()?;
        Ok((sink, Sealed { seal, file: written.digest }))
    }
}

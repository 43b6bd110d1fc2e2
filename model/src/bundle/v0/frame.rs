//! Frames of format 0.1: a kind, two lengths, a digest and a payload. Each digest covers the one before it.

use super::super::codec::MAX_PAYLOAD;
use super::super::{BundleError, Digest};
use std::io::Read;

/// What a payload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Sweep = 1,
    Host = 2,
    End = 3,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Sweep, Self::Host, Self::End].into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// Kind and two lengths.
const HEAD: usize = 17;

/// A frame whose digest is right.
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) payload: Vec<u8>,
    pub(super) unpacked: u64,
    pub(super) digest: Digest,
    pub(super) number: u64,
    pub(super) offset: u64,
}

impl Frame {
    pub(super) fn damaged(&self, why: impl Into<String>) -> BundleError {
        BundleError::Damaged { frame: self.number, offset: self.offset, why: why.into() }
    }
}

/// Reads a chain of frames.
pub(super) struct FrameReader<R> {
    source: R,
    last: Digest,
    number: u64,
    offset: u64,
}

impl<R: Read> FrameReader<R> {
    /// The preamble has been read and its version recognised.
    pub(super) fn after(preamble: &[u8], source: R) -> Self {
        Self { source, last: Digest::of(&[preamble]), number: 0, offset: preamble.len() as u64 }
    }

    /// Where the next frame starts, or the file ends.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next whole frame; `None` at the end of the file, also where it ends within a frame.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, BundleError> {
        let mut start = Vec::new();
        self.source.by_ref().take((HEAD + 32) as u64).read_to_end(&mut start)?;
        let Some((head, stored_digest)) =
            start.split_at_checked(HEAD).filter(|(_, digest)| digest.len() == 32)
        else {
            return Ok(None);
        };
        let damaged =
            |why: &str| BundleError::Damaged { frame: self.number, offset: self.offset, why: why.into() };
        let length = |at: usize| {
            let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u64::from_le_bytes).ok_or_else(|| damaged("its head is too short"))
        };
        let (stored, unpacked) = (length(1)?, length(9)?);
        if stored > MAX_PAYLOAD as u64 {
            return Err(damaged("its length is over the limit"));
        }
        let mut payload = Vec::new();
        self.source.by_ref().take(stored).read_to_end(&mut payload)?;
        if payload.len() as u64 != stored {
            return Ok(None);
        }
        let digest = Digest::of(&[self.last.as_bytes(), head, &payload]);
        if digest.as_bytes() != stored_digest {
            return Err(damaged("its digest does not fit what is in it"));
        }
        let kind = head.first().and_then(|&byte| FrameKind::from_byte(byte));
        let kind = kind.ok_or_else(|| damaged("its kind is not known"))?;
        let frame = Frame { kind, payload, unpacked, digest, number: self.number, offset: self.offset };
        self.last = digest;
        self.number += 1;
        self.offset += (HEAD + 32) as u64 + stored;
        Ok(Some(frame))
    }
}

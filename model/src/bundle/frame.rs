//! Frames: a kind, two lengths, a digest and a payload. Each digest covers the one before it, so that a frame cannot
//! be changed, left out or moved.

use super::codec::Packed;
use super::{BundleError, MAGIC, VERSION, Version};
use std::fmt;
use std::io::{self, Read, Write};

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

/// A BLAKE3 digest; as text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    fn of_preamble(preamble: &[u8]) -> Self {
        Self(blake3::hash(preamble).into())
    }

    fn of_frame(self, head: &[u8], payload: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(head).update(payload);
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Magic, major and minor version, four bytes of zero.
const PREAMBLE: usize = 16;
/// Kind and two lengths.
const HEAD: usize = 17;

fn head(kind: FrameKind, stored: u64, unpacked: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let bytes = [kind as u8].into_iter().chain(stored.to_le_bytes()).chain(unpacked.to_le_bytes());
    head.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    head
}

/// Writes a chain of frames.
pub(super) struct FrameWriter<W> {
    sink: W,
    last: Digest,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn start(mut sink: W) -> io::Result<Self> {
        let mut preamble = Vec::with_capacity(PREAMBLE);
        preamble.extend(MAGIC);
        preamble.extend(VERSION.major.to_le_bytes());
        preamble.extend(VERSION.minor.to_le_bytes());
        preamble.extend([0; 4]);
        sink.write_all(&preamble)?;
        Ok(Self { sink, last: Digest::of_preamble(&preamble) })
    }

    /// Writes one frame with a single write, so that a killed writer leaves at most one unfinished frame.
    pub(super) fn write(&mut self, kind: FrameKind, payload: &Packed) -> io::Result<Digest> {
        let head = head(kind, payload.bytes.len() as u64, payload.unpacked);
        self.last = self.last.of_frame(&head, &payload.bytes);
        let mut frame = Vec::with_capacity(HEAD + 32 + payload.bytes.len());
        frame.extend(head);
        frame.extend(self.last.0);
        frame.extend(&payload.bytes);
        self.sink.write_all(&frame)?;
        self.sink.flush()?;
        Ok(self.last)
    }

    pub(super) fn into_inner(self) -> W {
        self.sink
    }
}

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
    pub(super) fn start(mut source: R) -> Result<Self, BundleError> {
        let mut preamble = Vec::new();
        source.by_ref().take(PREAMBLE as u64).read_to_end(&mut preamble)?;
        let (Some(version), true) = (read_version(&preamble), preamble.starts_with(&MAGIC)) else {
            return Err(BundleError::NotABundle);
        };
        if version.major != VERSION.major || version.minor > VERSION.minor {
            return Err(BundleError::TooNew { found: version, known: VERSION });
        }
        let last = Digest::of_preamble(&preamble);
        Ok(Self { source, last, number: 0, offset: PREAMBLE as u64 })
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
        if stored > super::codec::MAX_PAYLOAD as u64 {
            return Err(damaged("its length is over the limit"));
        }
        let mut payload = Vec::new();
        self.source.by_ref().take(stored).read_to_end(&mut payload)?;
        if payload.len() as u64 != stored {
            return Ok(None);
        }
        let digest = self.last.of_frame(head, &payload);
        if digest.0 != *stored_digest {
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

fn read_version(preamble: &[u8]) -> Option<Version> {
    let number = |at: usize| preamble.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    (preamble.len() == PREAMBLE).then_some(Version { major: number(8)?, minor: number(10)? })
}

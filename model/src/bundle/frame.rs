//! Frames of format 1.0: a marker, a kind, a number, two lengths, a digest and a payload. Each can be checked by itself,
//! and found again behind damage by its marker.

use super::codec::{MAX_PAYLOAD, Packed};
use super::{BundleError, Digest, MAGIC, VERSION};
use std::io::{self, Read, Write};

/// What a payload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Journal: what was swept.
    Sweep = 1,
    /// Journal: one host with its rows.
    Visit = 2,
    /// Journal: how the sweep ended.
    End = 3,
    /// Sealed: some hosts, without their rows.
    Hosts = 4,
    /// Sealed: rows of one query that many hosts have.
    Common = 5,
    /// Sealed: the other rows of one query of some hosts.
    Own = 6,
    /// Sealed: what is where.
    Index = 7,
    /// Sealed: what was swept.
    Sealed = 8,
    /// Journal: somebody went on with the sweep.
    Run = 9,
}

impl FrameKind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        use FrameKind as Kind;
        let journal = [Kind::Sweep, Kind::Visit, Kind::End, Kind::Run];
        let sealed = [Kind::Hosts, Kind::Common, Kind::Own, Kind::Index, Kind::Sealed];
        journal.into_iter().chain(sealed).find(|&kind| kind as u8 == byte)
    }
}

/// Magic, major and minor version, tag.
pub(super) const PREAMBLE: usize = 16;
/// Where every frame starts.
const MARKER: [u8; 4] = *b"\xf1HF\n";
/// Marker, tag, kind, number, length as stored, length when unpacked.
const HEAD: usize = 21;
/// The head with the digest.
pub(super) const OVERHEAD: usize = HEAD + 32;

/// Four bytes that all frames of one bundle have, so that a frame of another one is never taken for its own.
pub(super) type Tag = [u8; 4];

pub(super) fn preamble(tag: Tag) -> [u8; PREAMBLE] {
    let mut preamble = [0; PREAMBLE];
    let version = VERSION.major.to_le_bytes().into_iter().chain(VERSION.minor.to_le_bytes());
    let bytes = MAGIC.into_iter().chain(version).chain(tag);
    preamble.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    preamble
}

/// The first bytes of every frame of a bundle.
pub(super) fn start_of_frames(tag: Tag) -> [u8; 8] {
    let mut start = [0; 8];
    start.iter_mut().zip(MARKER.into_iter().chain(tag)).for_each(|(place, byte)| *place = byte);
    start
}

/// What stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) number: u32,
    pub(super) stored: u32,
    pub(super) unpacked: u32,
}

impl Head {
    fn bytes(self, tag: Tag) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let numbers = [self.number, self.stored, self.unpacked].into_iter().flat_map(u32::to_le_bytes);
        let bytes = start_of_frames(tag).into_iter().chain([self.kind]).chain(numbers);
        head.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        head
    }

    /// `None` where these are not the first bytes of a frame of this bundle.
    fn read(bytes: &[u8], tag: Tag) -> Option<Self> {
        let rest = bytes.strip_prefix(&start_of_frames(tag))?;
        let number = |at: usize| rest.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        Some(Self { kind: *rest.first()?, number: number(1)?, stored: number(5)?, unpacked: number(9)? })
    }

    pub(super) fn kind(self) -> Option<FrameKind> {
        FrameKind::from_byte(self.kind)
    }
}

/// Writes frames, one after the other.
pub(super) struct FrameWriter<W> {
    sink: W,
    tag: Tag,
    preamble: [u8; PREAMBLE],
    number: u32,
    offset: u64,
    broken: bool,
}

/// Where a frame was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) offset: u64,
    pub(super) stored: u32,
    pub(super) digest: Digest,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn start(mut sink: W, tag: Tag) -> io::Result<Self> {
        let preamble = preamble(tag);
        sink.write_all(&preamble)?;
        Ok(Self { sink, tag, preamble, number: 0, offset: PREAMBLE as u64, broken: false })
    }

    /// Goes on behind frames that are there; `sink` is at that place.
    pub(super) fn resume(sink: W, tag: Tag, number: u32, offset: u64) -> Self {
        Self { sink, tag, preamble: preamble(tag), number, offset, broken: false }
    }

    /// Writes one frame with a single write, so that a killed writer leaves at most one unfinished frame.
    pub(super) fn write(&mut self, kind: FrameKind, payload: &Packed) -> io::Result<Written> {
        // What a failed write left behind must stay the last thing in the file: there a reader sees that it ends.
        if self.broken {
            return Err(io::Error::other("an earlier write failed, so nothing more is written"));
        }
        let too_long = |_| io::Error::other("a frame is longer than 4 GiB");
        let stored = u32::try_from(payload.bytes.len()).map_err(too_long)?;
        let unpacked = u32::try_from(payload.unpacked).map_err(too_long)?;
        let head = Head { kind: kind as u8, number: self.number, stored, unpacked }.bytes(self.tag);
        let digest = Digest::of(&[&self.preamble, &head, &payload.bytes]);
        let mut frame = Vec::with_capacity(OVERHEAD + payload.bytes.len());
        frame.extend(head);
        frame.extend(digest.0);
        frame.extend(&payload.bytes);
        if let Err(error) = self.sink.write_all(&frame).and_then(|()| self.sink.flush()) {
            self.broken = true;
            return Err(error);
        }
        let written = Written { offset: self.offset, stored, digest };
        self.number += 1;
        self.offset += frame.len() as u64;
        Ok(written)
    }

    pub(super) fn into_inner(self) -> W {
        self.sink
    }
}

/// A frame whose digest is right.
#[derive(Clone)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) payload: Vec<u8>,
    pub(super) unpacked: u32,
    pub(super) digest: Digest,
    pub(super) number: u32,
    pub(super) offset: u64,
}

impl Frame {
    pub(super) fn damaged(&self, why: impl Into<String>) -> BundleError {
        BundleError::Damaged { frame: u64::from(self.number), offset: self.offset, why: why.into() }
    }

    /// How many bytes it takes in the file.
    pub(super) fn len(&self) -> u64 {
        (OVERHEAD + self.payload.len()) as u64
    }
}

/// What stands where a frame should start.
pub(super) enum Next {
    /// A whole frame.
    Frame(Frame),
    /// The end of the file, also where it ends within a frame.
    End,
    /// Something else, and what is wrong with it.
    Damaged(String),
}

/// Reads frames one after the other.
pub(super) struct FrameReader<R> {
    source: R,
    tag: Tag,
    preamble: [u8; PREAMBLE],
    number: u32,
    offset: u64,
}

impl<R: Read> FrameReader<R> {
    /// `source` is behind the preamble.
    pub(super) fn after(preamble: [u8; PREAMBLE], source: R) -> Self {
        Self::at(source, tag_of(&preamble), 0, PREAMBLE as u64)
    }

    /// `source` is at this place, where the frame with this number should be.
    pub(super) fn at(source: R, tag: Tag, number: u32, offset: u64) -> Self {
        Self { source, tag, preamble: preamble(tag), number, offset }
    }

    /// Where the next frame starts, or the file ends.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What number the next frame has.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn into_inner(self) -> R {
        self.source
    }

    /// The next frame; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, BundleError> {
        match self.look(true)? {
            Next::Frame(frame) => Ok(Some(frame)),
            Next::End => Ok(None),
            Next::Damaged(why) => {
                Err(BundleError::Damaged { frame: u64::from(self.number), offset: self.offset, why })
            }
        }
    }

    /// What comes next. Behind something damaged the reader's place means nothing any more. Where frames are lost, their
    /// numbers are: `in_order` says whether that is damage, too.
    pub(super) fn look(&mut self, in_order: bool) -> io::Result<Next> {
        let mut start = Vec::with_capacity(OVERHEAD);
        self.source.by_ref().take(OVERHEAD as u64).read_to_end(&mut start)?;
        let Some((head, stored_digest)) = start.split_at_checked(HEAD) else { return Ok(self.cut(&start)) };
        if stored_digest.len() != 32 {
            return Ok(self.cut(&start));
        }
        let damaged = |why: &str| Ok(Next::Damaged(why.to_owned()));
        let Some(fields) = Head::read(head, self.tag) else {
            return damaged("it does not start as a frame of this bundle");
        };
        if fields.stored as usize > MAX_PAYLOAD {
            return damaged("its length is over the limit");
        }
        let mut payload = Vec::new();
        self.source.by_ref().take(u64::from(fields.stored)).read_to_end(&mut payload)?;
        if payload.len() != fields.stored as usize {
            return Ok(Next::End);
        }
        let digest = Digest::of(&[&self.preamble, head, &payload]);
        if digest.0 != *stored_digest {
            return damaged("its digest does not fit what is in it");
        }
        if in_order && fields.number != self.number {
            return damaged("a frame is missing before it");
        }
        let Some(kind) = fields.kind() else { return damaged("its kind is not known") };
        let Head { number, unpacked, .. } = fields;
        let frame = Frame { kind, payload, unpacked, digest, number, offset: self.offset };
        self.number = number.wrapping_add(1);
        self.offset += frame.len();
        Ok(Next::Frame(frame))
    }

    /// A file that ends where a frame should start: cut off, where what is there can be the start of one.
    fn cut(&self, start: &[u8]) -> Next {
        let known = start_of_frames(self.tag);
        let fits = start.iter().zip(known).all(|(&byte, known)| byte == known);
        if fits { Next::End } else { Next::Damaged("it does not start as a frame of this bundle".into()) }
    }
}

pub(super) fn tag_of(preamble: &[u8; PREAMBLE]) -> Tag {
    preamble.last_chunk().copied().unwrap_or_default()
}

//! Walks over the frames of a file that may be damaged: what is whole is found, also behind damage.

use super::frame::{Frame, FrameReader, Next, Tag, start_of_frames};
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// What stands at a place of the file.
pub(super) enum Found {
    /// A whole frame.
    Frame(Frame),
    /// No frame.
    Damage {
        /// The number of the frame that should be there.
        frame: u64,
        /// Where.
        offset: u64,
        /// Where the next whole frame starts, or the file ends.
        end: u64,
        /// What is wrong.
        why: String,
    },
}

/// Looks for frames, from some place on.
pub(super) struct Scanner<R> {
    source: R,
    tag: Tag,
    length: u64,
    offset: u64,
    number: u32,
    /// What was found behind the damage that was told last.
    ahead: Option<Frame>,
}

impl<R: Read + Seek> Scanner<R> {
    pub(super) fn new(mut source: R, tag: Tag, offset: u64) -> io::Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        Ok(Self { source, tag, length, offset, number: 0, ahead: None })
    }

    fn look(&mut self, offset: u64) -> io::Result<Next> {
        self.source.seek(SeekFrom::Start(offset))?;
        FrameReader::at(&mut self.source, self.tag, self.number, offset).look(false)
    }

    /// `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        if let Some(frame) = self.ahead.take() {
            return Ok(Some(self.pass(frame)));
        }
        if self.offset >= self.length {
            return Ok(None);
        }
        let why = match self.look(self.offset)? {
            Next::Frame(frame) => return Ok(Some(self.pass(frame))),
            Next::End => "the file ends within it".to_owned(),
            Next::Damaged(why) => why,
        };
        let (from, number) = (self.offset, u64::from(self.number));
        self.ahead = self.search(from + 1)?;
        let end = self.ahead.as_ref().map_or(self.length, |frame| frame.offset);
        self.offset = end;
        Ok(Some(Found::Damage { frame: number, offset: from, end, why }))
    }

    fn pass(&mut self, frame: Frame) -> Found {
        self.offset = frame.offset + frame.len();
        self.number = frame.number.wrapping_add(1);
        Found::Frame(frame)
    }

    /// The first whole frame from a place on.
    fn search(&mut self, mut from: u64) -> io::Result<Option<Frame>> {
        while let Some(start) = self.start_from(from)? {
            if let Next::Frame(frame) = self.look(start)? {
                return Ok(Some(frame));
            }
            from = start + 1;
        }
        Ok(None)
    }

    /// Where something next looks like the start of a frame.
    fn start_from(&mut self, from: u64) -> io::Result<Option<u64>> {
        let wanted = start_of_frames(self.tag);
        self.source.seek(SeekFrom::Start(from))?;
        let mut source = BufReader::with_capacity(1 << 16, &mut self.source);
        let mut window = Vec::with_capacity(1 << 16);
        let mut base = from;
        loop {
            let read = source.by_ref().take(1 << 16).read_to_end(&mut window)?;
            if let Some(at) = window.windows(wanted.len()).position(|bytes| bytes == wanted) {
                return Ok(Some(base + at as u64));
            }
            if read == 0 {
                return Ok(None);
            }
            let passed = window.len().saturating_sub(wanted.len() - 1);
            window.drain(..passed);
            base += passed as u64;
        }
    }
}

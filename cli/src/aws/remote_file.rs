//! A bundle in S3 as something to read and to go back and forth in, as in a file. What was fetched last is kept in memory.

use super::Calls;
use herdiff_aws::store::Object;
use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// What a first look at a place fetches. Who reads on from there gets twice as much each time, up to `MOST`.
const LEAST: u64 = 256 << 10;
const MOST: u64 = 32 << 20;
/// How much of what was fetched is kept.
const KEPT: usize = 64 << 20;

/// A place in an object.
pub(crate) struct RemoteFile {
    calls: Arc<Calls>,
    object: Object,
    position: u64,
    /// What was fetched, by where it starts; the latest last.
    fetched: VecDeque<(u64, Vec<u8>)>,
    /// Where the latest fetch ended, and how much it was asked for.
    end: u64,
    ahead: u64,
}

impl RemoteFile {
    pub(super) fn new(calls: Arc<Calls>, object: Object) -> Self {
        Self { calls, object, position: 0, fetched: VecDeque::new(), end: 0, ahead: LEAST / 2 }
    }

    /// What is at hand from the position on.
    fn at_hand(&self) -> Option<&[u8]> {
        self.fetched.iter().rev().find_map(|(start, bytes)| {
            let skipped = usize::try_from(self.position.checked_sub(*start)?).ok()?;
            bytes.get(skipped..).filter(|rest| !rest.is_empty())
        })
    }

    fn fetch(&mut self) -> io::Result<()> {
        self.ahead = if self.position == self.end { (self.ahead * 2).min(MOST) } else { LEAST };
        let wanted = self.position..self.position.saturating_add(self.ahead);
        let bytes = self.calls.runtime.block_on(self.object.range(wanted)).map_err(io::Error::other)?;
        self.end = self.position + bytes.len() as u64;
        self.fetched.push_back((self.position, bytes));
        while self.fetched.len() > 1
            && self.fetched.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > KEPT
        {
            self.fetched.pop_front();
        }
        Ok(())
    }
}

impl Read for RemoteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.object.size() {
            return Ok(0);
        }
        if self.at_hand().is_none() {
            self.fetch()?;
        }
        let read = self.at_hand().unwrap_or_default().read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for RemoteFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.object.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

//! Lines in packed form, for collectors that ask for it: rows repeat themselves, and far hosts have thin lines.
//!
//! The lines become blocks of at most 64 KiB, each packed by LZ4 and written as a line of its own. What does not become
//! smaller, as short lines do not, stays as it is where it is a whole line.

use std::io::{self, Write};

/// Bytes of a block before it is packed. The collector refuses longer ones.
const BLOCK_BYTES: usize = 64 << 10;

/// Packs what is written to it.
pub(super) struct Packed<'a> {
    output: &'a mut dyn Write,
    waiting: Vec<u8>,
    /// What was written before ended a line.
    at_start: bool,
}

impl<'a> Packed<'a> {
    pub(super) fn new(output: &'a mut dyn Write) -> Self {
        Packed { output, waiting: Vec::with_capacity(BLOCK_BYTES), at_start: true }
    }

    fn emit(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let packed = herdiff_sql::to_base64(&lz4_flex::block::compress(&self.waiting));
        let line = format!("{{\"lz4\":\"{packed}\",\"bytes\":{}}}\n", self.waiting.len());
        let whole_lines = self.at_start && self.waiting.ends_with(b"\n");
        self.at_start = self.waiting.ends_with(b"\n");
        if whole_lines && line.len() >= self.waiting.len() {
            self.output.write_all(&self.waiting)?;
        } else {
            self.output.write_all(line.as_bytes())?;
        }
        self.waiting.clear();
        Ok(())
    }
}

impl Write for Packed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK_BYTES - self.waiting.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.waiting.extend_from_slice(taken);
        if self.waiting.len() == BLOCK_BYTES {
            self.emit()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.emit()?;
        self.output.flush()
    }
}

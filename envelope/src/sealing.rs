//! Writes an encrypted file as a stream.

use crate::Recipients;
use age::stream::StreamWriter;
use std::io::{self, Write};

/// Encrypts what is written to it. Without [`finish`](Self::finish) the file lacks its end, and says so to whoever reads it.
///
/// Nothing of what is written reaches `W` in the clear; up to 64 KiB wait in memory until they are a whole piece.
pub struct Sealing<W: Write>(StreamWriter<W>);

impl<W: Write> Sealing<W> {
    /// Starts a file that each of the recipients can read.
    ///
    /// # Errors
    /// When there is no recipient, or the system cannot write.
    pub fn start(sink: W, recipients: &Recipients) -> io::Result<Self> {
        let all = recipients.0.iter().map(|recipient| recipient.as_ref() as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(all).map_err(io::Error::other)?;
        Ok(Self(encryptor.wrap_output(sink)?))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the system cannot write.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

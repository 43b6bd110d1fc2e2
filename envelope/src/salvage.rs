//! What is intact of a damaged encrypted file.

use crate::opened::stream;
use crate::{EnvelopeError, Identities};
use std::io::{Read, Seek, SeekFrom};

/// So many bytes are encrypted together, and lost together.
const PIECE: usize = 64 << 10;

/// Decrypts into memory what can be decrypted, as far as the last piece that is whole. In the place of pieces that were changed there
/// are zeros, so that what is behind them stands where it stood; behind damage in a file that was also cut, nothing.
///
/// # Errors
/// When no key opens the file, or its list of recipients is damaged.
pub fn salvage<R: Read + Seek>(mut source: R, identities: &Identities) -> Result<Vec<u8>, EnvelopeError> {
    let mut plain = Vec::new();
    let mut reader = stream(&mut source, identities)?;
    loop {
        match read_piece(&mut reader, &mut plain) {
            Ok(PIECE) => continue,
            Ok(_) => return Ok(plain),
            Err(_) => {}
        }
        drop(reader);
        // One that has failed is not to be used again.
        reader = stream(&mut source, identities)?;
        let next = plain.len() + PIECE;
        let Ok(length) = reader.seek(SeekFrom::End(0)) else { return Ok(plain) };
        if next as u64 >= length {
            return Ok(plain);
        }
        drop(reader);
        reader = stream(&mut source, identities)?;
        plain.resize(next, 0);
        if reader.seek(SeekFrom::Start(next as u64)).is_err() {
            return Ok(plain);
        }
    }
}

/// Reads a whole piece, or what there is before the end; nothing is appended where it is damaged.
fn read_piece(reader: &mut impl Read, plain: &mut Vec<u8>) -> std::io::Result<usize> {
    let start = plain.len();
    let read = reader.take(PIECE as u64).read_to_end(plain);
    if read.is_err() {
        plain.truncate(start);
    }
    read
}

//! Reads an encrypted file from any place of it: pieces of 64 KiB are decrypted when they are read, and none is kept.

use crate::{EnvelopeError, Identities};
use age::stream::StreamReader;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// The first bytes of every file of age's.
const MAGIC: &[u8] = b"age-encryption.org/";
const ARMORED: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// What ends the list of recipients.
const END_OF_HEADER: &[u8] = b"\n--- ";
/// No list of recipients is longer: about a thousand of them fit.
const MOST_HEADER: u64 = 1 << 20;

/// What is said where bytes are not what was written.
const CHANGED: &str = "what is in it was changed since it was written";
const CUT: &str = "its end is missing, or was changed";

/// Whether a file that starts with these bytes is one of age's, in either form.
pub fn is_encrypted(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(ARMORED)
}

/// A file that is decrypted where it is read.
pub struct Opened<R> {
    reader: StreamReader<BufReader<R>>,
    length: u64,
    place: u64,
    /// After damage nothing is read any more.
    broken: bool,
}

/// Opens an encrypted file. Its end is checked at once, so that one that was cut is noticed whatever of it is read.
///
/// # Errors
/// When no key opens it, or it is damaged.
pub fn open<R: Read + Seek>(source: R, identities: &Identities) -> Result<Opened<R>, EnvelopeError> {
    let mut reader = stream(source, identities)?;
    // This decrypts the last piece, which alone can be the last one.
    let length = reader.seek(SeekFrom::End(0)).map_err(|error| damage(error, CUT))?;
    reader.rewind().map_err(|error| damage(error, CHANGED))?;
    Ok(Opened { reader, length, place: 0, broken: false })
}

/// The decrypted bytes from the start on.
pub(crate) fn stream<R: Read + Seek>(
    mut source: R,
    identities: &Identities,
) -> Result<StreamReader<BufReader<R>>, EnvelopeError> {
    source.rewind()?;
    let mut source = BufReader::new(source);
    if source.fill_buf()?.starts_with(ARMORED) {
        return Err(EnvelopeError::Armored);
    }
    // What has no end would be read into memory whole.
    let mut header = Vec::new();
    source.by_ref().take(MOST_HEADER).read_to_end(&mut header)?;
    if !header.windows(END_OF_HEADER.len()).any(|bytes| bytes == END_OF_HEADER) {
        return Err(EnvelopeError::Damaged("its list of recipients does not end"));
    }
    source.rewind()?;
    let decryptor = age::Decryptor::new_buffered(source).map_err(opening)?;
    if decryptor.is_scrypt() {
        return Err(EnvelopeError::Passphrase);
    }
    let all = identities.0.iter().map(|identity| identity.as_ref() as &dyn age::Identity);
    decryptor.decrypt(all).map_err(opening)
}

fn opening(error: age::DecryptError) -> EnvelopeError {
    use age::DecryptError as E;
    match error {
        E::NoMatchingKeys => EnvelopeError::NotForUs,
        E::UnknownFormat => EnvelopeError::Unknown,
        E::Io(error) if !is_of_content(&error) => EnvelopeError::Io(error),
        E::Io(_) => EnvelopeError::Damaged("it ends before what is encrypted"),
        E::InvalidHeader => EnvelopeError::Damaged("its list of recipients is none"),
        _ => EnvelopeError::Damaged("its list of recipients was changed since it was written"),
    }
}

/// Whether an error is about what stands in the file, and not of the system.
fn is_of_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn damage(error: io::Error, why: &'static str) -> EnvelopeError {
    if is_of_content(&error) { EnvelopeError::Damaged(why) } else { EnvelopeError::Io(error) }
}

/// Whether reading failed because bytes of an encrypted file are not what was written.
pub fn is_damage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<EnvelopeError>())
}

impl<R: Read + Seek> Read for Opened<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let changed = || io::Error::new(io::ErrorKind::InvalidData, EnvelopeError::Damaged(CHANGED));
        if self.broken {
            return Err(changed());
        }
        // The crate's reader takes it for granted that no place behind the end is looked at.
        let left = usize::try_from(self.length.saturating_sub(self.place)).unwrap_or(usize::MAX);
        let most = left.min(bytes.len());
        let Some(bytes) = bytes.get_mut(..most).filter(|bytes| !bytes.is_empty()) else { return Ok(0) };
        match self.reader.read(bytes) {
            Ok(0) => Err(changed()),
            Ok(count) => {
                self.place += count as u64;
                Ok(count)
            }
            Err(error) if is_of_content(&error) => {
                self.broken = true;
                Err(changed())
            }
            Err(error) => Err(error),
        }
    }
}

impl<R: Read + Seek> Seek for Opened<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the start of the file");
        self.place = to.ok_or_else(outside)?;
        if self.place < self.length {
            self.reader.seek(SeekFrom::Start(self.place)).map_err(|error| {
                if !is_of_content(&error) {
                    return error;
                }
                self.broken = true;
                io::Error::new(io::ErrorKind::InvalidData, EnvelopeError::Damaged(CHANGED))
            })?;
        }
        Ok(self.place)
    }
}

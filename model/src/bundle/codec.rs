//! The only place that knows bincode and zstd: turns a value into the bytes of a payload and back, under limits.
//!
//! bincode is frozen at 2.0.1 (what is published as 3.0.0 is empty). Its encoding is part of the format and written
//! down in `docs/BUNDLE.md`, so that another implementation could replace it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest payload, unpacked: one host's new rows. Also the most memory a hostile file can make a reader take
/// for one frame.
pub(super) const MAX_PAYLOAD: usize = 256 << 20;

/// For what is written while a sweep runs, or is small: fast, and most of what a higher level gains.
const LEVEL: i32 = 3;

/// Little-endian, variable-length integers.
fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_PAYLOAD>()
}

/// A packed payload and how long it is when unpacked.
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) unpacked: u64,
}

/// The bytes of a value. Equal values give equal bytes.
pub(super) fn encode(value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    bincode::serde::encode_to_vec(value, config()).map_err(std::io::Error::other)
}

pub(super) fn pack(value: &impl Serialize) -> std::io::Result<Packed> {
    let plain = encode(value)?;
    if plain.len() > MAX_PAYLOAD {
        return Err(std::io::Error::other("one host has more than 256 MiB of rows; set lower limits"));
    }
    Ok(Packed { bytes: zstd::bulk::compress(&plain, LEVEL)?, unpacked: plain.len() as u64 })
}

/// The error says what is wrong, for a reader.
pub(super) fn unpack<T: DeserializeOwned>(bytes: &[u8], unpacked: u64) -> Result<T, String> {
    if unpacked > MAX_PAYLOAD as u64 {
        return Err(format!("its length of {unpacked} bytes is over the limit of {MAX_PAYLOAD}"));
    }
    // Grows as bytes come: the length that the file tells is not trusted with an allocation.
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
    decoder
        .and_then(|decoder| decoder.take(unpacked + 1).read_to_end(&mut plain))
        .map_err(|error| format!("it cannot be decompressed: {error}"))?;
    if plain.len() as u64 != unpacked {
        return Err("it does not have the length that it tells".into());
    }
    let (value, read) = bincode::serde::decode_from_slice(&plain, config())
        .map_err(|error| format!("it cannot be decoded: {error}"))?;
    if read != plain.len() {
        return Err("there is more in it than there should be".into());
    }
    Ok(value)
}

/// For what is kept: slower to write, as fast to read.
const SEALED_LEVEL: i32 = 6;
/// The same for few hosts, of which it takes no time that anybody notices.
const SMALL_LEVEL: i32 = 17;
/// So many hosts are few.
const FEW: usize = 128;

/// Compresses what is kept. Streams are many and short: to make what they are packed with anew for each takes longer than packing
/// them, so all parts of a bundle share one.
#[derive(Clone)]
pub(super) struct Squeezer(Arc<Mutex<zstd::bulk::Compressor<'static>>>);

impl Squeezer {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(zstd::bulk::Compressor::new(SEALED_LEVEL)?))))
    }

    fn compressor(&self) -> MutexGuard<'_, zstd::bulk::Compressor<'static>> {
        // What a thread that panicked left begun is begun anew by the next call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes is of so many hosts.
    pub(super) fn expect(&self, hosts: usize) -> std::io::Result<()> {
        self.compressor().set_compression_level(if hosts <= FEW { SMALL_LEVEL } else { SEALED_LEVEL })
    }

    pub(super) fn squeeze(&self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        self.compressor().compress(plain)
    }

    /// The same for a value.
    pub(super) fn pack(&self, value: &impl Serialize) -> std::io::Result<Packed> {
        let plain = encode(value)?;
        Ok(Packed { bytes: self.squeeze(&plain)?, unpacked: plain.len() as u64 })
    }
}

/// Undoes it, for the streams of one payload.
#[derive(Default)]
pub(super) struct Expander(Option<zstd::bulk::Decompressor<'static>>);

impl Expander {
    /// `None` where the bytes are not what was compressed to this length.
    pub(super) fn expand(&mut self, bytes: &[u8], length: usize) -> Option<Vec<u8>> {
        /// As much may be allocated ahead, believing what a file says.
        const BELIEVED: usize = 1 << 20;
        if length > MAX_PAYLOAD {
            return None;
        }
        let plain = if length <= BELIEVED {
            let expander = match &mut self.0 {
                Some(expander) => expander,
                None => self.0.insert(zstd::bulk::Decompressor::new().ok()?),
            };
            expander.decompress(bytes, length).ok()?
        } else {
            let mut plain = Vec::new();
            let decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
            decoder.take(length as u64 + 1).read_to_end(&mut plain).ok()?;
            plain
        };
        (plain.len() == length).then_some(plain)
    }
}

//! The only place that knows bincode and zstd: turns a value into the bytes of a payload and back, under limits.
//!
//! bincode is frozen at 2.0.1 (what is published as 3.0.0 is empty). Its encoding is part of the format and written
//! down in `docs/BUNDLE.md`, so that another implementation could replace it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;

/// The longest payload, unpacked: one host's new rows. Also the most memory a hostile file can make a reader take
/// for one frame.
pub(super) const MAX_PAYLOAD: usize = 256 << 20;

/// Fast, and most of what a higher level gains.
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

pub(super) fn pack(value: &impl Serialize) -> std::io::Result<Packed> {
    let plain = bincode::serde::encode_to_vec(value, config()).map_err(std::io::Error::other)?;
    if plain.len() > MAX_PAYLOAD {
        return Err(std::io::Error::other("one host has more than 256 MiB of new rows; set lower limits"));
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

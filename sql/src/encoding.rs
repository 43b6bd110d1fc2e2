//! Digests and base64.

use std::fmt::Write;

use md5::Md5;
use rusqlite::types::Value;
use rusqlite::{Connection, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{bytes, pure};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn register(connection: &Connection) -> Result<()> {
    digest::<Md5>(connection, "md5")?;
    digest::<Sha1>(connection, "sha1")?;
    digest::<Sha256>(connection, "sha256")?;
    pure(connection, "to_base64", 1, |c| Ok(bytes(c, 0).map(|bytes| Value::Text(to_base64(&bytes)))))?;
    pure(connection, "conditional_to_base64", 1, |c| {
        Ok(bytes(c, 0).map(|bytes| {
            Value::Text(match String::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => text,
                Ok(text) => to_base64(text.as_bytes()),
                Err(error) => to_base64(error.as_bytes()),
            })
        }))
    })?;
    pure(connection, "from_base64", 1, |c| {
        Ok(bytes(c, 0).and_then(|bytes| from_base64(&bytes)).map(|bytes| {
            // Bytes that are no text stay bytes.
            String::from_utf8(bytes).map_or_else(|error| Value::Blob(error.into_bytes()), Value::Text)
        }))
    })
}

fn digest<D: Digest>(connection: &Connection, name: &str) -> Result<()> {
    pure(connection, name, 1, |c| Ok(bytes(c, 0).map(|bytes| Value::Text(hex(&D::digest(&bytes))))))
}

/// Two digits a byte, lower case.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place > group.len() {
                out.push('=');
                continue;
            }
            let index = (bits >> (18 - 6 * place)) & 63;
            out.push(ALPHABET.get(index as usize).map_or('=', |letter| char::from(*letter)));
        }
    }
    out
}

/// Base64 with or without padding; `None` for what is none.
pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text {
        let value = ALPHABET.iter().position(|known| known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_there_and_back() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("ünï", "w7xuw68=")]
        {
            assert_eq!(to_base64(plain.as_bytes()), coded);
            assert_eq!(from_base64(coded.as_bytes()).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base64(b"***"), None);
    }
}

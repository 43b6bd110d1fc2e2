//! Text that a host wrote: bytes made readable, and never longer than it is worth.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

/// What a detail, a path or a reason may have at most. Longer text is cut.
const MOST: usize = 4096;

/// Text of a host, cut at 4 KiB; bytes that are not UTF-8 become U+FFFD. It still may hold anything that a terminal
/// would obey: escape it where it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes.get(..MOST) {
            Some(start) if start.len() < bytes.len() => Self(format!("{}…", String::from_utf8_lossy(start))),
            _ => Self(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text::of(bytes))
            }
        }
        // As bytes, because serde_json refuses strings that are not UTF-8.
        deserializer.deserialize_bytes(Bytes)
    }
}

//! What stands in the payloads. These types are the format: the model may change, they may not without a new version.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// Reads a list of at most so many: a list of empty things takes next to no bytes in a file and a lot of memory.
fn bounded<'de, D, T, const MOST: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Bounded<T, const MOST: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Bounded<T, MOST> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() >= MOST {
                    return Err(A::Error::invalid_length(items.len() + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    deserializer.deserialize_seq(Bounded::<T, MOST>(PhantomData))
}

/// The payload of the first frame.
#[derive(Serialize, Deserialize)]
pub(super) struct SweepPayload {
    pub(super) tool: String,
    pub(super) started_ms: u64,
    pub(super) operator: String,
    pub(super) transport: String,
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) inventory: Vec<String>,
    pub(super) targets: u64,
    pub(super) pack: String,
    /// Gives the numbers of queries, whatever a later version makes of the pack's text.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) queries: Vec<String>,
}

/// The payload of a host's frame.
#[derive(Serialize, Deserialize)]
pub(super) struct HostPayload {
    pub(super) host: String,
    pub(super) herd: String,
    pub(super) outcome: u8,
    pub(super) phase: Option<u8>,
    pub(super) detail: String,
    pub(super) receipt: ReceiptPayload,
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) queries: Vec<QueryPayload>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReceiptPayload {
    pub(super) address: String,
    pub(super) started_ms: u64,
    pub(super) duration_ms: u64,
    pub(super) host_key: String,
    pub(super) engine: String,
    pub(super) engine_sha256: String,
    pub(super) arch: String,
    pub(super) uid: Option<u32>,
    pub(super) root: String,
    pub(super) placed: String,
    pub(super) removed: Option<bool>,
    pub(super) status: Option<i32>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) host_cpu_us: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) enum QueryPayload {
    Rows {
        /// Rows that no earlier frame has.
        new: NewRows,
        /// The numbers of the host's rows: ascending, each as its distance from the one before.
        ids: Vec<u32>,
        #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
        unread: Vec<(String, String, u64)>,
        cut: Option<String>,
    },
    Failed {
        kind: u8,
        detail: String,
    },
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct NewRows {
    /// Lists of columns that no earlier frame has, to be numbered on.
    #[serde(deserialize_with = "bounded::<_, _, 4096>")]
    pub(super) shapes: Vec<ColumnNames>,
    /// How many rows of which shape follow each other.
    #[serde(deserialize_with = "bounded::<_, _, 100_000>")]
    pub(super) runs: Vec<(u32, u32)>,
    /// Their cells, one after the other, each a LEB128 length and its bytes.
    #[serde(with = "serde_bytes")]
    pub(super) cells: Vec<u8>,
}

/// One list of columns.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ColumnNames(#[serde(deserialize_with = "bounded::<_, _, 4096>")] pub(super) Vec<String>);

/// The payload of the last frame.
#[derive(Serialize, Deserialize)]
pub(super) struct EndPayload {
    pub(super) finished_ms: u64,
    pub(super) interrupted: bool,
    pub(super) hosts: u64,
}

#[cfg(test)]
mod tests {
    use super::{super::codec, NewRows};

    /// As a payload that the writer would never make: so many lists of columns without any column.
    fn read(lists: usize) -> Result<NewRows, String> {
        let shapes = vec![Vec::<String>::new(); lists];
        let packed = codec::pack(&(shapes, Vec::<(u32, u32)>::new(), serde_bytes::ByteBuf::new())).unwrap();
        codec::unpack(&packed.bytes, packed.unpacked)
    }

    #[test]
    fn a_few_bytes_do_not_become_a_million_lists() {
        assert!(read(10).is_ok());
        assert!(read(1_000_000).err().unwrap().contains("a list of at most"));
    }
}

//! rpm's binary header: an index of tags, then their data.
//!
//! ```text
//! u32 entries, u32 bytes of data       (big-endian, as everything)
//! entries × { u32 tag, u32 type, u32 offset, u32 count }
//! data
//! ```

/// The tags that the tables show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    pub(crate) const SHA1: Tag = Tag(269);
    pub(crate) const NAME: Tag = Tag(1000);
    pub(crate) const VERSION: Tag = Tag(1001);
    pub(crate) const RELEASE: Tag = Tag(1002);
    pub(crate) const EPOCH: Tag = Tag(1003);
    pub(crate) const INSTALL_TIME: Tag = Tag(1008);
    pub(crate) const SIZE: Tag = Tag(1009);
    pub(crate) const VENDOR: Tag = Tag(1011);
    pub(crate) const GROUP: Tag = Tag(1016);
    pub(crate) const ARCH: Tag = Tag(1022);
    pub(crate) const FILE_SIZES: Tag = Tag(1028);
    pub(crate) const FILE_MODES: Tag = Tag(1030);
    pub(crate) const FILE_DIGESTS: Tag = Tag(1035);
    pub(crate) const FILE_USERS: Tag = Tag(1039);
    pub(crate) const FILE_GROUPS: Tag = Tag(1040);
    pub(crate) const SOURCE: Tag = Tag(1044);
    pub(crate) const DIRECTORY_INDEXES: Tag = Tag(1116);
    pub(crate) const BASE_NAMES: Tag = Tag(1117);
    pub(crate) const DIRECTORIES: Tag = Tag(1118);
    pub(crate) const LONG_SIZE: Tag = Tag(5009);
}

const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;
/// More values than any package has.
const MAX_COUNT: usize = 1_000_000;

struct Entry {
    tag: u32,
    kind: u32,
    offset: usize,
    count: usize,
}

/// A header that was found whole.
pub(crate) struct Header<'a> {
    entries: Vec<Entry>,
    data: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

impl<'a> Header<'a> {
    /// `None` when lengths do not fit what is there.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let count = usize::try_from(word(bytes, 0)?).ok()?;
        let size = usize::try_from(word(bytes, 4)?).ok()?;
        let index = bytes.get(8..8_usize.checked_add(count.checked_mul(16)?)?)?;
        let start = 8 + index.len();
        let data = bytes.get(start..start.checked_add(size)?)?;
        let entries = index
            .chunks_exact(16)
            .map(|entry| {
                Some(Entry {
                    tag: word(entry, 0)?,
                    kind: word(entry, 4)?,
                    offset: usize::try_from(word(entry, 8)?).ok()?,
                    count: usize::try_from(word(entry, 12)?).ok()?.min(MAX_COUNT),
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Header { entries, data })
    }

    fn find(&self, tag: Tag) -> Option<(&Entry, &'a [u8])> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag.0)?;
        Some((entry, self.data.get(entry.offset..)?))
    }

    /// Texts of a tag, empty when it is not there.
    pub(crate) fn texts(&self, tag: Tag) -> Vec<Vec<u8>> {
        match self.find(tag) {
            Some((entry, data)) if matches!(entry.kind, STRING | STRING_ARRAY | I18N_STRING) => {
                data.split(|byte| *byte == 0).take(entry.count).map(<[u8]>::to_vec).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The first text of a tag.
    pub(crate) fn text(&self, tag: Tag) -> Vec<u8> {
        self.texts(tag).into_iter().next().unwrap_or_default()
    }

    /// Numbers of a tag.
    pub(crate) fn numbers(&self, tag: Tag) -> Vec<i64> {
        let Some((entry, data)) = self.find(tag) else { return Vec::new() };
        let width = match entry.kind {
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            _ => return Vec::new(),
        };
        data.chunks_exact(width)
            .take(entry.count)
            .map(|bytes| bytes.iter().fold(0_i64, |value, byte| (value << 8) | i64::from(*byte)))
            .collect()
    }

    /// The first number of a tag.
    pub(crate) fn number(&self, tag: Tag) -> Option<i64> {
        self.numbers(tag).into_iter().next()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A header with these entries: tag, type, count, data.
    pub(crate) fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, count, bytes) in entries {
            for word in [*tag, *kind, data.len() as u32, *count] {
                index.extend_from_slice(&word.to_be_bytes());
            }
            data.extend_from_slice(bytes);
        }
        let mut out = (entries.len() as u32).to_be_bytes().to_vec();
        out.extend_from_slice(&(data.len() as u32).to_be_bytes());
        out.extend(index);
        out.extend(data);
        out
    }

    #[test]
    fn values_are_found_by_their_tag() {
        let bytes = header(&[
            (1000, 6, 1, b"bash\0"),
            (1117, 8, 2, b"sh\0bash\0"),
            (1030, 3, 2, &[0x81, 0xed, 0x81, 0xa4]),
            (1009, 4, 1, &[0, 0, 1, 0]),
        ]);
        let found = Header::parse(&bytes).unwrap();
        assert_eq!(found.text(Tag::NAME), b"bash");
        assert_eq!(found.texts(Tag::BASE_NAMES), [b"sh".to_vec(), b"bash".to_vec()]);
        assert_eq!(found.numbers(Tag::FILE_MODES), [0o100_755, 0o100_644]);
        assert_eq!((found.number(Tag::SIZE), found.number(Tag::EPOCH)), (Some(256), None));
    }

    #[test]
    fn a_cut_header_is_none() {
        let bytes = header(&[(1000, 6, 1, b"bash\0")]);
        for end in 0..bytes.len() {
            assert!(Header::parse(&bytes[..end]).is_none(), "{end}");
        }
        assert!(Header::parse(&[255; 64]).is_none());
    }
}

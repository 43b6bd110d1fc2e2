//! Lists of texts: each without what it has in common with the one before; digests in hexadecimal as half as many bytes.

use super::stream::{Input, Output};
use std::io;
use std::ops::Range;

/// Texts one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Texts {
    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize)
    }

    /// Adds what is appended; `None` where it would be longer than 4 GiB.
    pub(super) fn push_with(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
        append(&mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).ok()?);
        Some(())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

const FRONT: u64 = 0;
const HEX: u64 = 1;

/// How long all of them are, where all are hexadecimal of the same even length.
fn hex_length(texts: &[&[u8]]) -> Option<usize> {
    let length = texts.first()?.len();
    let is_hex = |text: &&[u8]| {
        text.len() == length && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (length >= 8 && length % 2 == 0 && texts.iter().all(is_hex)).then_some(length)
}

fn digit(byte: u8) -> u8 {
    if byte < b'a' { byte - b'0' } else { byte - b'a' + 10 }
}

pub(super) fn encode(texts: &[&[u8]], output: &mut Output) -> io::Result<()> {
    if let Some(length) = hex_length(texts) {
        output.number(HEX);
        output.number(length as u64 / 2);
        let digits = texts.iter().flat_map(|text| text.as_chunks::<2>().0);
        let bytes: Vec<u8> = digits.map(|&[high, low]| digit(high) << 4 | digit(low)).collect();
        return output.stream(&bytes);
    }
    let (mut shared_lengths, mut lengths) = (output.another(), output.another());
    let mut rest = Vec::new();
    let mut before: &[u8] = &[];
    for &text in texts {
        let shared = before.iter().zip(text).take_while(|(one, other)| one == other).count();
        shared_lengths.number(shared as u64);
        lengths.number((text.len() - shared) as u64);
        rest.extend(text.get(shared..).unwrap_or_default());
        before = text;
    }
    output.number(FRONT);
    output.stream(&shared_lengths.bytes)?;
    output.stream(&lengths.bytes)?;
    output.stream(&rest)
}

/// Reads so many texts, which are together not longer than `most`: those that are wanted, and where these need others, all before
/// them. In front stands which is the first that is there.
pub(super) fn decode(
    input: &mut Input<'_>,
    count: usize,
    most: usize,
    wanted: &Range<usize>,
) -> Option<(usize, Texts)> {
    let mut texts = Texts::default();
    let mut first = 0;
    match input.number()? {
        HEX => {
            let half = input.count(most)?;
            let packed = input.stream()?;
            if packed.len() != half.checked_mul(count)? || half == 0 {
                return None;
            }
            first = wanted.start;
            for bytes in packed.chunks(half).take(wanted.end).skip(first) {
                for byte in bytes {
                    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
                    texts.bytes.extend([digit(byte >> 4), digit(byte & 15)]);
                }
                texts.ends.push(u32::try_from(texts.bytes.len()).ok()?);
            }
        }
        FRONT => {
            let (shared, lengths, rest) = (input.stream()?, input.stream()?, input.stream()?);
            let mut shared = Input::new(&shared, 0);
            let mut lengths = Input::new(&lengths, 0);
            let mut rest = rest.as_slice();
            let mut start = 0;
            for _ in 0..wanted.end {
                let same = shared.count(texts.bytes.len() - start)?;
                let (own, behind) = rest.split_at_checked(lengths.count(rest.len())?)?;
                rest = behind;
                let next = texts.bytes.len();
                if next.checked_add(same)?.checked_add(own.len())? > most {
                    return None;
                }
                texts.bytes.extend_from_within(start..start.checked_add(same)?);
                texts.bytes.extend(own);
                texts.ends.push(u32::try_from(texts.bytes.len()).ok()?);
                start = next;
            }
            let is_at_end = rest.is_empty() && shared.is_at_end() && lengths.is_at_end();
            if wanted.end == count && !is_at_end {
                return None;
            }
        }
        _ => return None,
    }
    Some((first, texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::codec::Squeezer;
    use proptest::prelude::*;

    fn there_and_back(texts: &[&[u8]]) -> usize {
        let mut output = Output::new(&Squeezer::new().unwrap());
        encode(texts, &mut output).unwrap();
        let packed = output.packed();
        let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
        let back = decode(&mut input, texts.len(), 1 << 20, &(0..texts.len())).unwrap().1;
        assert_eq!(back.len(), texts.len());
        assert!(input.is_at_end());
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(back.get(at), Some(*text));
        }
        // Some of them.
        let wanted = texts.len() / 3..texts.len() / 2;
        let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
        let (first, back) = decode(&mut input, texts.len(), 1 << 20, &wanted).unwrap();
        assert!(first <= wanted.start && first + back.len() == wanted.end);
        for (at, text) in texts.iter().enumerate().filter(|(at, _)| wanted.contains(at)) {
            assert_eq!(back.get(at - first), Some(*text));
        }
        packed.bytes.len()
    }

    #[test]
    fn digests_take_half() {
        let digests: Vec<String> = (0..50).map(|n: u32| blake3::hash(&n.to_le_bytes()).to_string()).collect();
        let digests: Vec<&[u8]> = digests.iter().map(|text| text.as_bytes()).collect();
        assert!(there_and_back(&digests) < 50 * 32 + 12);
        // Capitals are not what would come back.
        there_and_back(&[b"ABCDEF0123", b"abcdef0123"]);
    }

    #[test]
    fn a_text_longer_than_it_may_be_is_refused() {
        let mut output = Output::new(&Squeezer::new().unwrap());
        encode(&[&[b'x'; 500], &[b'x'; 500]], &mut output).unwrap();
        let packed = output.packed();
        assert!(decode(&mut Input::new(&packed.bytes, 4000), 2, 999, &(0..2)).is_none());
        assert!(decode(&mut Input::new(&packed.bytes, 4000), 2, 1000, &(0..2)).is_some());
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in proptest::collection::vec(proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'a')], 0..20), 0..30)) {
            there_and_back(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}

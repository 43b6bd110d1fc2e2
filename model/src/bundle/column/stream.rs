//! Numbers, bits and compressed streams of bytes, one after the other in a payload.

use super::super::codec;

/// Puts a payload together.
pub(in super::super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// How long all streams are when unpacked.
    unpacked: u64,
    squeezer: codec::Squeezer,
}

/// Shorter streams gain nothing.
const LEAST_COMPRESSED: usize = 12;

impl Output {
    pub(in super::super) fn new(squeezer: &codec::Squeezer) -> Self {
        Self { bytes: Vec::new(), unpacked: 0, squeezer: squeezer.clone() }
    }

    /// An empty one beside this one.
    pub(in super::super) fn another(&self) -> Self {
        Self::new(&self.squeezer)
    }

    /// A number as LEB128.
    pub(in super::super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Bytes with their length, compressed where that makes them shorter.
    pub(in super::super) fn stream(&mut self, plain: &[u8]) -> std::io::Result<()> {
        self.unpacked += plain.len() as u64;
        self.number(plain.len() as u64);
        if plain.is_empty() {
            return Ok(());
        }
        if plain.len() >= LEAST_COMPRESSED {
            let packed = self.squeezer.squeeze(plain)?;
            if packed.len() + 2 < plain.len() {
                self.number(packed.len() as u64);
                self.bytes.extend(packed);
                return Ok(());
            }
        }
        self.number(0);
        self.bytes.extend(plain);
        Ok(())
    }

    /// Bytes as they are.
    pub(in super::super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// What was put together, without how long it is when unpacked.
    pub(in super::super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends another payload.
    pub(super) fn append(&mut self, other: &Self) {
        self.bytes.extend(&other.bytes);
        self.unpacked += other.unpacked;
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Ready for a frame, which tells how long it is when unpacked.
    pub(in super::super) fn packed(self) -> codec::Packed {
        codec::Packed { bytes: self.bytes, unpacked: self.unpacked }
    }
}

/// Takes a payload apart. `None` always means that it is not what a writer writes.
pub(in super::super) struct Input<'a> {
    bytes: &'a [u8],
    /// How much may still be unpacked.
    left: u64,
    expander: codec::Expander,
}

impl<'a> Input<'a> {
    /// A payload that says how long its streams are when unpacked.
    pub(in super::super) fn new(bytes: &'a [u8], unpacked: u32) -> Self {
        let left = u64::from(unpacked).min(codec::MAX_PAYLOAD as u64);
        Self { bytes, left, expander: codec::Expander::default() }
    }

    pub(in super::super) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for place in 0..10 {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number that counts something of which there are not that many.
    pub(in super::super) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|&count| count <= most)
    }

    pub(in super::super) fn stream(&mut self) -> Option<Vec<u8>> {
        let plain = self.number()?;
        if plain == 0 {
            return Some(Vec::new());
        }
        self.left = self.left.checked_sub(plain)?;
        let stored = self.number()?;
        let length = usize::try_from(if stored == 0 { plain } else { stored }).ok()?;
        let (bytes, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        match stored {
            0 => Some(bytes.to_vec()),
            _ => self.expander.expand(bytes, usize::try_from(plain).ok()?),
        }
    }

    /// So many bytes as they are.
    pub(in super::super) fn raw(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(bytes)
    }

    pub(in super::super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Bits, the lowest first.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    count: u32,
}

impl BitWriter {
    /// The lowest `count` bits of a number, at most 64.
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        let mask = (1u128 << count) - 1;
        self.pending |= (u128::from(bits) & mask) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// Reads what a [`BitWriter`] wrote.
pub(super) struct BitReader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    pending: u128,
    count: u32,
}

impl<'a> BitReader<'a> {
    #[cfg(test)]
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), pending: 0, count: 0 }
    }

    /// Behind so many bits.
    pub(super) fn at(bytes: &'a [u8], bits: usize) -> Option<Self> {
        let mut reader = Self { bytes: bytes.get(bits / 8..)?.iter(), pending: 0, count: 0 };
        reader.take((bits % 8) as u32)?;
        Some(reader)
    }

    /// At most 64 bits.
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        while self.count < count {
            self.pending |= u128::from(*self.bytes.next()?) << self.count;
            self.count += 8;
        }
        let bits = self.pending & ((1u128 << count) - 1);
        self.pending >>= count;
        self.count -= count;
        Some(bits as u64)
    }

    /// Whether nothing but the filling of the last byte is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.len() == 0 && self.count < 8 && self.pending == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_back(bits in proptest::collection::vec((any::<u64>(), 0u32..=64), 0..50)) {
            let cut = |value: u64, count: u32| (u128::from(value) & ((1u128 << count) - 1)) as u64;
            let mut writer = BitWriter::default();
            bits.iter().for_each(|&(value, count)| writer.put(value, count));
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for &(value, count) in &bits {
                prop_assert_eq!(reader.take(count), Some(cut(value, count)));
            }
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn streams_and_numbers_come_back(number: u64, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut output = Output::new(&codec::Squeezer::new().unwrap());
            output.stream(&bytes).unwrap();
            output.number(number);
            output.stream(&[7; 4000]).unwrap();
            let packed = output.packed();
            let mut input = Input::new(&packed.bytes, packed.unpacked as u32);
            prop_assert_eq!(input.stream(), Some(bytes));
            prop_assert_eq!(input.number(), Some(number));
            prop_assert_eq!(input.stream(), Some(vec![7; 4000]));
            prop_assert!(input.is_at_end());
            // A payload cannot become longer than it says.
            let mut input = Input::new(&packed.bytes, packed.unpacked as u32 - 1);
            prop_assert!(input.stream().is_some() && input.number().is_some());
            prop_assert_eq!(input.stream(), None);
        }
    }
}

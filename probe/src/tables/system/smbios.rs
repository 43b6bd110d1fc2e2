//! The firmware's tables (SMBIOS) as far as they tell of processors.
//!
//! A structure is a type, a length, a handle and as many bytes as the length says; behind it stand its texts, each with
//! a NUL, and one NUL more. A field names a text by its number from 1 on. Firmware is sloppy: every place is checked.

const PROCESSOR: u8 = 4;
const END: u8 = 127;
const MAX_STRUCTURES: usize = 65_536;
/// The bit of "capable of 64 bits" in the characteristics.
const WIDE: u16 = 1 << 2;

/// A processor in its socket. A field that the firmware's version does not know is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Processor {
    pub(crate) socket: Vec<u8>,
    pub(crate) kind: Option<u8>,
    pub(crate) manufacturer: Vec<u8>,
    pub(crate) model: Vec<u8>,
    pub(crate) max_speed: Option<u16>,
    pub(crate) speed: Option<u16>,
    pub(crate) status: Option<u8>,
    pub(crate) cores: Option<u16>,
    pub(crate) threads: Option<u16>,
    pub(crate) width: Option<u8>,
}

/// The processors of a table. The second value is false when it broke off.
pub(crate) fn processors(mut table: &[u8]) -> (Vec<Processor>, bool) {
    let mut found = Vec::new();
    for _ in 0..MAX_STRUCTURES {
        if table.is_empty() {
            return (found, true);
        }
        let Some((fixed, texts, rest)) = structure(table) else { return (found, false) };
        match fixed.first() {
            Some(&PROCESSOR) => found.push(processor(fixed, texts)),
            Some(&END) => return (found, true),
            _ => {}
        }
        table = rest;
    }
    (found, false)
}

/// The first structure: its fixed part, its texts, and what follows.
fn structure(table: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = usize::from(*table.get(1)?);
    let fixed = table.get(..length).filter(|_| length >= 4)?;
    let texts = table.get(length..)?;
    let end = texts.windows(2).position(|pair| pair == [0, 0])?;
    Some((fixed, texts.get(..=end)?, texts.get(end + 2..)?))
}

fn processor(fixed: &[u8], texts: &[u8]) -> Processor {
    let byte = |at: usize| fixed.get(at).copied();
    let word = |at: usize| Some(u16::from_le_bytes(fixed.get(at..at + 2)?.try_into().ok()?));
    let text = |at: usize| {
        let place = byte(at).and_then(|number| usize::from(number).checked_sub(1));
        let text = place.and_then(|place| texts.split(|byte| *byte == 0).nth(place));
        text.unwrap_or_default().trim_ascii().to_vec()
    };
    // From 255 on the number stands in a field of two bytes.
    let count = |at: usize, wide: usize| match byte(at)? {
        0xff => word(wide).or(Some(0xff)),
        few => Some(u16::from(few)),
    };
    Processor {
        socket: text(0x04),
        kind: byte(0x05),
        manufacturer: text(0x07),
        model: text(0x10),
        max_speed: word(0x14),
        speed: word(0x16),
        status: byte(0x18),
        cores: count(0x23, 0x2a),
        threads: count(0x25, 0x2e),
        width: word(0x26).map(|bits| if bits & WIDE == 0 { 32 } else { 64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cores: u8) -> Vec<u8> {
        let mut bytes = vec![0_u8; 0x30];
        bytes[..8].copy_from_slice(&[PROCESSOR, 0x30, 1, 0, 1, 3, 0, 2]);
        bytes[0x10] = 3;
        bytes[0x14..0x18].copy_from_slice(&[0xa0, 0x0f, 0xb8, 0x0b]);
        bytes[0x18] = 0x41;
        (bytes[0x23], bytes[0x25], bytes[0x26]) = (cores, 16, 4);
        bytes[0x2a..0x2c].copy_from_slice(&512_u16.to_le_bytes());
        bytes.extend_from_slice(b"LGA1\0Maker\0Model 9 \0\0");
        bytes
    }

    #[test]
    fn a_processor_is_read_with_its_texts() {
        let mut bytes = b"\x7e\x04\0\0\0\0".to_vec();
        bytes.extend(table(8));
        bytes.extend(b"\x7f\x04\0\0\0\0");
        let (found, whole) = processors(&bytes);
        assert!(whole);
        let expected = Processor {
            socket: b"LGA1".to_vec(),
            kind: Some(3),
            manufacturer: b"Maker".to_vec(),
            model: b"Model 9".to_vec(),
            max_speed: Some(4000),
            speed: Some(3000),
            status: Some(0x41),
            cores: Some(8),
            threads: Some(16),
            width: Some(64),
        };
        assert_eq!(found, [expected]);
        assert_eq!(processors(&table(255)).0[0].cores, Some(512));
    }

    #[test]
    fn tables_that_break_off_are_said_to() {
        let bytes = table(8);
        assert!(!processors(&bytes[..bytes.len() - 1]).1);
        assert!(!processors(&[4, 2, 0, 0, 0, 0]).1);
        assert_eq!(processors(&[4, 4, 0, 0, 0, 0]), (vec![Processor::default()], true));
    }
}

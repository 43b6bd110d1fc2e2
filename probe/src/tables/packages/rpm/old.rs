//! rpm's databases of other kinds: the hash file of Berkeley DB that was used until rpm 4.16, and SUSE's `ndb`.
//!
//! Only what is needed to find the headers is read. Both are little-endian on the machines that have them.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// No header is longer.
const MAX_HEADER: usize = 16 << 20;
/// Pages of the largest database that is read.
const MAX_PAGES: u32 = 4_000_000;
/// Chains may share pages, so that a small file could keep a reader busy for ever.
const MAX_CHAINED: usize = 4 << 30;

/// Why a file is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Read(Errno),
    Garbage,
}

impl From<Errno> for Broken {
    fn from(errno: Errno) -> Self {
        Broken::Read(errno)
    }
}

/// Gives every value of a file to a taker, until that says stop.
pub(super) type Reader = fn(&OwnedFd, &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Broken>;

/// Reads exactly these bytes.
fn read_at(file: &OwnedFd, at: u64, length: usize) -> Result<Vec<u8>, Broken> {
    let mut bytes = vec![0_u8; length];
    let mut done = 0;
    while done < length {
        let rest = bytes.get_mut(done..).unwrap_or_default();
        match rustix::io::pread(file, rest, at + done as u64)? {
            0 => return Err(Broken::Garbage),
            got => done += got,
        }
    }
    Ok(bytes)
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Broken> {
    let found = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    found.map(u32::from_le_bytes).ok_or(Broken::Garbage)
}

fn half(bytes: &[u8], at: usize) -> Result<usize, Broken> {
    let found = bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    found.map(|bytes| usize::from(u16::from_le_bytes(bytes))).ok_or(Broken::Garbage)
}

/// Berkeley DB: pages with a header of 26 bytes.
mod page {
    pub(super) const HASH_MAGIC: u32 = 0x0006_1561;
    pub(super) const HEADER: usize = 26;
    pub(super) const NEXT: usize = 16;
    pub(super) const ENTRIES: usize = 20;
    pub(super) const FREE: usize = 22;
    pub(super) const KIND: usize = 25;
    pub(super) const HASH_UNSORTED: u8 = 2;
    pub(super) const HASH: u8 = 13;
    /// A value that lies on pages of its own; headers are always so large.
    pub(super) const OFF_PAGE: u8 = 3;
}

/// Gives every value of a hash file to `take`, until that says stop.
pub(super) fn berkeley(file: &OwnedFd, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Broken> {
    let meta = read_at(file, 0, 72)?;
    let size = word(&meta, 20)?;
    let last = word(&meta, 32)?;
    let plausible = (512..=65_536).contains(&size) && size.is_power_of_two() && last < MAX_PAGES;
    if word(&meta, 12)? != page::HASH_MAGIC || !plausible {
        return Err(Broken::Garbage);
    }
    let size = size as usize;
    let load = |number: u32| read_at(file, u64::from(number) * size as u64, size);
    let mut chained = 0_usize;
    let mut whole = true;
    for number in 1..=last {
        // A file that is written to meanwhile may be shorter than it says.
        let Ok(bytes) = load(number) else { return Err(Broken::Garbage) };
        if !matches!(bytes.get(page::KIND), Some(&page::HASH | &page::HASH_UNSORTED)) {
            continue;
        }
        // Keys and values take turns.
        for place in (1..half(&bytes, page::ENTRIES)?).step_by(2) {
            let Ok(at) = half(&bytes, page::HEADER + 2 * place) else { break };
            if bytes.get(at) != Some(&page::OFF_PAGE) {
                continue;
            }
            let (Ok(first), Ok(length)) = (word(&bytes, at + 4), word(&bytes, at + 8)) else {
                whole = false;
                continue;
            };
            chained = chained.saturating_add(length as usize);
            if chained > MAX_CHAINED {
                return Err(Broken::Garbage);
            }
            match chain(&load, first, length as usize) {
                Ok(value) if !take(&value) => return Ok(()),
                Ok(_) => {}
                Err(_) => whole = false,
            }
        }
    }
    if whole { Ok(()) } else { Err(Broken::Garbage) }
}

/// A value on a chain of pages.
fn chain(
    load: &dyn Fn(u32) -> Result<Vec<u8>, Broken>,
    first: u32,
    length: usize,
) -> Result<Vec<u8>, Broken> {
    if length > MAX_HEADER {
        return Err(Broken::Garbage);
    }
    let mut value = Vec::new();
    let mut next = first;
    while next != 0 && value.len() < length {
        let bytes = load(next)?;
        next = word(&bytes, page::NEXT)?;
        let end = if next == 0 { page::HEADER + half(&bytes, page::FREE)? } else { bytes.len() };
        let part = bytes.get(page::HEADER..end).ok_or(Broken::Garbage)?;
        if part.is_empty() {
            return Err(Broken::Garbage);
        }
        value.extend_from_slice(part);
    }
    value.truncate(length);
    Ok(value)
}

/// `ndb`: a table of slots at the start, blobs behind it, both in blocks of 16 bytes.
mod slot {
    pub(super) const FILE_MAGIC: &[u8] = b"RpmP";
    pub(super) const MAGIC: &[u8] = b"Slot";
    pub(super) const BLOB_MAGIC: &[u8] = b"BlbS";
    pub(super) const PAGE: usize = 4_096;
    pub(super) const SIZE: usize = 16;
    /// The header of the file takes the place of two slots.
    pub(super) const HEADER: usize = 32;
    pub(super) const MAX_PAGES: u32 = 16_384;
}

/// Gives every blob of an `ndb` file to `take`, until that says stop.
pub(super) fn ndb(file: &OwnedFd, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Broken> {
    let head = read_at(file, 0, slot::HEADER)?;
    let pages = word(&head, 12)?;
    if !head.starts_with(slot::FILE_MAGIC) || pages == 0 || pages > slot::MAX_PAGES {
        return Err(Broken::Garbage);
    }
    let table = read_at(file, 0, pages as usize * slot::PAGE)?;
    let mut whole = true;
    for entry in table.get(slot::HEADER..).unwrap_or_default().chunks_exact(slot::SIZE) {
        if !entry.starts_with(slot::MAGIC) || word(entry, 4)? == 0 {
            continue;
        }
        let at = u64::from(word(entry, 8)?) * slot::SIZE as u64;
        match blob(file, at) {
            Ok(value) if !take(&value) => return Ok(()),
            Ok(_) => {}
            Err(_) => whole = false,
        }
    }
    if whole { Ok(()) } else { Err(Broken::Garbage) }
}

fn blob(file: &OwnedFd, at: u64) -> Result<Vec<u8>, Broken> {
    let head = read_at(file, at, slot::SIZE)?;
    let length = word(&head, 12)? as usize;
    if !head.starts_with(slot::BLOB_MAGIC) || length > MAX_HEADER {
        return Err(Broken::Garbage);
    }
    read_at(file, at + slot::SIZE as u64, length)
}

/// Reads bytes as if they were a database of either kind.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_anything(bytes: &[u8]) {
    let Ok(file) = rustix::fs::memfd_create("database", rustix::fs::MemfdFlags::CLOEXEC) else { return };
    if rustix::io::pwrite(&file, bytes, 0).is_ok() {
        for read in [berkeley as Reader, ndb] {
            let mut left = 100;
            // Whether it is one is not the question.
            let _ = read(&file, &mut |value| {
                std::hint::black_box(value);
                left -= 1;
                left > 0
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.into()
    }

    /// A hash file of three pages: meta, one hash page with one pair, one page of overflow.
    fn hash_file(value: &[u8]) -> Vec<u8> {
        let size = 512;
        let mut bytes = vec![0; size * 3];
        bytes[12..16].copy_from_slice(&page::HASH_MAGIC.to_le_bytes());
        bytes[20..24].copy_from_slice(&(size as u32).to_le_bytes());
        bytes[32..36].copy_from_slice(&2_u32.to_le_bytes());
        let hash = &mut bytes[size..2 * size];
        hash[page::KIND] = page::HASH;
        hash[page::ENTRIES..page::ENTRIES + 2].copy_from_slice(&2_u16.to_le_bytes());
        hash[28..30].copy_from_slice(&400_u16.to_le_bytes());
        hash[400] = page::OFF_PAGE;
        hash[404..408].copy_from_slice(&2_u32.to_le_bytes());
        hash[408..412].copy_from_slice(&(value.len() as u32).to_le_bytes());
        let over = &mut bytes[2 * size..];
        over[page::FREE..page::FREE + 2].copy_from_slice(&(value.len() as u16).to_le_bytes());
        over[page::HEADER..page::HEADER + value.len()].copy_from_slice(value);
        bytes
    }

    fn all(read: Reader, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let _ = read(&file(bytes), &mut |value| {
            found.push(value.to_vec());
            true
        });
        found
    }

    #[test]
    fn values_of_a_hash_file_are_found() {
        assert_eq!(all(berkeley, &hash_file(b"header")), [b"header"]);
        assert_eq!(berkeley(&file(&[0; 100]), &mut |_| true), Err(Broken::Garbage));
    }

    #[test]
    fn blobs_of_ndb_are_found() {
        let mut bytes = vec![0; 4096];
        bytes[..4].copy_from_slice(b"RpmP");
        bytes[12] = 1;
        bytes[32..36].copy_from_slice(b"Slot");
        bytes[36] = 1;
        bytes[40..44].copy_from_slice(&256_u32.to_le_bytes());
        bytes.extend_from_slice(b"BlbS\x01\0\0\0\0\0\0\0\x04\0\0\0blob");
        assert_eq!(all(ndb, &bytes), [b"blob"]);
        assert_eq!(ndb(&file(&[0; 100]), &mut |_| true), Err(Broken::Garbage));
    }

    #[test]
    fn a_broken_file_ends() {
        let whole = hash_file(b"header");
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            all(berkeley, &broken);
            all(berkeley, &whole[..at]);
        }
        // A page that is its own next one.
        let mut circle = hash_file(b"header");
        circle[2 * 512 + page::NEXT] = 2;
        circle[512 + 408..512 + 412].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(all(berkeley, &circle).is_empty());
    }
}

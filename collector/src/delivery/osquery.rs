//! An osqueryi of the operator's, to be pushed: the program itself, or the archive that the project publishes, checked against a
//! hash before anything is taken out of it.

use super::binary::{BinaryError, ProbeBinary, sha256};
use bytes::Bytes;
use flate2::read::GzDecoder;
use std::io::Read;

/// What is unpacked may not be larger: the published archives are a tenth of it.
const MOST_BYTES: u64 = 1 << 30;

/// Names of the program: it is one, and acts as its name says.
const NAMES: [&str; 2] = ["osqueryi", "osqueryd"];

const BLOCK: usize = 512;

impl ProbeBinary {
    /// osqueryi from a file with this SHA-256, in hex: the program, or a tar archive with it, plain or packed with gzip. It may
    /// need libraries of the host, as the published one does. `name` is for messages.
    ///
    /// # Errors
    /// Where the hash is another one, or there is no program for Linux in the file.
    pub fn osquery(name: &str, file: impl Into<Bytes>, hash: &str) -> Result<Self, BinaryError> {
        let file = file.into();
        let found = sha256(&file);
        if !found.eq_ignore_ascii_case(hash.trim()) {
            let expected = hash.trim().to_owned();
            return Err(BinaryError::Hash { name: name.to_owned(), found, expected });
        }
        let archive = |why: String| BinaryError::Archive { name: name.to_owned(), why };
        let unpacked = if file.starts_with(&[0x1f, 0x8b]) {
            let mut bytes = Vec::new();
            let read = GzDecoder::new(&*file).take(MOST_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(|error| archive(error.to_string()))?;
            if bytes.len() as u64 > MOST_BYTES {
                return Err(archive(format!("it unpacks to more than {MOST_BYTES} bytes")));
            }
            Bytes::from(bytes)
        } else {
            file
        };
        let program = if unpacked.starts_with(b"\x7fELF") {
            unpacked
        } else {
            let member = member(&unpacked);
            member.ok_or_else(|| archive("there is no program osqueryi or osqueryd in it".to_owned()))?
        };
        Self::from_linked_elf(name, program)
    }
}

/// The first plain file of a tar archive that has one of the names.
fn member(archive: &Bytes) -> Option<Bytes> {
    let mut at = 0usize;
    loop {
        let header = archive.get(at..at.checked_add(BLOCK)?)?;
        let start = at + BLOCK;
        let size = size(header.get(124..136)?)?;
        let end = start.checked_add(size)?;
        let name = header.get(..100)?.split(|&byte| byte == 0).next()?;
        let name = name.rsplit(|&byte| byte == b'/').next()?;
        let is_plain = matches!(header.get(156)?, b'0' | 0);
        if is_plain && size > 0 && NAMES.iter().any(|known| known.as_bytes() == name) {
            return (end <= archive.len()).then(|| archive.slice(start..end));
        }
        at = end.checked_next_multiple_of(BLOCK)?;
    }
}

/// A number in octal; of the end of an archive, which is all zeros, there is none.
fn size(field: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    usize::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Command;

    /// The start of a program for x86_64 that wants a loader.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; 200];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18] = 62;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = 3;
        bytes[64 + 8] = 120;
        bytes[64 + 32] = 10;
        bytes
    }

    fn read(bytes: &[u8]) -> Result<ProbeBinary, BinaryError> {
        ProbeBinary::osquery("it", bytes.to_vec(), &sha256(bytes).to_uppercase())
    }

    #[test]
    fn the_program_and_the_published_archive() {
        let plain = read(&program()).unwrap();
        assert_eq!((plain.arch(), plain.bytes().len()), ("x86_64", 200));
        // As tar makes it, with a link before the program and something large.
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("opt/osquery/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("osqueryd"), program()).unwrap();
        std::os::unix::fs::symlink("osqueryd", bin.join("osqueryi")).unwrap();
        std::fs::write(dir.path().join("opt/a"), vec![1; 3000]).unwrap();
        for (flags, name) in [("-cf", "o.tar"), ("-czf", "o.tgz")] {
            let made = Command::new("tar")
                .args([flags, name, "--sort=name", "opt"])
                .current_dir(dir.path())
                .status();
            assert!(made.unwrap().success());
            let bytes = std::fs::read(dir.path().join(name)).unwrap();
            let engine = read(&bytes).unwrap();
            assert_eq!(engine.sha256(), plain.sha256(), "{name}: the program's own hash, not the archive's");
        }
    }

    #[test]
    fn another_hash_is_refused_before_anything_is_read() {
        let error = ProbeBinary::osquery("it", program(), &"0".repeat(64)).unwrap_err().to_string();
        assert!(error.contains(&sha256(&program())) && error.contains(&"0".repeat(64)), "{error}");
    }

    #[test]
    fn anything_else_is_refused_and_never_a_panic() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"no archive").unwrap();
        let gzip = gzip.finish().unwrap();
        let mut huge = vec![0; 1024];
        huge[..8].copy_from_slice(b"osqueryd");
        huge[124..135].copy_from_slice(b"77777777777");
        for bytes in [&b""[..], b"#!/bin/sh", &gzip, &gzip[..6], &huge, &[0xff; 700], &[b'7'; 2000]] {
            assert!(read(bytes).is_err());
        }
        huge[124..135].copy_from_slice(b"00000000010");
        assert!(read(&huge).unwrap_err().to_string().contains("not an ELF program"));
    }
}

//! Engines that can be pushed: static programs, one for each architecture.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use std::fmt;

/// A program that is pushed to hosts of one architecture.
#[derive(Clone)]
pub struct ProbeBinary {
    arch: String,
    bytes: Bytes,
    sha256: String,
}

impl fmt::Debug for ProbeBinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProbeBinary {{ {}, {} bytes, {} }}", self.arch, self.bytes.len(), self.sha256)
    }
}

/// The SHA-256 of bytes, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// A file that cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It is not the file that was meant.
    #[error("{name}: its SHA-256 is {found}, not {expected}: it is another file, or somebody changed it")]
    Hash {
        /// The file, as the caller calls it.
        name: String,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// An archive without what is wanted.
    #[error("{name}: cannot take osqueryi out of it: {why}")]
    Archive {
        /// The file, as the caller calls it.
        name: String,
        /// Why not.
        why: String,
    },
    /// Not a program for Linux.
    #[error("{name}: not an ELF program that Herdiff knows ({why})")]
    NotElf {
        /// The file, as the caller calls it.
        name: String,
        /// What is not as it should be.
        why: &'static str,
    },
    /// It would need a loader and libraries of the host.
    #[error(
        "{name}: is linked dynamically (it asks for {interpreter}), so it runs only where the same libraries are; \
         build it for a musl target, such as x86_64-unknown-linux-musl"
    )]
    Dynamic {
        /// The file, as the caller calls it.
        name: String,
        /// The loader that it names.
        interpreter: String,
    },
}

impl ProbeBinary {
    /// A program as it is in a file. Its header says the architecture; `name` is for messages.
    pub fn from_elf(name: &str, bytes: impl Into<Bytes>) -> Result<Self, BinaryError> {
        let bytes = bytes.into();
        let fail = |why| BinaryError::NotElf { name: name.to_owned(), why };
        let header = Elf::read(&bytes).map_err(fail)?;
        if let Some(interpreter) = header.interpreter {
            let interpreter = String::from_utf8_lossy(interpreter).trim_end_matches('\0').to_owned();
            return Err(BinaryError::Dynamic { name: name.to_owned(), interpreter });
        }
        Ok(Self::for_arch(header.arch, bytes))
    }

    /// The same, where it may need libraries of the host.
    pub(super) fn from_linked_elf(name: &str, bytes: Bytes) -> Result<Self, BinaryError> {
        let header = Elf::read(&bytes).map_err(|why| BinaryError::NotElf { name: name.to_owned(), why })?;
        Ok(Self::for_arch(header.arch, bytes))
    }

    /// A program of any form, a script for example, for hosts whose `uname -m` says `arch`.
    pub fn for_arch(arch: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = sha256(&bytes);
        Self { arch: arch.to_owned(), bytes, sha256 }
    }

    /// The architecture as `uname -m` names it.
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// The file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its SHA-256, in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether it runs on a host whose `uname -m` says `machine`.
    pub fn runs_on(&self, machine: &str) -> bool {
        canonical_arch(machine) == canonical_arch(&self.arch)
    }
}

/// Kernels name the same architecture differently.
fn canonical_arch(machine: &str) -> &str {
    match machine {
        "amd64" | "x64" => "x86_64",
        "arm64" => "aarch64",
        "i386" | "i486" | "i586" => "i686",
        other => other,
    }
}

/// What the header of a program says.
struct Elf<'a> {
    arch: &'static str,
    interpreter: Option<&'a [u8]>,
}

impl<'a> Elf<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let cut = "its header is cut off";
        if bytes.get(..4) != Some(b"\x7fELF") {
            return Err("it does not start with the mark of ELF");
        }
        let wide = match bytes.get(4).ok_or(cut)? {
            1 => false,
            2 => true,
            _ => return Err("it is neither of 32 nor of 64 bits"),
        };
        if bytes.get(5) != Some(&1) {
            return Err("it is big-endian");
        }
        let arch = match number(bytes, 18, 2).ok_or(cut)? {
            3 => "i686",
            40 => "armv7l",
            62 => "x86_64",
            183 => "aarch64",
            243 => "riscv64",
            _ => return Err("it is for another architecture"),
        };
        let at = |narrow, wide_at| if wide { wide_at } else { narrow };
        let table = number(bytes, at(28, 32), at(4, 8)).ok_or(cut)?;
        let size = number(bytes, at(42, 54), 2).ok_or(cut)?;
        let count = number(bytes, at(44, 56), 2).ok_or(cut)?;
        let mut interpreter = None;
        for n in 0..count {
            let entry = table.checked_add(n * size).ok_or(cut)?;
            const PT_INTERP: usize = 3;
            if number(bytes, entry, 4).ok_or(cut)? == PT_INTERP {
                let offset = number(bytes, entry + at(4, 8), at(4, 8)).ok_or(cut)?;
                let length = number(bytes, entry + at(16, 32), at(4, 8)).ok_or(cut)?;
                let end = offset.checked_add(length).ok_or(cut)?;
                interpreter = Some(bytes.get(offset..end).ok_or(cut)?);
            }
        }
        Ok(Self { arch, interpreter })
    }
}

/// A little-endian number of `width` bytes.
fn number(bytes: &[u8], offset: usize, width: usize) -> Option<usize> {
    let field = bytes.get(offset..offset.checked_add(width)?)?;
    let value = field.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    usize::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit program for `machine` with one entry in its program header table.
    fn elf(machine: u8, segment: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 + 16];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18] = machine;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = segment;
        bytes[64 + 8] = 120;
        bytes[64 + 32] = 10;
        bytes[120..130].copy_from_slice(b"/lib/ld.so");
        bytes
    }

    #[test]
    fn the_header_says_the_architecture() {
        let probe = ProbeBinary::from_elf("probe", elf(183, 1)).unwrap();
        assert_eq!(probe.arch(), "aarch64");
        assert!(probe.runs_on("arm64") && !probe.runs_on("x86_64"));
        assert_eq!(probe.sha256().len(), 64);
    }

    #[test]
    fn a_program_that_needs_libraries_is_refused() {
        let error = ProbeBinary::from_elf("p", elf(62, 3)).unwrap_err().to_string();
        assert!(error.contains("p: is linked dynamically (it asks for /lib/ld.so)"), "{error}");
    }

    #[test]
    fn anything_else_is_refused_and_never_a_panic() {
        let whole = elf(62, 3);
        for cut in 0..130 {
            assert!(ProbeBinary::from_elf("p", whole[..cut].to_vec()).is_err(), "{cut}");
        }
        assert!(ProbeBinary::from_elf("p", b"#!/bin/sh".to_vec()).is_err());
        let mut wild = whole;
        wild[32..40].fill(0xff);
        assert!(ProbeBinary::from_elf("p", wild).is_err());
    }
}

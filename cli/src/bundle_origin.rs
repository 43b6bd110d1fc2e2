//! What bundles are read from: a file, or an object in S3.

use crate::error::Failure;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// A bundle that was opened.
pub(crate) enum Origin {
    /// On this machine.
    File(File),
    /// In S3: only what is read is fetched.
    #[cfg(feature = "aws")]
    Remote(Box<crate::aws::RemoteFile>),
}

impl Origin {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if is_remote(path) {
            #[cfg(feature = "aws")]
            return crate::aws::open(path).map(|file| Self::Remote(Box::new(file)));
            #[cfg(not(feature = "aws"))]
            return Err(without_aws(path));
        }
        File::open(path).map(Self::File).map_err(|error| Failure::file("open the bundle", path, &error))
    }
}

impl Read for Origin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            #[cfg(feature = "aws")]
            Self::Remote(file) => file.read(buffer),
        }
    }
}

impl Seek for Origin {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            #[cfg(feature = "aws")]
            Self::Remote(file) => file.seek(to),
        }
    }
}

/// Whether a name means S3.
pub(crate) fn is_remote(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"s3://")
}

#[cfg(not(feature = "aws"))]
pub(crate) fn without_aws(path: &Path) -> Failure {
    Failure::usage(format!("cannot use {}", path.display()))
        .why("this herdiff was built without AWS")
        .next("build it with `cargo build --release --features aws`, or copy the bundle")
}

//! `hash`: digests of files.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use herdiff_sql::hex;
use md5::Md5;
use rustix::fs::FileType;
use rustix::io::Errno;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::file::split;
use super::pattern::{Found, asked_for};
use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "hash",
    about: "Digests of regular files. Only those that the query names are computed.",
    sources: "the files themselves",
    differences: "A file that grows while it is read is cut at 64 GiB.",
    columns: &[
        text("path").required(),
        text("directory").required(),
        text("md5").collate("NOCASE"),
        text("sha1").collate("NOCASE"),
        text("sha256").collate("NOCASE"),
        integer("pid_with_namespace").hidden(),
        text("mount_namespace_id").hidden(),
    ],
    per_user: false,
    rows,
};

const MAX_BYTES: u64 = 64 << 30;

/// Which digests a query looks at.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) md5: bool,
    pub(crate) sha1: bool,
    pub(crate) sha256: bool,
}

/// Digests in hexadecimal; empty when not wanted or not to be had.
#[derive(Default)]
pub(crate) struct Digests {
    pub(crate) md5: String,
    pub(crate) sha1: String,
    pub(crate) sha256: String,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = Arc::clone(&scan.host);
    let wanted = Wanted { md5: scan.uses("md5"), sha1: scan.uses("sha1"), sha256: scan.uses("sha256") };
    Ok(Box::new(asked_for(scan).filter_map(move |found| hash_row(&host, found, wanted))))
}

fn hash_row(host: &Host, found: Found, wanted: Wanted) -> Option<Row> {
    let stat = host.look(&found.path, true)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return None;
    }
    // osquery has a row without digests for a file that may not be read.
    let digests = digests(host, &found.path, wanted);
    let directory = found.directory.unwrap_or_else(|| split(&found.path).0.to_vec());
    Some(row![found.path, directory, digests.md5, digests.sha1, digests.sha256, 0, ""])
}

/// The digests of a file; what cannot be read is counted and has none.
pub(crate) fn digests(host: &Host, path: &[u8], wanted: Wanted) -> Digests {
    if !(wanted.md5 || wanted.sha1 || wanted.sha256) {
        return Digests::default();
    }
    let read = host.open(path).and_then(|fd| digest_fd(host, &fd, wanted));
    read.unwrap_or_else(|errno| {
        host.note(path, &crate::host::os_words(errno));
        Digests::default()
    })
}

fn digest_fd(host: &Host, fd: &OwnedFd, wanted: Wanted) -> Result<Digests, Errno> {
    let mut md5 = wanted.md5.then(Md5::new);
    let mut sha1 = wanted.sha1.then(Sha1::new);
    let mut sha256 = wanted.sha256.then(Sha256::new);
    let mut buffer = vec![0_u8; 128 << 10];
    let mut total = 0_u64;
    loop {
        let got = match rustix::io::read(fd, buffer.as_mut_slice()) {
            Ok(0) => break,
            Ok(got) => got,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let piece = buffer.get(..got).unwrap_or_default();
        if let Some(md5) = &mut md5 {
            md5.update(piece);
        }
        if let Some(sha1) = &mut sha1 {
            sha1.update(piece);
        }
        if let Some(sha256) = &mut sha256 {
            sha256.update(piece);
        }
        total += got as u64;
        if host.expired() {
            return Err(Errno::INTR);
        }
        if total > MAX_BYTES {
            return Err(Errno::FBIG);
        }
    }
    Ok(Digests {
        md5: md5.map(|digest| hex(&digest.finalize())).unwrap_or_default(),
        sha1: sha1.map(|digest| hex(&digest.finalize())).unwrap_or_default(),
        sha256: sha256.map(|digest| hex(&digest.finalize())).unwrap_or_default(),
    })
}

//! Directories whose link count tells of more directories in them than a listing shows.
//!
//! Every directory has a link from its parent, one from itself, and one from each directory in it, on the file
//! systems that count them so.

use rustix::fs::FileType;

use super::Hidden;
use crate::host::Host;

/// Where intruders keep things, and small enough to be listed in passing.
const WATCHED: [&str; 16] = [
    "/",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/etc",
    "/root",
    "/home",
    "/opt",
    "/usr",
    "/usr/lib",
    "/usr/local",
    "/usr/share",
    "/var",
    "/var/lib",
    "/run",
    "/lib/modules",
];

pub(super) fn hidden(host: &Host) -> Vec<Hidden> {
    let watched = WATCHED.iter();
    watched.filter_map(|path| disagreement(host, path).and_then(|_| disagreement(host, path))).collect()
}

fn disagreement(host: &Host, path: &str) -> Option<Hidden> {
    let counted = host.stat(path.as_bytes(), true).ok()?;
    let entries = host.try_list(path.as_bytes()).ok()?;
    let again = host.stat(path.as_bytes(), true).ok()?;
    let links = u64::from(counted.st_nlink as u32);
    // Some file systems do not count: they say 1. What changed meanwhile proves nothing.
    if links < 2 || counted.st_nlink != again.st_nlink || counted.st_mtime != again.st_mtime {
        return None;
    }
    let mut shown = 0_u64;
    for entry in &entries {
        if entry.kind == FileType::Unknown {
            return None;
        }
        shown += u64::from(entry.kind.is_dir());
    }
    (links - 2 > shown).then(|| Hidden {
        kind: "directory",
        id: path.as_bytes().to_vec(),
        seen_by: "link count",
        not_seen_by: "getdents64",
        detail: format!("has {} directories, shows {shown}", links - 2),
    })
}

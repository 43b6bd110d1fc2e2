//! Directories that show one thing to one way of looking and another to another.
//!
//! Every directory has a link from its parent, one from itself, and one from each directory in it, on the file
//! systems that count them so: a listing that shows fewer hides some. And what the C library reads must be what the
//! kernel's own call gives.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStringExt;

use rustix::fs::FileType;

use super::Hidden;
use crate::host::Host;

/// As many as are listed otherwise.
const MAX_ENTRIES: usize = 1_000_000;

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
    let mut found: Vec<Hidden> =
        watched.filter_map(|path| disagreement(host, path).and_then(|_| disagreement(host, path))).collect();
    if host.is_live() {
        for path in WATCHED {
            let (Some(kernel), Some(library)) = (by_kernel(host, path), by_library(path)) else { continue };
            let (again_kernel, again_library) =
                (by_kernel(host, path).unwrap_or_default(), by_library(path).unwrap_or_default());
            found.extend(
                only_in((&kernel, &again_kernel), (&library, &again_library))
                    .map(|name| entry(path, name, "getdents64", "readdir")),
            );
            found.extend(
                only_in((&library, &again_library), (&kernel, &again_kernel))
                    .map(|name| entry(path, name, "readdir", "getdents64")),
            );
        }
    }
    found
}

type Names = BTreeSet<Vec<u8>>;

/// Names that one way showed twice and the other never.
fn only_in<'a>(
    one: (&'a Names, &'a Names),
    other: (&'a Names, &'a Names),
) -> impl Iterator<Item = &'a Vec<u8>> {
    one.0.intersection(one.1).filter(move |name| !other.0.contains(*name) && !other.1.contains(*name))
}

fn entry(directory: &str, name: &[u8], seen_by: &'static str, not_seen_by: &'static str) -> Hidden {
    let id = [directory.trim_end_matches('/').as_bytes(), b"/", name].concat();
    Hidden { kind: "directory", id, seen_by, not_seen_by, detail: "an entry of its directory".to_owned() }
}

fn by_kernel(host: &Host, path: &str) -> Option<Names> {
    let entries = host.try_list(path.as_bytes()).ok()?;
    Some(entries.into_iter().map(|entry| entry.name).collect())
}

fn by_library(path: &str) -> Option<Names> {
    let entries = std::fs::read_dir(path).ok()?.take(MAX_ENTRIES);
    Some(entries.filter_map(|entry| Some(entry.ok()?.file_name().into_vec())).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_shown_twice_and_never_by_the_other_is_hidden() {
        let names = |all: &[&str]| all.iter().map(|name| name.as_bytes().to_vec()).collect::<Names>();
        let (a, b) = (names(&["x", "new", "hidden"]), names(&["x", "hidden"]));
        let (c, d) = (names(&["x"]), names(&["x", "late"]));
        let found: Vec<_> = only_in((&a, &b), (&c, &d)).collect();
        assert_eq!(found, [b"hidden"]);
        assert_eq!(only_in((&c, &d), (&a, &b)).count(), 0);
        let hidden = entry("/", b"x", "getdents64", "readdir");
        assert_eq!(hidden.id, b"/x");
    }

    #[test]
    fn both_ways_agree_here() {
        let host = Host::new(crate::host::Root::live());
        for path in ["/", "/etc", "/usr/lib"] {
            assert_eq!(by_kernel(&host, path), by_library(path), "{path}");
        }
    }
}

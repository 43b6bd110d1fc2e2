//! Paths that a query asks for: given ones, the entries of given directories, and LIKE patterns.
//!
//! A pattern is osquery's: `%` is any text within one level and does not begin a hidden name, `_` is itself, and
//! only `%%` at the end goes deeper, where hidden names count and links to directories are followed. Letters keep
//! their case. SQLite holds its own LIKE against every row afterwards.

use std::collections::HashSet;
use std::sync::Arc;

use rustix::fs::FileType;

use crate::host::Host;
use crate::tables::Scan;

/// Levels below the start of a recursive walk.
const MAX_DEPTH: usize = 128;

/// A path that a query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: Vec<u8>,
    /// The directory under which it was asked for; otherwise that of the path.
    pub(super) directory: Option<Vec<u8>>,
}

/// Everything that the constraints on `path` and `directory` name, one after the other. Symbolic links are in it as
/// themselves, and given paths even when nothing is there.
pub(super) fn asked_for(scan: &Scan) -> impl Iterator<Item = Found> + use<> {
    let host = Arc::clone(&scan.host);
    let listing = Arc::clone(&scan.host);
    let given = scan.equal_texts("path").into_iter().map(|path| Found { path, directory: None });
    let patterns = scan.like_patterns("path").into_iter();
    let matching = patterns
        .flat_map(move |pattern| Expansion::new(Arc::clone(&host), &pattern))
        .map(|path| Found { path, directory: None });
    let directories = scan.equal_texts("directory").into_iter();
    let directory_patterns = scan.like_patterns("directory").into_iter();
    let pattern_host = Arc::clone(&scan.host);
    let listed = directories
        .chain(
            directory_patterns.flat_map(move |pattern| Expansion::new(Arc::clone(&pattern_host), &pattern)),
        )
        .flat_map(move |directory| {
            let separator: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
            // A path that is no directory has no entries; that is an answer, not a failure.
            let entries =
                if listing.is_directory(&directory) { listing.list(&directory) } else { Vec::new() };
            entries.into_iter().map(move |entry| Found {
                path: [&directory, separator, &entry.name].concat(),
                directory: Some(directory.clone()),
            })
        });
    // A path that is constrained twice, as by `path = x AND directory = y`, is looked for once.
    let paths_first = scan.constrained("path");
    given.chain(matching).chain(listed.filter(move |_| !paths_first))
}

/// What an expansion still has to do; the last one comes first, so that it goes deep before it goes on.
enum Step {
    /// Match the part of this number below a path.
    Part(Vec<u8>, usize),
    /// Give a path out; in a recursive pattern look below it, at this depth.
    Give(Vec<u8>, usize),
}

/// The paths that match a pattern; directories end in a slash.
struct Expansion {
    host: Arc<Host>,
    parts: Vec<Vec<u8>>,
    absolute: bool,
    deep: bool,
    steps: Vec<Step>,
    /// Directories that were walked, so that links cannot make it endless.
    walked: HashSet<(u64, u64)>,
}

impl Expansion {
    fn new(host: Arc<Host>, pattern: &[u8]) -> Self {
        let parts = pattern.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec);
        Expansion {
            host,
            parts: parts.collect(),
            absolute: pattern.starts_with(b"/"),
            deep: pattern.ends_with(b"%%"),
            steps: vec![Step::Part(Vec::new(), 0)],
            walked: HashSet::new(),
        }
    }

    /// Puts the entries of a directory on the way, unless it was walked before under any name.
    fn walk(&mut self, directory: &[u8], depth: usize) {
        let Some(stat) = self.host.look(directory, true) else { return };
        if depth >= MAX_DEPTH {
            return self.host.note_too_deep(directory);
        }
        if !self.walked.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        for entry in self.host.list_sorted(directory).into_iter().rev() {
            let path = self.marked([directory, &entry.name].concat(), entry.kind);
            self.steps.push(Step::Give(path, depth + 1));
        }
    }

    /// The path with a slash behind it when it is a directory.
    fn marked(&self, mut path: Vec<u8>, kind: FileType) -> Vec<u8> {
        if self.is_directory(&path, kind) {
            path.push(b'/');
        }
        path
    }

    fn is_directory(&self, path: &[u8], kind: FileType) -> bool {
        kind.is_dir() || (!kind.is_file() && self.host.is_directory(path))
    }

    /// Matches the next part below `parent`.
    fn step(&mut self, parent: &[u8], matched: usize) {
        let Some(part) = self.parts.get(matched).cloned() else { return };
        let last = matched + 1 == self.parts.len();
        let base = match (parent.is_empty(), self.absolute) {
            (true, true) => b"/".to_vec(),
            (true, false) => Vec::new(),
            (false, _) => [parent, b"/"].concat(),
        };
        if !part.contains(&b'%') {
            let path = [base.as_slice(), &part].concat();
            if !last {
                self.steps.push(Step::Part(path, matched + 1));
            } else if self.host.look(&path, false).is_some() {
                let path = self.marked(path, FileType::Unknown);
                self.steps.push(Step::Give(path, 0));
            }
            return;
        }
        let listed: &[u8] = if base.is_empty() { b"." } else { &base };
        for entry in self.host.list_sorted(listed).into_iter().rev() {
            let hidden = entry.name.starts_with(b".") && !part.starts_with(b".");
            if hidden || !matches(&part, &entry.name) {
                continue;
            }
            let path = [base.as_slice(), &entry.name].concat();
            if last {
                let path = self.marked(path, entry.kind);
                self.steps.push(Step::Give(path, 0));
            } else if self.is_directory(&path, entry.kind) {
                self.steps.push(Step::Part(path, matched + 1));
            }
        }
    }
}

impl Iterator for Expansion {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.host.expired() {
                return None;
            }
            match self.steps.pop()? {
                Step::Part(parent, matched) => self.step(&parent, matched),
                Step::Give(path, depth) => {
                    if self.deep && path.ends_with(b"/") {
                        self.walk(&path, depth);
                    }
                    return Some(path);
                }
            }
        }
    }
}

/// Whether a name matches one part of a pattern, where `%` is any text.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut pieces = pattern.split(|byte| *byte == b'%');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        if piece.is_empty() {
            continue;
        }
        let Some(at) = rest.windows(piece.len()).position(|part| part == piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_match_as_a_shell_matches_them() {
        for (pattern, name, matched) in [
            ("%", "anything", true),
            ("cron%", "cron.d", true),
            ("cron%", "xcron", false),
            ("%.conf", "a.conf", true),
            ("%.conf", ".conf", true),
            ("a%b%c", "a1b2c", true),
            ("a%b%c", "acb", false),
            ("a%a", "a", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("%%", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), matched, "{pattern} {name}");
        }
    }
}

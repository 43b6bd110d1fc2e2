//! What could not be read during one query, folded so that ten thousand processes make one line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustix::io::Errno;

/// Different things that are told apart; what comes after counts as one.
const MAX_ENTRIES: usize = 64;
const MAX_WHAT: usize = 512;

/// One kind of thing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadEntry {
    /// The path or its pattern; any bytes.
    pub(crate) what: Vec<u8>,
    /// The reason in the operating system's words, or ours.
    pub(crate) why: String,
    /// How often.
    pub(crate) count: u64,
}

/// The count of what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    counts: BTreeMap<(Vec<u8>, String), u64>,
}

impl Unread {
    /// Counts so many more.
    pub(crate) fn add(&mut self, what: &[u8], why: &str, times: u64) {
        let folded = fold(what);
        let shown = folded.get(..MAX_WHAT).unwrap_or(&folded);
        let key = (shown.to_vec(), why.to_owned());
        if let Some(count) = self.counts.get_mut(&key) {
            *count = count.saturating_add(times);
        } else if self.counts.len() < MAX_ENTRIES {
            self.counts.insert(key, times);
        } else {
            let others = self.counts.entry((b"(others)".to_vec(), why.to_owned())).or_insert(0);
            *others = others.saturating_add(times);
        }
    }

    /// What was counted, ordered by name.
    pub(crate) fn entries(&self) -> Vec<UnreadEntry> {
        self.counts
            .iter()
            .map(|((what, why), count)| UnreadEntry { what: what.clone(), why: why.clone(), count: *count })
            .collect()
    }
}

/// Whether the path belongs to one process, which may end at any time.
pub(crate) fn is_process_path(path: &[u8]) -> bool {
    path.strip_prefix(b"/proc/").and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit)
}

/// `/proc/4711/fd/3` becomes `/proc/<pid>/fd/<n>`: the numbers would only make the list long.
fn fold(path: &[u8]) -> Cow<'_, [u8]> {
    if !is_process_path(path) {
        return Cow::Borrowed(path);
    }
    let mut folded = Vec::with_capacity(path.len());
    for (place, part) in path.split(|byte| *byte == b'/').enumerate() {
        if place > 0 {
            folded.push(b'/');
        }
        let numeric = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        match (place, numeric) {
            (2, true) => folded.extend_from_slice(b"<pid>"),
            (_, true) => folded.extend_from_slice(b"<n>"),
            _ => folded.extend_from_slice(part),
        }
    }
    Cow::Owned(folded)
}

/// The usual reasons in the words of `strerror`, without asking the C library.
pub(crate) fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS => "Permission denied",
        Errno::PERM => "Operation not permitted",
        Errno::NOENT => "No such file or directory",
        Errno::LOOP => "Too many levels of symbolic links",
        Errno::IO => "Input/output error",
        Errno::NAMETOOLONG => "File name too long",
        Errno::NOTDIR => "Not a directory",
        Errno::ISDIR => "Is a directory",
        Errno::NXIO => "No such device or address",
        Errno::STALE => "Stale file handle",
        Errno::MFILE | Errno::NFILE => "Too many open files",
        Errno::XDEV => "Invalid cross-device link",
        _ => "cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_paths_fold_into_one_line() {
        let mut unread = Unread::default();
        for pid in 1..100 {
            unread.add(format!("/proc/{pid}/fd/{}", pid * 2).as_bytes(), "Permission denied", 1);
        }
        unread.add(b"/var/spool/cron", "Permission denied", 1);
        let entries = unread.entries();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].what, b"/proc/<pid>/fd/<n>");
        assert_eq!(entries[0].count, 99);
    }

    #[test]
    fn the_list_stays_short() {
        let mut unread = Unread::default();
        for i in 0..10_000 {
            unread.add(format!("/home/u{i}/.ssh").as_bytes(), "Permission denied", 1);
        }
        let entries = unread.entries();
        assert!(entries.len() <= MAX_ENTRIES + 1, "{}", entries.len());
        assert_eq!(entries.iter().map(|e| e.count).sum::<u64>(), 10_000);
    }
}

//! One process in `/proc`: its files and links, read into buffers that are used again.

use crate::host::Host;
use crate::tables::Scan;

/// No process needs more than this for its command line or environment to be told apart.
const FILE_BYTES: usize = 4 << 20;

/// Process ids that a query asks for: those that are given and there, else all in numeric order.
pub(crate) fn pids(scan: &Scan) -> Vec<u32> {
    match scan.equal_numbers("pid") {
        Some(given) => {
            let given = given.into_iter().filter_map(|pid| u32::try_from(pid).ok());
            given.filter(|pid| scan.host.exists(format!("/proc/{pid}/stat"))).collect()
        }
        None => all_pids(&scan.host),
    }
}

/// All process ids that `/proc` lists, in numeric order.
pub(crate) fn all_pids(host: &Host) -> Vec<u32> {
    let mut pids: Vec<u32> = host.list("/proc").iter().filter_map(|entry| number(&entry.name)).collect();
    pids.sort_unstable();
    pids
}

/// A number that is nothing but digits.
pub(crate) fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Reads one process after the other.
pub(crate) struct Reader<'a> {
    host: &'a Host,
    path: Vec<u8>,
    prefix: usize,
    content: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Reader { host, path: Vec::with_capacity(64), prefix: 0, content: Vec::with_capacity(4096) }
    }

    /// Turns to a process.
    pub(crate) fn turn_to(&mut self, pid: u32) {
        self.path.clear();
        self.path.extend_from_slice(b"/proc/");
        self.path.extend_from_slice(pid.to_string().as_bytes());
        self.path.push(b'/');
        self.prefix = self.path.len();
    }

    fn path_of(&mut self, name: &str) -> &[u8] {
        self.path.truncate(self.prefix);
        self.path.extend_from_slice(name.as_bytes());
        &self.path
    }

    /// The content of one of its files; `None` when it cannot be read, which is counted.
    pub(crate) fn file(&mut self, name: &str) -> Option<&[u8]> {
        self.path_of(name);
        self.host.read_into(&self.path, &mut self.content, FILE_BYTES).then_some(self.content.as_slice())
    }

    /// Where one of its links leads. A kernel thread has none, which is no failure; a refusal is counted.
    pub(crate) fn link(&mut self, name: &str) -> Option<Vec<u8>> {
        self.path_of(name);
        match self.host.read_link(&self.path) {
            Ok(target) => Some(target),
            Err(errno) => {
                self.host.note_errno(&self.path, errno);
                None
            }
        }
    }

    /// The numbers of its open files.
    pub(crate) fn descriptors(&mut self) -> Vec<u32> {
        self.path_of("fd");
        let mut numbers: Vec<u32> =
            self.host.list(&self.path).iter().filter_map(|entry| number(&entry.name)).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// The words of `/proc/PID/stat`: the name between the outermost parentheses may hold anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat<'a> {
    pub(crate) name: &'a [u8],
    /// From the state on, which is the third word of the file.
    words: Vec<&'a [u8]>,
}

impl<'a> Stat<'a> {
    pub(crate) fn parse(content: &'a [u8]) -> Option<Self> {
        let open = content.iter().position(|byte| *byte == b'(')?;
        let close = content.iter().rposition(|byte| *byte == b')')?;
        let name = content.get(open + 1..close)?;
        let words = content.get(close + 1..)?.split(u8::is_ascii_whitespace);
        Some(Stat { name, words: words.filter(|word| !word.is_empty()).collect() })
    }

    /// A word by its number in `proc(5)`, which counts from 1.
    pub(crate) fn word(&self, number: usize) -> &'a [u8] {
        number.checked_sub(3).and_then(|place| self.words.get(place)).copied().unwrap_or_default()
    }

    /// A number by its number in `proc(5)`.
    pub(crate) fn number(&self, at: usize) -> Option<i64> {
        std::str::from_utf8(self.word(at)).ok()?.parse().ok()
    }
}

/// The value of a `Key:` line of `/proc/PID/status` or a file like it.
pub(crate) fn status_value<'a>(content: &'a [u8], key: &str) -> Option<&'a [u8]> {
    content.split(|byte| *byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(key.as_bytes())?.strip_prefix(b":")?;
        Some(value.trim_ascii())
    })
}

/// A command line or environment: what stood between NULs with blanks between.
pub(crate) fn joined(content: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = content.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    line.truncate(line.trim_ascii_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_do_not_shift_the_words() {
        let stat = Stat::parse(b"42 (a) S 1 (x) R 7 42 42 0\n").unwrap();
        assert_eq!(stat.name, b"a) S 1 (x");
        assert_eq!(stat.word(3), b"R");
        assert_eq!(stat.number(4), Some(7));
        assert_eq!(stat.number(99), None);
        assert_eq!(Stat::parse(b"garbage"), None);
        assert_eq!(Stat::parse(b")("), None);
    }
}

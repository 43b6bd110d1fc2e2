//! Text files line by line, with a count of the lines that make no sense.
//!
//! A line that a table cannot read may be one that the program it is meant for can. So it is not merely left out.

use crate::host::Host;

/// Shows each line that is neither empty nor a comment. What `makes_sense` refuses is counted as not read.
pub(crate) fn each_line<'c>(
    host: &Host,
    path: impl AsRef<[u8]>,
    content: &'c [u8],
    mut makes_sense: impl FnMut(&'c [u8]) -> bool,
) {
    let mut malformed = 0;
    for line in content.split(|byte| *byte == b'\n') {
        let start = line.trim_ascii_start();
        if !start.is_empty() && !start.starts_with(b"#") && !makes_sense(line) {
            malformed += 1;
        }
    }
    note_malformed(host, path, malformed);
}

/// Counts lines or entries of a file that make no sense.
pub(crate) fn note_malformed(host: &Host, path: impl AsRef<[u8]>, count: u64) {
    if count > 0 {
        host.note_times(path, "malformed", count);
    }
}

//! `sudoers`: who may become whom.

use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, note_malformed, row, text};

pub(crate) static TABLE: Table = Table {
    name: "sudoers",
    about: "Rules of sudo, with the files that they include.",
    sources: "/etc/sudoers and what it includes",
    differences: "`#1002 ALL=…` is a rule for the uid 1002, as sudo takes it; osquery takes it for a comment, which hides \
                  the rule.",
    columns: &[text("source"), text("header"), text("rule_details")],
    per_user: false,
    rows,
};

/// Files that include each other end here.
const MAX_DEPTH: usize = 128;
const MAX_FILES: usize = 4_096;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let mut reading = Reading { host: &scan.host, rows: Vec::new(), files: 0 };
    reading.file(b"/etc/sudoers", 0);
    Ok(all(reading.rows))
}

struct Reading<'a> {
    host: &'a Host,
    rows: Vec<Row>,
    files: usize,
}

impl Reading<'_> {
    fn file(&mut self, path: &[u8], depth: usize) {
        self.files += 1;
        if depth > MAX_DEPTH || self.files > MAX_FILES {
            self.host.note(path, "too many includes");
            return;
        }
        let Some(content) = self.host.read(path) else { return };
        // A last line that goes on where the file ends; sudo refuses the whole file then.
        note_malformed(self.host, path, u64::from(content.trim_ascii_end().ends_with(b"\\")));
        for (header, details) in rules(&content) {
            self.rows.push(row![path, &header, &details]);
            match header.as_slice() {
                b"#include" | b"@include" => self.file(&beside(path, &details), depth + 1),
                b"#includedir" | b"@includedir" => self.directory(&beside(path, &details), depth + 1),
                _ => {}
            }
        }
    }

    /// sudo passes over names with a dot and backups.
    fn directory(&mut self, path: &[u8], depth: usize) {
        for entry in self.host.list_sorted(path) {
            let passed_over = entry.name.contains(&b'.') || entry.name.ends_with(b"~");
            let file = [path, b"/", &entry.name].concat();
            if !passed_over && !self.host.is_directory(&file) {
                self.file(&file, depth);
            }
        }
    }
}

/// A relative name is looked for beside the file that names it.
fn beside(path: &[u8], name: &[u8]) -> Vec<u8> {
    if name.starts_with(b"/") {
        return name.to_vec();
    }
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    [path.get(..end).unwrap_or_default(), name].concat()
}

/// The first word and the rest of each line; continued lines are one.
pub(crate) fn rules(content: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rules = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    for line in content.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if let Some(continued) = line.strip_suffix(b"\\") {
            pending.extend_from_slice(continued);
            continue;
        }
        pending.extend_from_slice(line);
        let line = std::mem::take(&mut pending);
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (header, details) = line.split_at_checked(end).unwrap_or_default();
        let details = details.trim_ascii();
        let include = matches!(header, b"#include" | b"#includedir" | b"@include" | b"@includedir")
            && !details.is_empty();
        let bare = matches!(header, b"" | b"@include" | b"@includedir");
        // To sudo a number behind the sign is a user id.
        let number =
            header.strip_prefix(b"#").filter(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit));
        let rule = number.is_some() && details.contains(&b'=');
        if include || rule || !(bare || header.starts_with(b"#")) {
            rules.push((header.to_vec(), details.to_vec()));
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_are_one_rule() {
        let rules = rules(b"a ALL, \\\n  b, \\\n c\n#x\n@include\n\n\\");
        assert_eq!(rules, [(b"a".to_vec(), b"ALL, b, c".to_vec())]);
    }

    #[test]
    fn a_user_id_is_no_comment() {
        let rules = rules(b"#1002 ALL=(ALL) ALL\n#1002\n# 1002 ALL=ALL\n#x ALL=ALL\n#7 is a number\n");
        assert_eq!(rules, [(b"#1002".to_vec(), b"ALL=(ALL) ALL".to_vec())]);
    }

    #[test]
    fn names_are_looked_for_beside_the_file() {
        assert_eq!(beside(b"/etc/sudoers", b"x"), b"/etc/x");
        assert_eq!(beside(b"/etc/sudoers", b"/x"), b"/x");
    }
}

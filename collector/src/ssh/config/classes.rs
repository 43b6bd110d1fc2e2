//! Which hosts OpenSSH's configuration cannot tell apart, so that `ssh -G` is asked once for all of them: it takes 3 ms of
//! CPU, which for 10,000 hosts is half a minute.
//!
//! This is no reader of the configuration. It looks for the lines that make a difference between hosts, and where it finds
//! one that it cannot judge, every host is asked about by itself.

use crate::inventory::glob;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Files that include each other deeper than this are more than OpenSSH would read.
const DEEPEST: usize = 16;
/// More than any configuration that a person wrote.
const LARGEST: u64 = 16 << 20;

/// The lines of a configuration that choose between hosts.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// `Host` lines by a name that stands in them without wildcards.
    names: HashMap<String, Vec<usize>>,
    /// `Host` lines with wildcards or negations.
    patterns: Vec<(usize, Vec<String>)>,
    lines: usize,
    /// Values of `HostName`: a host with such a name could be taken for one without a `HostName`.
    hostnames: HashSet<String>,
    /// Whether the port is a part of some answer, other than as the port.
    pub(super) port_matters: bool,
    /// Why nothing can be said: every host is a class of its own.
    alone: bool,
    /// Whether there is anything at all.
    pub(super) found: bool,
}

impl Classes {
    pub(super) fn read(files: &[PathBuf], home: Option<&Path>) -> Self {
        let mut classes = Self::default();
        for file in files {
            classes.file(file, home, 0);
        }
        classes
    }

    fn file(&mut self, file: &Path, home: Option<&Path>, depth: usize) {
        if depth > DEEPEST || std::fs::metadata(file).is_ok_and(|meta| meta.len() > LARGEST) {
            self.alone = true;
            return;
        }
        // Those that are not there or closed to us are so for ssh, too.
        let Ok(bytes) = std::fs::read(file) else { return };
        self.found = true;
        for line in String::from_utf8_lossy(&bytes).lines() {
            self.line(line, file, home, depth);
        }
    }

    fn line(&mut self, line: &str, file: &Path, home: Option<&Path>, depth: usize) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=').trim_end();
        let rest = rest.split_once(" #").map_or(rest, |(before, _)| before);
        let words = || rest.split_ascii_whitespace().map(|word| word.trim_matches('"').to_owned());
        match keyword.to_ascii_lowercase().as_str() {
            "host" => self.host(words().collect()),
            "match" => self.alone |= !rest.eq_ignore_ascii_case("all"),
            "include" => words().for_each(|word| self.include(&word, file, home, depth)),
            "canonicalizehostname" => self.alone |= !matches!(rest, "no" | "false"),
            "hostname" => {
                self.hostnames.insert(rest.trim_matches('"').to_owned());
            }
            // Not ours, or printed with its tokens as they are.
            "controlpath" | "localcommand" | "remotecommand" | "proxycommand" | "identityfile"
            | "certificatefile" => {}
            _ => {
                self.port_matters |= rest.contains("%p");
                self.alone |= rest.contains("%C") || rest.contains("%k") || rest.contains("%j");
            }
        }
    }

    fn host(&mut self, words: Vec<String>) {
        let line = self.lines;
        self.lines += 1;
        if words.iter().any(|word| word.contains(['*', '?', '!', '"'])) {
            self.patterns.push((line, words));
        } else {
            for word in words {
                self.names.entry(word).or_default().push(line);
            }
        }
    }

    fn include(&mut self, word: &str, from: &Path, home: Option<&Path>, depth: usize) {
        let path = match (word.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            // Relative to ~/.ssh for a user's file, to /etc/ssh for the system's.
            _ if from.starts_with("/etc/ssh") => Path::new("/etc/ssh").join(word),
            _ => home.map_or_else(|| PathBuf::from(word), |home| home.join(".ssh").join(word)),
        };
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
        let (directory, name) = (directory.to_owned(), name.to_string_lossy().into_owned());
        let odd = |text: &str| text.contains(['*', '?', '[', '%', '$', '{', '~', '\\']);
        if odd(&directory.to_string_lossy()) || name.contains(['[', '%', '$', '{', '\\']) {
            self.alone = true;
            return;
        }
        if !name.contains(['*', '?']) {
            return self.file(&path, home, depth + 1);
        }
        let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for entry in names.iter().filter(|entry| !entry.starts_with('.') && glob(&name, entry)) {
            self.file(&directory.join(entry), home, depth + 1);
        }
    }

    /// What a host has in common with all that get the same answer; `None` where that cannot be said.
    pub(super) fn of(&self, host: &str) -> Option<Vec<usize>> {
        let plain = !host.chars().any(|c| c.is_uppercase() || c == '%');
        if self.alone || !plain || self.hostnames.contains(host) {
            return None;
        }
        let mut lines = self.names.get(host).cloned().unwrap_or_default();
        let fits = |words: &[String]| {
            let of = |negated: bool| {
                words.iter().any(move |word| match word.strip_prefix('!') {
                    Some(word) => negated && glob(word, host),
                    None => !negated && glob(word, host),
                })
            };
            of(false) && !of(true)
        };
        lines.extend(self.patterns.iter().filter(|(_, words)| fits(words)).map(|(line, _)| *line));
        lines.sort_unstable();
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(text: &str) -> Classes {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, text).unwrap();
        std::fs::create_dir_all(dir.path().join(".ssh/more")).unwrap();
        std::fs::write(dir.path().join(".ssh/more/one.conf"), "Host db*\nUser x\n").unwrap();
        Classes::read(&[file], Some(dir.path()))
    }

    #[test]
    fn hosts_that_no_line_tells_apart_are_one_class() {
        let of_all = classes("User ada\nHost *\n  Port 22\n");
        assert_eq!(of_all.of("a"), of_all.of("b"));
        let some = classes("Host web* !web9\nUser w\nHost=db1 db2\nUser d\n");
        assert_eq!(some.of("web1"), some.of("web2"));
        assert_ne!(some.of("web1"), some.of("web9"));
        assert_eq!(some.of("db1"), some.of("db2"));
        assert_ne!(some.of("db1"), some.of("db3"));
        assert_eq!(some.of("db3"), Some(vec![]));
    }

    #[test]
    fn included_files_count() {
        let some = classes("Include more/*.conf\n");
        assert_ne!(some.of("db1"), some.of("web1"));
        assert!(classes("Include */x\n").of("a").is_none());
        assert!(classes("Include ${HOME}/x\n").of("a").is_none());
    }

    #[test]
    fn what_cannot_be_judged_leaves_each_host_alone() {
        for text in [
            "Match exec true\n",
            "CanonicalizeHostname yes\n",
            "IdentityAgent ~/%C\n",
            "Host a\n HostName x\n",
        ] {
            assert!(classes(text).of("x").is_none(), "{text}");
        }
        assert!(classes("ControlPath ~/.ssh/%C\n").of("x").is_some());
        assert!(classes("Match all\n").of("x").is_some());
        assert!(classes("").of("Web").is_none(), "whether its case counts is for ssh to say");
    }
}

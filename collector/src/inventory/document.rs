//! What the files of an inventory say, in whatever form: hosts, groups, variables, each with its place. What they mean together is
//! found in [`super::resolve`].

use super::host::HostWord;
use std::collections::HashMap;

/// A line of one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    /// Counted from 1; 0 where there are no lines.
    pub(super) line: usize,
}

impl Place {
    pub(super) fn new(file: usize, line: usize) -> Self {
        Self { file, line }
    }

    /// This place, as seen from another one: "line 3", or with its file.
    pub(super) fn line_of(self, other: Self, document: &Document) -> String {
        if self.file == other.file { format!("line {}", self.line) } else { document.name(self) }
    }
}

/// All files of one source.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Names of files, for messages.
    pub(super) files: Vec<String>,
    pub(super) groups: Vec<Group>,
    pub(super) hosts: Vec<HostLine>,
    /// Variables of hosts that stand in files of their own.
    pub(super) host_vars: HashMap<String, Vec<Var>>,
    /// What the reader should know.
    pub(super) notes: Vec<String>,
}

/// A group, from wherever it is named first.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) vars: Vec<Var>,
    /// Names of groups, with the place that says so.
    pub(super) children: Vec<(String, Place)>,
    /// Whether it has a section of its own, and is not only mentioned.
    pub(super) defined: bool,
}

/// A line that names hosts.
#[derive(Debug)]
pub(super) struct HostLine {
    pub(super) line: Place,
    /// The group of the section that it stands in.
    pub(super) group: Option<usize>,
    pub(super) word: HostWord,
    pub(super) vars: Vec<Var>,
}

/// `name=value`.
#[derive(Clone, Debug)]
pub(super) struct Var {
    pub(super) line: Place,
    pub(super) name: String,
    pub(super) value: String,
}

impl Document {
    /// The place of a group, made where it is new.
    pub(super) fn group(&mut self, name: &str) -> usize {
        self.groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            let (vars, children) = Default::default();
            self.groups.push(Group { name: name.to_owned(), vars, children, defined: false });
            self.groups.len() - 1
        })
    }

    pub(super) fn group_mut(&mut self, group: usize, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.get_mut(group) {
            change(group);
        }
    }

    /// A new file.
    pub(super) fn file(&mut self, name: &str) -> usize {
        self.files.push(name.to_owned());
        self.files.len() - 1
    }

    /// A place as messages have it.
    pub(super) fn name(&self, place: Place) -> String {
        let file = self.files.get(place.file).map_or("?", String::as_str);
        format!("{file}:{}", place.line)
    }
}

pub(super) fn check_group(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("{name:?} cannot be the name of a group"));
    }
    Ok(())
}

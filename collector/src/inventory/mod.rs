//! Where host names and connection facts come from: plain lists and Ansible's INI files.

mod ini;
mod limit;
mod plain;
mod range;

use herdiff_model::name::{HerdName, HostName};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One host to visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the inventory calls it.
    pub host: HostName,
    /// The hosts it is compared with: its first, most specific group; `all` when it is in none.
    pub herd: HerdName,
    /// All groups that it is in, parents included, without `all`; sorted.
    pub groups: Vec<String>,
    /// The name or address that is connected to.
    pub address: String,
    /// The port, where the inventory says one.
    pub port: Option<u16>,
    /// The user, where the inventory says one.
    pub user: Option<String>,
    /// The private key file, where the inventory says one.
    pub identity: Option<PathBuf>,
}

/// The hosts of one or more sources, in the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Each host once.
    pub targets: Vec<Target>,
    /// What the reader should know: duplicates, for example.
    pub notes: Vec<String>,
}

/// An inventory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub struct InventoryError {
    /// The file, or what stands for it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

/// No inventory names more hosts: a range with a digit too many must not fill the memory.
const MOST_HOSTS: usize = 100_000;

impl Inventory {
    /// Understands a plain list or an Ansible INI file; which of the two, the text says. `file` is for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, InventoryError> {
        let parsed = if ini::is_ini(text) { ini::parse(text) } else { plain::parse(text) };
        let targets = parsed.map_err(|(line, why)| InventoryError { file: file.to_owned(), line, why })?;
        let mut inventory = Self::default();
        inventory.join(Self { targets, notes: Vec::new() });
        Ok(inventory)
    }

    /// Adds the hosts of another source. Those that are here already are visited once, and said.
    pub fn join(&mut self, other: Self) {
        self.notes.extend(other.notes);
        let mut known: BTreeSet<HostName> = self.targets.iter().map(|target| target.host.clone()).collect();
        for target in other.targets {
            if known.insert(target.host.clone()) {
                self.targets.push(target);
            } else {
                self.notes.push(format!("{} is named twice and visited once", target.host));
            }
        }
    }

    /// Keeps the hosts that match a pattern as Ansible users know them: names and groups with wildcards, separated by
    /// `,` or `:`; `!` takes away, `&` keeps the intersection, `~` starts a regular expression (refused for now).
    pub fn limit(&mut self, pattern: &str) -> Result<(), String> {
        let limit = limit::Limit::parse(pattern)?;
        self.targets.retain(|target| limit.admits(target));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Inventory;

    #[test]
    fn a_host_is_visited_once_and_that_is_said() {
        let mut inventory = Inventory::parse("one", "a\nb\na\n").unwrap();
        inventory.join(Inventory::parse("two", "[g]\nb\nc\n").unwrap());
        let names: Vec<_> = inventory.targets.iter().map(|target| target.host.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(
            inventory.notes,
            ["a is named twice and visited once", "b is named twice and visited once"]
        );
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = Inventory::parse("fleet.ini", "[web]\nx y").unwrap_err();
        assert_eq!(error.to_string(), "fleet.ini:2: \"y\" is not a variable: name=value");
    }
}

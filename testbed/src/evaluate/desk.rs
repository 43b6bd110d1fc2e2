//! The answers of one host, on which a scenario works: every change of a row is ground truth by the way it is made.

use crate::dice::Dice;
use crate::generate::{Row, Rows};
use std::collections::BTreeMap;

/// In which way a scenario made a row odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The host has it, its herd has not.
    Added,
    /// The herd has it, the host has not.
    Missing,
    /// Both have it, with other values.
    Changed,
}

/// A row that a scenario made odd.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The query.
    pub query: &'static str,
    /// In which way.
    pub oddity: Oddity,
    /// As it is now; as it was, where it is gone.
    pub row: Row,
}

/// The answers of one host.
#[derive(Clone, Debug)]
pub struct Desk {
    /// By query.
    pub tables: BTreeMap<&'static str, Rows>,
    /// What was made odd.
    pub marks: Vec<Mark>,
    /// The host's own address.
    pub address: String,
    /// Its clock.
    pub now: u64,
    /// Chance, for names and numbers.
    pub dice: Dice,
}

impl Desk {
    /// Adds a row.
    pub fn add<const N: usize>(&mut self, query: &'static str, cells: [(&'static str, &str); N]) {
        let row: Row = cells.into_iter().map(|(column, value)| (column, value.to_owned())).collect();
        self.tables.entry(query).or_default().push(row.clone());
        self.marks.push(Mark { query, oddity: Oddity::Added, row });
    }

    /// Takes rows away.
    pub fn remove(&mut self, query: &'static str, which: impl Fn(&Row) -> bool) {
        let Some(rows) = self.tables.get_mut(query) else { return };
        for row in rows.extract_if(.., |row| which(row)) {
            self.marks.push(Mark { query, oddity: Oddity::Missing, row });
        }
    }

    /// Gives the rows that are meant other values.
    pub fn change(
        &mut self,
        query: &'static str,
        which: impl Fn(&Row) -> bool,
        new: &[(&'static str, &str)],
    ) {
        for row in self.tables.get_mut(query).into_iter().flatten().filter(|row| which(row)) {
            row.extend(new.iter().map(|&(column, value)| (column, value.to_owned())));
            self.marks.push(Mark { query, oddity: Oddity::Changed, row: row.clone() });
        }
    }

    /// One of several texts.
    pub fn one_of(&mut self, of: &[&'static str]) -> &'static str {
        self.dice.pick(of).copied().unwrap_or_default()
    }

    /// A process.
    pub fn process(&mut self, path: &str, cmdline: &str, uid: &str, on_disk: &str) -> String {
        let name: String = path.rsplit('/').next().unwrap_or(path).chars().take(15).collect();
        let pid = self.dice.between(3_000, 400_000).to_string();
        let started = (self.now - self.dice.between(5_000, 300_000)).to_string();
        self.add(
            "processes",
            [
                ("pid", &pid),
                ("parent", "1"),
                ("name", &name),
                ("path", path),
                ("cmdline", cmdline),
                ("cwd", "/"),
                ("root", "/"),
                ("uid", uid),
                ("gid", uid),
                ("euid", uid),
                ("egid", uid),
                ("on_disk", on_disk),
                ("start_time", &started),
            ],
        );
        pid
    }

    /// A listener of a process.
    pub fn listener(&mut self, pid: &str, path: &str, cmdline: &str, port: &str, on_disk: &str) {
        let name: String = path.rsplit('/').next().unwrap_or(path).chars().take(15).collect();
        self.add(
            "listening_ports",
            [
                ("pid", pid),
                ("protocol", "6"),
                ("family", "2"),
                ("address", "0.0.0.0"),
                ("port", port),
                ("name", &name),
                ("process_path", path),
                ("cmdline", cmdline),
                ("uid", "0"),
                ("on_disk", on_disk),
            ],
        );
    }

    /// A connection of a process.
    pub fn connection(&mut self, pid: &str, path: &str, uid: &str, to: (&str, &str), on_disk: &str) {
        let name: String = path.rsplit('/').next().unwrap_or(path).chars().take(15).collect();
        let (here, port) = (self.address.clone(), self.dice.between(32_768, 60_999).to_string());
        self.add(
            "connections",
            [
                ("pid", pid),
                ("protocol", "6"),
                ("family", "2"),
                ("local_address", &here),
                ("local_port", &port),
                ("remote_address", to.0),
                ("remote_port", to.1),
                ("state", "ESTABLISHED"),
                ("name", &name),
                ("process_path", path),
                ("uid", uid),
                ("on_disk", on_disk),
            ],
        );
    }

    /// A file that is started or read at start, with a digest that follows from the words.
    pub fn startup_file(&mut self, path: &str, mode: &str, content: &str) {
        let (sha, mtime) = (digest(content), (self.now - self.dice.between(5_000, 300_000)).to_string());
        let size = content.len().to_string();
        self.add(
            "persistence_files",
            [
                ("path", path),
                ("type", "regular"),
                ("mode", mode),
                ("uid", "0"),
                ("gid", "0"),
                ("size", &size),
                ("mtime", &mtime),
                ("sha256", &sha),
            ],
        );
    }

    /// A file in a directory for temporary files.
    pub fn temporary_file(&mut self, path: &str, mode: &str, uid: &str, size: u64) {
        let mtime = (self.now - self.dice.between(5_000, 300_000)).to_string();
        self.add(
            "temporary_files",
            [
                ("path", path),
                ("type", "regular"),
                ("mode", mode),
                ("uid", uid),
                ("gid", uid),
                ("size", &size.to_string()),
                ("mtime", &mtime),
            ],
        );
    }

    /// A unit that runs.
    pub fn unit(&mut self, id: &str, description: &str, path: &str) {
        self.add(
            "systemd_units",
            [
                ("id", id),
                ("description", description),
                ("fragment_path", path),
                ("load_state", "loaded"),
                ("active_state", "active"),
                ("sub_state", "running"),
                ("unit_file_state", "enabled"),
            ],
        );
    }

    /// A cron job.
    pub fn cron(&mut self, path: &str, minute: &str, hour: &str, command: &str) {
        self.add(
            "crontab",
            [
                ("path", path),
                ("event", ""),
                ("minute", minute),
                ("hour", hour),
                ("day_of_month", "*"),
                ("month", "*"),
                ("day_of_week", "*"),
                ("command", command),
            ],
        );
    }

    /// A key that opens an account.
    pub fn key(&mut self, user: &str, uid: &str, home: &str, comment: &str) {
        let key = format!("AAAAC3NzaC1lZDI1NTE5AAAAI{}", self.dice.word(43));
        let file = format!("{home}/.ssh/authorized_keys");
        self.add(
            "authorized_keys",
            [
                ("username", user),
                ("uid", uid),
                ("algorithm", "ssh-ed25519"),
                ("key", &key),
                ("options", ""),
                ("comment", comment),
                ("key_file", &file),
            ],
        );
    }
}

/// Sixty-four digits that follow from a text.
pub(super) fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Whether a cell has this value.
pub(super) fn has(row: &Row, column: &str, value: &str) -> bool {
    row.get(column).is_some_and(|cell| cell == value)
}

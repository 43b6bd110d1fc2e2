//! `suid_bin`: programs that run with their owner's rights.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, Stat, statat};

use crate::host::Host;
use crate::tables::accounts::passwd;
use crate::tables::{Cell, Failure, Row, Rows, Scan, Table, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "suid_bin",
    about: "Files with a setuid or setgid bit in the usual directories of programs and in /tmp.",
    sources: "/bin, /sbin, /usr/bin, /usr/sbin, /usr/local/bin, /usr/local/sbin, /tmp",
    differences: "A file that vanishes while it is looked for does not end the table.",
    columns: &[
        text("path"),
        text("username"),
        text("groupname"),
        text("permissions"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows,
};

const DIRECTORIES: [&[u8]; 7] =
    [b"/bin", b"/sbin", b"/usr/bin", b"/usr/sbin", b"/usr/local/bin", b"/usr/local/sbin", b"/tmp"];
const MAX_DEPTH: usize = 128;

/// A walk through directories that follows links to files, but not to directories.
struct Walk {
    host: Arc<Host>,
    directories: Vec<(Vec<u8>, usize)>,
    found: Vec<Row>,
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    Ok(Box::new(Walk {
        host: Arc::clone(&scan.host),
        directories: DIRECTORIES.iter().rev().map(|directory| (directory.to_vec(), 0)).collect(),
        found: Vec::new(),
        users: passwd::user_names(&scan.host),
        groups: passwd::group_names(&scan.host),
    }))
}

impl Walk {
    fn visit(&mut self, directory: &[u8], depth: usize) {
        let host = Arc::clone(&self.host);
        host.visit(directory, &mut |open, name, kind| {
            let path = || [directory, b"/", name.to_bytes()].concat();
            // What a directory does not say of its entries the entries say themselves.
            let own = matches!(kind, FileType::RegularFile | FileType::Unknown)
                .then(|| statat(open, name, AtFlags::SYMLINK_NOFOLLOW))
                .and_then(|stat| stat.map_err(|errno| host.note_errno(&path(), errno)).ok());
            match own.map_or(kind, |stat| FileType::from_raw_mode(stat.st_mode)) {
                FileType::Directory if depth >= MAX_DEPTH => host.note_too_deep(&path()),
                FileType::Directory => self.directories.push((path(), depth + 1)),
                FileType::RegularFile => {
                    if let Some(stat) = own {
                        self.look(&stat, &path);
                    }
                }
                FileType::Symlink => {
                    if let Some(stat) = self.host.look(&path(), true) {
                        self.look(&stat, &path);
                    }
                }
                _ => {}
            }
        });
    }

    fn look(&mut self, stat: &Stat, path: &dyn Fn() -> Vec<u8>) {
        let mode = Mode::from_raw_mode(stat.st_mode);
        let (setuid, setgid) = (mode.contains(Mode::SUID), mode.contains(Mode::SGID));
        if !(setuid || setgid) || !FileType::from_raw_mode(stat.st_mode).is_file() {
            return;
        }
        let permissions = match (setuid, setgid) {
            (true, true) => "SG",
            (true, false) => "S",
            _ => "G",
        };
        let name = |names: &HashMap<u32, Vec<u8>>, id: u32| {
            names.get(&id).map_or_else(|| Cell::from(id.to_string()), Cell::from)
        };
        let user = name(&self.users, stat.st_uid);
        let group = name(&self.groups, stat.st_gid);
        self.found.push(row![path(), user, group, permissions, 0]);
    }
}

impl Iterator for Walk {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.found.pop() {
                return Some(row);
            }
            if self.host.expired() {
                return None;
            }
            let (directory, depth) = self.directories.pop()?;
            self.visit(&directory, depth);
        }
    }
}

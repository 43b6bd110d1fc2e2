//! Processes, and what they have open.

use super::row::{Rows, row};
use crate::fleet::host::Host;
use crate::fleet::process::{Process, Program};
use std::collections::BTreeSet;

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    tables.push(("processes", host.processes.iter().map(process).collect()));
    let running: BTreeSet<&str> = host
        .processes
        .iter()
        .filter_map(|process| match &process.program {
            Program::File(path) => Some(path.as_str()),
            Program::Kernel | Program::Deleted(_) => None,
        })
        .collect();
    let hash = |path: &str| {
        let bytes = host.files.get(path).map(|file| file.content.bytes()).unwrap_or_default();
        row([("path", path.to_owned()), ("sha256", digest(&bytes))])
    };
    tables.push(("process_hashes", running.into_iter().map(hash).collect()));
    tables.push(("process_open_files", open_files(host)));
}

/// Stands for a SHA-256: what matters is that equal content has equal digests.
pub(super) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Whether the file is there, as osquery writes it.
pub(super) fn on_disk(process: &Process) -> &'static str {
    match process.program {
        Program::Kernel => "-1",
        Program::File(_) => "1",
        Program::Deleted(_) => "0",
    }
}

fn process(process: &Process) -> super::row::Row {
    row([
        ("pid", process.pid.to_string()),
        ("parent", process.parent.to_string()),
        ("name", process.name.clone()),
        ("path", process.program.path().to_owned()),
        ("cmdline", process.arguments.join(" ")),
        ("cwd", process.cwd.clone()),
        ("root", "/".to_owned()),
        ("uid", process.uid.to_string()),
        ("gid", process.gid.to_string()),
        ("euid", process.uid.to_string()),
        ("egid", process.gid.to_string()),
        ("on_disk", on_disk(process).to_owned()),
        ("start_time", process.started.to_string()),
    ])
}

fn open_files(host: &Host) -> Rows {
    let mut rows = Vec::new();
    for process in host.processes.iter().filter(|process| process.program != Program::Kernel) {
        let standard = ["/dev/null", "/dev/null", "/dev/null"].into_iter();
        let own = process.open.iter().map(String::as_str).filter(|target| target.starts_with('/'));
        for (number, path) in standard.chain(own).enumerate() {
            rows.push(row([
                ("pid", process.pid.to_string()),
                ("fd", number.to_string()),
                ("path", path.to_owned()),
            ]));
        }
    }
    rows
}

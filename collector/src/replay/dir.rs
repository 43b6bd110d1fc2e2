//! What is in a directory of saved output: which hosts, and which files of each.

use super::ReplayError;
use super::outcomes::Told;
use herdiff_model::name::{HerdName, HostName, QueryName};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A pack is not longer than this.
const MOST_PACK: u64 = 16 << 20;

/// The directory of one host.
#[derive(Debug)]
pub(super) struct HostDir {
    pub(super) host: HostName,
    /// Where it belongs, if that is known.
    pub(super) herd: Option<HerdName>,
    pub(super) path: PathBuf,
    pub(super) files: BTreeMap<QueryName, OsString>,
    /// Why its files could not be listed.
    pub(super) fault: Option<String>,
    /// What an export says of it.
    pub(super) told: Option<Told>,
}

/// The hosts, sorted by name, and what was passed over.
pub(super) fn hosts(path: &Path) -> Result<(Vec<HostDir>, Vec<String>), ReplayError> {
    let error = |source| ReplayError::Read { path: path.display().to_string(), source };
    let (mut hosts, mut notes) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        let kind = entry.file_type().map_err(error)?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || kind.is_file() {
            continue;
        }
        match name.to_str().filter(|name| is_plain(name)) {
            _ if !kind.is_dir() => notes.push(format!("passed over {shown:?}: {}", what(kind))),
            None => notes.push(format!("passed over {shown:?}: this cannot be the name of a host")),
            Some(name) => hosts.push(host_dir(name.into(), entry.path(), &mut notes)),
        }
    }
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    notes.sort();
    Ok((hosts, notes))
}

fn host_dir(host: HostName, path: PathBuf, notes: &mut Vec<String>) -> HostDir {
    let mut files = BTreeMap::new();
    let listed = std::fs::read_dir(&path).and_then(|entries| {
        for entry in entries {
            let file = entry?.file_name();
            let shown = file.to_string_lossy();
            if shown.starts_with('.') {
                continue;
            }
            match file.to_str().and_then(|name| name.strip_suffix(".json")).filter(|name| is_plain(name)) {
                Some(query) => {
                    files.insert(query.into(), file);
                }
                None => notes.push(format!("passed over {shown:?} of {host:?}: not <query>.json")),
            }
        }
        Ok(())
    });
    let fault = listed.err().map(|error| error.to_string());
    HostDir { host, herd: None, path, files, fault, told: None }
}

/// A name that can stand in a message, a file name and a table.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= 253 && !name.chars().any(char::is_control)
}

fn what(kind: FileType) -> &'static str {
    if kind.is_symlink() { "symbolic links are not followed" } else { "not a directory" }
}

/// The text of `pack.conf`, where there is one.
pub(super) fn pack_text(dir: &Path) -> Result<Option<String>, ReplayError> {
    let path = dir.join("pack.conf");
    let read = open_plain(&path).and_then(|file| {
        let mut text = String::new();
        file.take(MOST_PACK).read_to_string(&mut text).map(|_| text)
    });
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReplayError::Read { path: path.display().to_string(), source }),
    }
}

/// Opens a file that is one: no symbolic link, no device, and no pipe that would never end.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("symbolic links are not followed")),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    Ok(file)
}

//! Programs with which simulated hosts misbehave, on disk while they are needed.

use crate::fault::Fault;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// A directory for each fault that needs one, made when it is first asked for, and gone with this.
#[derive(Debug, Default)]
pub(super) struct Programs(Mutex<Option<TempDir>>);

impl Programs {
    /// Where the programs of a fault are; `None` where it has none.
    pub(super) fn of(&self, fault: Option<Fault>) -> io::Result<Option<PathBuf>> {
        let Some(fault) = fault.filter(|fault| !fault.programs().is_empty()) else { return Ok(None) };
        let mut above = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let above = match &mut *above {
            Some(above) => above,
            none => none.insert(tempfile::Builder::new().prefix(&prefix(std::process::id())).tempdir()?),
        };
        let place = above.path().join(fault.name());
        if !place.exists() {
            let new = above.path().join(format!("{fault}.new"));
            fs::create_dir_all(&new)?;
            for (name, text) in fault.programs() {
                fs::write(new.join(name), text)?;
                fs::set_permissions(new.join(name), Permissions::from_mode(0o755))?;
            }
            fs::rename(&new, &place)?;
        }
        Ok(Some(place))
    }
}

/// How the names of their directories begin, of a process that serves hosts.
fn prefix(pid: u32) -> String {
    format!("herdiff-testbed-programs-{pid}-")
}

/// Removes what a process that was killed has left.
pub fn sweep_up(pid: u32) {
    let prefix = prefix(pid);
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

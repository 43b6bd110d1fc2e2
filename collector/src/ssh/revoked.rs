//! `RevokedHostKeys`: a file of public keys that are refused wherever they appear.

use russh::keys::PublicKey;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keys that are refused.
#[derive(Debug, Default)]
pub(crate) struct Revoked(HashSet<Vec<u8>>);

/// All such files of a sweep.
#[derive(Debug, Default)]
pub(crate) struct RevokedFiles(HashMap<PathBuf, Arc<Revoked>>);

impl Revoked {
    pub(crate) fn has(&self, key: &PublicKey) -> bool {
        !self.0.is_empty() && key.to_bytes().is_ok_and(|bytes| self.0.contains(&bytes))
    }
}

impl RevokedFiles {
    /// Reads a file, once. One that cannot be understood must not be passed over: it may be about the very key that comes.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), String> {
        if self.0.contains_key(path) {
            return Ok(());
        }
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        if bytes.starts_with(b"SSHKRL\n") {
            return Err(
                "it is a binary list (KRL), which cannot be read here; give a list of public keys".to_owned()
            );
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = |line| PublicKey::from_openssh(line).and_then(|key| key.to_bytes());
        let keys = lines
            .map(key)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("not a list of public keys: {error}"))?;
        self.0.insert(path.to_owned(), Arc::new(Revoked(keys)));
        Ok(())
    }

    pub(crate) fn of(&self, path: Option<&PathBuf>) -> Arc<Revoked> {
        path.and_then(|path| self.0.get(path)).cloned().unwrap_or_default()
    }
}

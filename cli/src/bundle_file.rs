//! Bundles on disk: opened with everything that can be wrong said, created without ever overwriting one.

use crate::error::Failure;
use herdiff_model::bundle::Bundle;
use herdiff_model::knowledge::Tables;
use std::fs::{File, OpenOptions};
use std::io::BufReader;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads and checks a whole bundle.
pub(crate) fn read(path: &Path) -> Result<Bundle, Failure> {
    let file = File::open(path).map_err(|error| Failure::file("open the bundle", path, &error))?;
    Bundle::read(BufReader::with_capacity(1 << 20, file)).map_err(|error| Failure::bundle(path, &error))
}

/// Creates a bundle that only its owner can read: it holds what an attacker would like to know.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        let failure = Failure::file("create the bundle", path, &error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                failure.next("bundles are never overwritten: choose another name with -o")
            }
            _ => failure,
        }
    })
}

/// What is known of osquery's tables.
pub(crate) fn tables() -> Result<Tables, Failure> {
    Tables::builtin()
        .map_err(|error| Failure::usage("the built-in knowledge of tables cannot be read").why(error))
}

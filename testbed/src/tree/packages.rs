//! The list of installed packages as dpkg keeps it.

use super::{Tree, TreeError};
use crate::fleet::host::Host;
use std::fmt::Write;

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    let mut status = String::new();
    for package in &host.packages {
        let _ = write!(
            status,
            "Package: {}\nStatus: {}\nPriority: {}\nSection: {}\nInstalled-Size: {}\nMaintainer: Example Maintainers <packages@example.org>\nArchitecture: {}\n\
             Version: {}\nDescription: {} as described\n no file of it is here\n\n",
            package.name,
            package.status,
            package.priority,
            package.section,
            package.size,
            package.architecture,
            package.version,
            package.name,
        );
    }
    tree.file("/var/lib/dpkg/status", 0o644, host.clock.installed, status.as_bytes())
}

//! `herdiff_hidden`: what one way of looking shows and another does not.
//!
//! A rootkit must lie in every answer of the kernel to stay unseen. Each module here asks for the same things in two
//! independent ways, twice, so that what merely came or went in between is not taken for hidden.

mod directories;
mod modules;
mod processes;
mod setuid;
mod sockets;

use super::{Failure, Row, Rows, Scan, Table, all, row, text};
use crate::host::Host;

pub(crate) static TABLE: Table = Table {
    name: "herdiff_hidden",
    about: "What one way of looking shows and another does not: processes, sockets, modules, directories, setuid files.",
    sources: "/proc against system calls and control groups, /proc/net against netlink, /proc/modules against /sys/module, \
              link counts against listings, getdents64 against the C library, mounted file systems against suid_bin",
    differences: "Not in osquery. `kind` is `process`, `socket`, `module`, `directory` or `setuid`. The last one walks \
                  every local file system, so it is only looked for with `WHERE kind = 'setuid'`.",
    columns: &[text("kind").pushed(), text("id"), text("seen_by"), text("not_seen_by"), text("detail")],
    per_user: false,
    rows,
};

/// One disagreement.
struct Hidden {
    kind: &'static str,
    id: Vec<u8>,
    seen_by: &'static str,
    not_seen_by: &'static str,
    detail: String,
}

impl Hidden {
    fn row(self) -> Row {
        row![self.kind, self.id, self.seen_by, self.not_seen_by, self.detail]
    }
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    type Look = fn(&Host) -> Vec<Hidden>;
    let looks: [(&str, Look); 4] = [
        ("process", processes::hidden),
        ("socket", sockets::hidden),
        ("module", modules::hidden),
        ("directory", directories::hidden),
    ];
    let mut found = Vec::new();
    for (kind, look) in looks {
        if scan.wants_text("kind", kind.as_bytes()) {
            found.extend(look(&scan.host));
        }
    }
    if scan.equal_texts("kind").iter().any(|kind| kind == b"setuid") {
        found.extend(setuid::hidden(&scan.host));
    }
    Ok(all(found.into_iter().map(Hidden::row).collect()))
}

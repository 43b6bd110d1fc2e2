//! Modules of the kernel that only one of its lists names.

use std::collections::BTreeSet;

use super::Hidden;
use crate::host::Host;

/// The kernel was once given a module from outside of its tree.
const TAINT_OUT_OF_TREE: u64 = 1 << 12;

pub(super) fn hidden(host: &Host) -> Vec<Hidden> {
    let (listed, tainting) = listed(host);
    let present = present(host);
    let mut found = Vec::new();
    for name in present.difference(&listed) {
        found.push(row(name.clone(), "/sys/module", "/proc/modules", "loaded, but not listed"));
    }
    // A tree of files may bring only one of the two.
    if !present.is_empty() {
        for name in listed.difference(&present) {
            found.push(row(name.clone(), "/proc/modules", "/sys/module", "listed, but without an entry"));
        }
    }
    let taint =
        host.read_line("/proc/sys/kernel/tainted").and_then(|line| line.parse::<u64>().ok()).unwrap_or(0);
    if taint & TAINT_OUT_OF_TREE != 0 && !tainting {
        found.push(row(
            b"(out-of-tree)".to_vec(),
            "/proc/sys/kernel/tainted",
            "/proc/modules",
            "a module from outside of the kernel's tree was loaded and is not listed; it may have been unloaded since",
        ));
    }
    found
}

fn row(id: Vec<u8>, seen_by: &'static str, not_seen_by: &'static str, detail: &str) -> Hidden {
    Hidden { kind: "module", id, seen_by, not_seen_by, detail: detail.to_owned() }
}

/// Names in `/proc/modules`, and whether one of them is from outside of the kernel's tree.
fn listed(host: &Host) -> (BTreeSet<Vec<u8>>, bool) {
    let content = host.read("/proc/modules").unwrap_or_default();
    let lines = || content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let names =
        lines().filter_map(|line| line.split(|byte| *byte == b' ').next()).map(<[u8]>::to_vec).collect();
    let tainting = lines().any(|line| {
        let flags = line.rsplit(|byte| *byte == b' ').find(|word| word.starts_with(b"("));
        flags.is_some_and(|flags| flags.contains(&b'O'))
    });
    (names, tainting)
}

/// Loaded modules in `/sys/module`: what is built in has an entry there too, but no state.
fn present(host: &Host) -> BTreeSet<Vec<u8>> {
    let entries = host.list("/sys/module").into_iter();
    let loaded = entries.filter(|entry| {
        let path = [b"/sys/module/", entry.name.as_slice(), b"/initstate"].concat();
        host.exists(&path)
    });
    loaded.map(|entry| entry.name).collect()
}

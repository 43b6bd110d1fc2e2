//! `kernel_info`: the running kernel and how it was started.

use crate::tables::{Failure, Rows, Scan, Table, all, row, text};

pub(crate) static TABLE: Table = Table {
    name: "kernel_info",
    about: "The running kernel and how it was started.",
    sources: "/proc/cmdline, /proc/sys/kernel/osrelease, /proc/version",
    differences: "",
    columns: &[text("version"), text("arguments"), text("path"), text("device")],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let mut arguments = Vec::new();
    let (mut path, mut device) = (String::new(), String::new());
    let line = scan.host.read_line("/proc/cmdline").unwrap_or_default();
    for word in line.split_ascii_whitespace() {
        if let Some(image) = word.strip_prefix("BOOT_IMAGE=") {
            path = image.to_owned();
        } else if let Some(root) = word.strip_prefix("root=") {
            device = root.to_owned();
        } else {
            arguments.push(word);
        }
    }
    let version = scan.host.read_line("/proc/sys/kernel/osrelease").or_else(|| {
        // `Linux version 6.1.0-18-amd64 (…) …`
        let line = scan.host.read_line("/proc/version")?;
        line.split_ascii_whitespace().nth(2).map(str::to_owned)
    });
    Ok(all(vec![row![version, arguments.join(" "), path, device]]))
}

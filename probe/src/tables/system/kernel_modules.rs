//! `kernel_modules`: what was loaded into the kernel.

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, each_line, row, text};

pub(crate) static TABLE: Table = Table {
    name: "kernel_modules",
    about: "Modules of the running kernel.",
    sources: "/proc/modules",
    differences: "",
    columns: &[text("name"), bigint("size"), text("used_by"), text("status"), text("address")],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let Some(content) = scan.host.read("/proc/modules") else { return Ok(crate::tables::none()) };
    let mut rows = Vec::new();
    each_line(&scan.host, "/proc/modules", &content, |line| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        // `name size references users, state address`
        let [name, size, _references, users, state, address, ..] = words.as_slice() else { return false };
        let users = users.strip_suffix(b",").unwrap_or(users);
        rows.push(row![*name, *size, users, *state, *address]);
        true
    });
    Ok(all(rows))
}

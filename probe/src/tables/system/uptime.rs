//! `uptime`: how long the system has been running.

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row};

pub(crate) static TABLE: Table = Table {
    name: "uptime",
    about: "How long the system has been running.",
    sources: "/proc/uptime",
    differences: "",
    columns: &[
        integer("days"),
        integer("hours"),
        integer("minutes"),
        integer("seconds"),
        bigint("total_seconds"),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let line = scan.host.read_line("/proc/uptime").unwrap_or_default();
    let total = line.split(['.', ' ']).next().and_then(|seconds| seconds.parse::<i64>().ok());
    let Some(total) = total else { return Ok(crate::tables::none()) };
    let (days, hours, minutes) = (total / 86_400, total / 3_600 % 24, total / 60 % 60);
    Ok(all(vec![row![days, hours, minutes, total % 60, total]]))
}

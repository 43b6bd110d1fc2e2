//! `block_devices`: disks and their parts.

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "block_devices",
    about: "Disks and their partitions.",
    sources: "/sys/class/block, /run/udev/data",
    differences: "",
    columns: &[
        text("name"),
        text("parent"),
        text("vendor"),
        text("model"),
        text("serial"),
        bigint("size"),
        integer("block_size"),
        text("uuid"),
        text("type"),
        text("label"),
    ],
    per_user: false,
    rows,
};

const CLASS: &str = "/sys/class/block";

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let host = &scan.host;
    let mut rows = Vec::new();
    for entry in host.list_sorted(CLASS) {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let text = |what: &str| host.read_line(&format!("{CLASS}/{name}/{what}"));
        // A partition lies in the directory of its disk: `…/block/sda/sda1`.
        let link = host.read_link(format!("{CLASS}/{name}").as_bytes()).unwrap_or_default();
        let link = String::from_utf8_lossy(&link).into_owned();
        let above = link.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let parent = if text("partition").is_some() && !above.is_empty() {
            format!("/dev/{above}")
        } else {
            String::new()
        };
        let block = text("queue/logical_block_size")
            .or_else(|| host.read_line(&format!("{CLASS}/{above}/queue/logical_block_size")));
        let udev = text("dev").and_then(|device| host.read(format!("/run/udev/data/b{device}")));
        let udev = String::from_utf8_lossy(&udev.unwrap_or_default()).into_owned();
        let property = |key: &str| {
            let line =
                udev.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        let serial = text("device/serial").filter(|serial| !serial.is_empty());
        rows.push(row![
            format!("/dev/{name}"),
            parent,
            text("device/vendor").unwrap_or_default(),
            text("device/model").unwrap_or_default(),
            serial.unwrap_or_else(|| property("ID_SERIAL_SHORT")),
            text("size"),
            block,
            property("ID_FS_UUID"),
            property("ID_FS_TYPE"),
            property("ID_FS_LABEL")
        ]);
    }
    Ok(all(rows))
}

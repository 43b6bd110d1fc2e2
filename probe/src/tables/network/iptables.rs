//! `iptables`: rules of the old packet filter.

use crate::tables::{Failure, Rows, Scan, Table, integer, none, text};

pub(crate) static TABLE: Table = Table {
    name: "iptables",
    about: "Rules of the old packet filter. Most systems filter with nftables by now, where this is empty.",
    sources: "/proc/net/ip_tables_names",
    differences: "Rules are not read: that takes a raw network socket, which the probe denies itself. Where the old \
                  filter has tables the answer is `unsupported`, elsewhere there are no rows, as in osquery.",
    columns: &[
        text("filter_name"),
        text("chain"),
        text("policy"),
        text("target"),
        integer("protocol"),
        text("src_port"),
        text("dst_port"),
        text("src_ip"),
        text("src_mask"),
        text("iniface"),
        text("iniface_mask"),
        text("dst_ip"),
        text("dst_mask"),
        text("outiface"),
        text("outiface_mask"),
        text("match"),
        integer("packets"),
        integer("bytes"),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let names = scan.host.read_line("/proc/net/ip_tables_names").unwrap_or_default();
    if names.is_empty() {
        return Ok(none());
    }
    let names = names.split_ascii_whitespace().collect::<Vec<_>>().join(", ");
    Err(Failure::unsupported(format!(
        "the rules of the old packet filter are not read here; it has the tables {names}"
    )))
}

//! `routes` and `arp_cache`: which way packets go, and to whom on the local wire.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::interfaces::{ip, links};
use super::netlink::{attributes, dump, number as number_at};
use crate::tables::{Failure, Row, Rows, Scan, Table, all, integer, row, text};

pub(crate) static ROUTES: Table = Table {
    name: "routes",
    about: "Routes of all tables.",
    sources: "rtnetlink; of another root /proc/net/route",
    differences: "Of another root only the IPv4 routes of the main table are known.",
    columns: &[
        text("destination"),
        integer("netmask"),
        text("gateway"),
        text("source"),
        integer("flags"),
        text("interface"),
        integer("mtu"),
        integer("metric"),
        text("type"),
        integer("hopcount"),
    ],
    per_user: false,
    rows: routes,
};

const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTAX_MTU: u16 = 2;
const RTAX_HOPLIMIT: u16 = 10;
/// Entries of the cache, not routes.
const RTM_F_CLONED: u32 = 0x200;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

fn routes(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    if !scan.host.is_live() {
        let content = scan.host.read("/proc/net/route").unwrap_or_default();
        return Ok(all(String::from_utf8_lossy(&content).lines().skip(1).filter_map(file_row).collect()));
    }
    let ask = || {
        let links = links()?;
        let answers = dump(None, RTM_GETROUTE, &[0; 12])?;
        let name = |index: u32| links.get(&index).map(|(name, _)| name.clone()).unwrap_or_default();
        Ok(answers.iter().filter_map(|answer| kernel_row(answer, &name)).collect())
    };
    let rows: Result<Vec<Row>, rustix::io::Errno> = ask();
    rows.map(all).map_err(|errno| {
        Failure::internal(format!("the kernel did not name its routes: {}", crate::host::os_words(errno)))
    })
}

/// `family dst_len src_len tos table protocol scope type flags…`
fn kernel_row(answer: &[u8], name: &dyn Fn(u32) -> Vec<u8>) -> Option<Row> {
    let family = *answer.first()?;
    let prefix = *answer.get(1)?;
    let kind = *answer.get(7)?;
    let flags = number_at(answer, 8)?;
    if flags & RTM_F_CLONED != 0 || (family != AF_INET && family != AF_INET6) {
        return None;
    }
    let none =
        if family == AF_INET { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let (mut destination, mut gateway, mut source) = (none, None, None);
    let (mut interface, mut metric, mut mtu, mut hops) = (Vec::new(), 0, 0, 0);
    for (attribute, value) in attributes(answer.get(12..)?) {
        match attribute {
            RTA_DST => destination = ip(value)?,
            RTA_GATEWAY => gateway = ip(value),
            RTA_PREFSRC => source = ip(value),
            RTA_OIF => interface = name(number_at(value, 0)?),
            RTA_PRIORITY => metric = number_at(value, 0)?,
            RTA_METRICS => {
                for (metric, value) in attributes(value) {
                    match metric {
                        RTAX_MTU => mtu = number_at(value, 0)?,
                        RTAX_HOPLIMIT => hops = number_at(value, 0)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // osquery has 0 for a single address.
    let netmask = if matches!((family, prefix), (AF_INET, 32) | (AF_INET6, 128)) { 0 } else { prefix };
    let kind = match kind {
        1 => "gateway",
        2 => "local",
        3 => "broadcast",
        4 => "anycast",
        _ => "other",
    };
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    Some(row![
        destination.to_string(),
        u32::from(netmask),
        text(gateway),
        text(source),
        // The flags that osquery shows are those of its own message, which are none.
        0,
        interface,
        mtu,
        metric,
        kind,
        hops
    ])
}

/// `interface destination gateway flags refcnt use metric mask mtu …`, addresses in the host's byte order.
fn file_row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let address = |at: usize| {
        let raw = u32::from_str_radix(words.get(at)?, 16).ok()?;
        Some(Ipv4Addr::from(u32::from_be_bytes(raw.to_ne_bytes())))
    };
    let gateway = address(2).filter(|gateway| !gateway.is_unspecified());
    let mask = u32::from(address(7)?).count_ones();
    Some(row![
        address(1)?.to_string(),
        if mask == 32 { 0 } else { mask },
        gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        "",
        0,
        (*words.first()?).to_owned(),
        (*words.get(8)?).to_owned(),
        (*words.get(6)?).to_owned(),
        "gateway",
        0
    ])
}

pub(crate) static ARP_CACHE: Table = Table {
    name: "arp_cache",
    about: "Neighbours on the local wire.",
    sources: "/proc/net/arp",
    differences: "",
    columns: &[text("address"), text("mac"), text("interface"), text("permanent")],
    per_user: false,
    rows: arp,
};

const ATF_PERM: u32 = 4;

fn arp(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let content = scan.host.read("/proc/net/arp").unwrap_or_default();
    let content = String::from_utf8_lossy(&content).into_owned();
    let mut rows = Vec::new();
    for line in content.lines().skip(1) {
        // `address type flags mac mask device`
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [address, _kind, flags, mac, _mask, device] = words.as_slice() else { continue };
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
        let permanent = if flags & ATF_PERM != 0 { "1" } else { "0" };
        rows.push(row![(*address).to_owned(), (*mac).to_owned(), (*device).to_owned(), permanent]);
    }
    Ok(all(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Cell;

    #[test]
    fn a_broken_answer_is_no_route() {
        let name = |_| b"eth0".to_vec();
        assert_eq!(kernel_row(&[2, 24], &name), None);
        let mut answer = vec![2, 24, 0, 0, 254, 2, 0, 1, 0, 0, 0, 0];
        answer.extend_from_slice(&[8, 0, 1, 0, 10, 0, 0, 0]);
        let row = kernel_row(&answer, &name).unwrap();
        assert_eq!(row[0], Cell::from("10.0.0.0"));
        assert_eq!(row[8], Cell::from("gateway"));
    }
}

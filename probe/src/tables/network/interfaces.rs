//! `interface_addresses`: the host's own addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{attributes, dump, number, text as attribute_text};
use crate::host::Host;
use crate::tables::{Failure, Row, Rows, Scan, Table, all, row, text};

pub(crate) static INTERFACE_ADDRESSES: Table = Table {
    name: "interface_addresses",
    about: "The host's own addresses.",
    sources: "rtnetlink; of another root /proc/net/{fib_trie,route,if_inet6}",
    differences: "",
    columns: &[
        text("interface"),
        text("address"),
        text("mask"),
        text("broadcast"),
        text("point_to_point"),
        text("type"),
        text("friendly_name").hidden().absent(),
    ],
    per_user: false,
    rows,
};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFF_BROADCAST: u32 = 2;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    if !scan.host.is_live() {
        return Ok(all(from_files(&scan.host)));
    }
    let rows = from_kernel().map_err(|errno| {
        Failure::internal(format!("the kernel did not name its addresses: {}", crate::host::os_words(errno)))
    })?;
    Ok(all(rows))
}

/// Names and flags of the interfaces by their number.
pub(super) fn links() -> Result<HashMap<u32, (Vec<u8>, u32)>, rustix::io::Errno> {
    let mut links = HashMap::new();
    for answer in dump(None, RTM_GETLINK, &[0; 16])? {
        let (Some(index), Some(flags)) = (number(&answer, 4), number(&answer, 8)) else { continue };
        let name = attributes(answer.get(16..).unwrap_or_default()).find(|(kind, _)| *kind == IFLA_IFNAME);
        links.insert(index, (name.map(|(_, name)| attribute_text(name)).unwrap_or_default(), flags));
    }
    Ok(links)
}

fn from_kernel() -> Result<Vec<Row>, rustix::io::Errno> {
    let links = links()?;
    let mut rows = Vec::new();
    for answer in dump(None, RTM_GETADDR, &[0; 8])? {
        let (Some(prefix), Some(index)) = (answer.get(1).copied(), number(&answer, 4)) else { continue };
        let (mut address, mut local, mut label, mut broadcast) = (None, None, None, None);
        for (kind, value) in attributes(answer.get(8..).unwrap_or_default()) {
            match kind {
                IFA_ADDRESS => address = ip(value),
                IFA_LOCAL => local = ip(value),
                IFA_LABEL => label = Some(attribute_text(value)),
                IFA_BROADCAST => broadcast = ip(value),
                _ => {}
            }
        }
        let Some(own) = local.or(address) else { continue };
        let (name, flags) = links.get(&index).cloned().unwrap_or_default();
        // The other end, where the kernel names one beside the own address.
        let other = broadcast.or(local.and(address)).map(|ip| ip.to_string()).unwrap_or_default();
        let (broadcast, point) =
            if flags & IFF_BROADCAST != 0 { (other, String::new()) } else { (String::new(), other) };
        let interface = label.unwrap_or_else(|| name.clone());
        rows.push(row![interface, scoped(own, &name), mask(own, prefix), broadcast, point, "unknown", ""]);
    }
    Ok(rows)
}

pub(super) fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

/// A link-local address with its interface behind it.
fn scoped(address: IpAddr, interface: &[u8]) -> Vec<u8> {
    let mut text = address.to_string().into_bytes();
    if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
        text.push(b'%');
        text.extend_from_slice(interface);
    }
    text
}

/// The first `prefix` bits set.
fn mask(address: IpAddr, prefix: u8) -> String {
    match address {
        IpAddr::V4(_) => {
            let bits = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
            Ipv4Addr::from(bits).to_string()
        }
        IpAddr::V6(_) => {
            let bits = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
            Ipv6Addr::from(bits).to_string()
        }
    }
}

/// A network of `/proc/net/route`.
struct Network {
    interface: String,
    address: u32,
    mask: u32,
}

fn from_files(host: &Host) -> Vec<Row> {
    let text = |path: &str| String::from_utf8_lossy(&host.read(path).unwrap_or_default()).into_owned();
    let networks: Vec<Network> = text("/proc/net/route").lines().skip(1).filter_map(network).collect();
    let mut rows = Vec::new();
    for address in local_addresses(&text("/proc/net/fib_trie")) {
        let bits = u32::from(address);
        let within = |network: &&Network| network.mask != 0 && bits & network.mask == network.address;
        let network = networks.iter().filter(within).max_by_key(|network| network.mask);
        let (interface, mask) = match network {
            Some(network) => (network.interface.clone(), Ipv4Addr::from(network.mask).to_string()),
            None if address.is_loopback() => ("lo".to_owned(), "255.0.0.0".to_owned()),
            None => (String::new(), String::new()),
        };
        rows.push(row![interface, address.to_string(), mask, "", "", "unknown", ""]);
    }
    rows.extend(text("/proc/net/if_inet6").lines().filter_map(inet6_row));
    rows
}

/// `eth0 0002000A 00000000 0001 0 0 0 00FFFFFF …`: words in the host's byte order.
fn network(line: &str) -> Option<Network> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let word = |at: usize| {
        let raw = u32::from_str_radix(words.get(at)?, 16).ok()?;
        Some(u32::from_be_bytes(raw.to_ne_bytes()))
    };
    Some(Network { interface: (*words.first()?).to_owned(), address: word(1)?, mask: word(7)? })
}

/// Addresses that the routing trie says are the host's own: `|-- 10.0.0.5`, then `/32 host LOCAL`.
pub(crate) fn local_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut found: Vec<Ipv4Addr> = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(address) = last
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// `fe80…(32 digits) index prefix scope flags name`
fn inet6_row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let address = IpAddr::from(u128::from_str_radix(words.first()?, 16).ok()?.to_be_bytes());
    let prefix = u8::from_str_radix(words.get(2)?, 16).ok()?;
    let interface = words.get(5)?;
    Some(row![
        (*interface).to_owned(),
        scoped(address, interface.as_bytes()),
        mask(address, prefix),
        "",
        "",
        "unknown",
        ""
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trie_names_own_addresses_once() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.5\n        \
                    /32 host LOCAL\nLocal:\n     |-- 10.0.0.5\n        /32 host LOCAL\n";
        assert_eq!(local_addresses(trie), ["10.0.0.5".parse::<Ipv4Addr>().unwrap()]);
    }

    #[test]
    fn masks_have_their_bits() {
        assert_eq!(mask("10.0.0.1".parse().unwrap(), 24), "255.255.255.0");
        assert_eq!(mask("10.0.0.1".parse().unwrap(), 0), "0.0.0.0");
        assert_eq!(mask("::1".parse().unwrap(), 64), "ffff:ffff:ffff:ffff::");
        assert_eq!(mask("::1".parse().unwrap(), 255), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }
}

//! Addresses and routes: `/proc/net/{fib_trie,if_inet6,route,dev,arp}`, and the interfaces in `/sys/class/net`.

use super::super::{Tree, TreeError};
use crate::fleet::host::Host;
use crate::fleet::network::Interface;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const ROUTE_WIDTH: usize = 127;
const DEV: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    tree.plain("/proc/net/fib_trie", fib_trie(&host.interfaces))?;
    tree.plain("/proc/net/if_inet6", if_inet6(&host.interfaces))?;
    tree.plain("/proc/net/route", route(&host.interfaces))?;
    tree.plain("/proc/net/dev", dev(&host.interfaces))?;
    tree.plain("/proc/net/arp", arp(&host.interfaces))?;
    for interface in &host.interfaces {
        let at = format!("/sys/class/net/{}", interface.name);
        tree.plain(&format!("{at}/address"), format!("{}\n", mac(interface)))?;
        tree.plain(&format!("{at}/ifindex"), format!("{}\n", interface.index))?;
        tree.plain(&format!("{at}/mtu"), if interface.name == "lo" { "65536\n" } else { "1500\n" })?;
        tree.plain(&format!("{at}/flags"), if interface.name == "lo" { "0x9\n" } else { "0x1003\n" })?;
        tree.plain(&format!("{at}/type"), if interface.name == "lo" { "772\n" } else { "1\n" })?;
        tree.plain(&format!("{at}/operstate"), if interface.name == "lo" { "unknown\n" } else { "up\n" })?;
    }
    Ok(())
}

fn mac(interface: &Interface) -> String {
    interface.mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

/// An address and what the kernel knows of it: (prefix length, scope and type).
type Leaves = BTreeMap<u32, Vec<String>>;

/// Both tables show the same, as they do where no rule asks for more than one.
fn fib_trie(interfaces: &[Interface]) -> String {
    let mut leaves = Leaves::new();
    for interface in interfaces {
        let (address, length) = interface.v4;
        let (address, mask) = (u32::from(address), mask(length));
        let network = address & mask;
        let kind = if address >> 24 == 127 { "host LOCAL" } else { "link UNICAST" };
        leaves.entry(network).or_default().push(format!("/{length} {kind}"));
        leaves.entry(address).or_default().push("/32 host LOCAL".to_owned());
        leaves.entry(network | !mask).or_default().push("/32 link BROADCAST".to_owned());
        if interface.gateway.is_some() {
            leaves.entry(0).or_default().push("/0 universe UNICAST".to_owned());
        }
    }
    let mut text = String::new();
    for table in ["Main", "Local"] {
        let _ = writeln!(text, "{table}:");
        let all: Vec<_> = leaves.iter().collect();
        node(&mut text, &all, 0, 1);
    }
    text
}

/// One node of the trie: leaves that share a prefix, split at the first bit where they differ.
fn node(text: &mut String, leaves: &[(&u32, &Vec<String>)], common: u32, depth: usize) {
    let indent = "   ".repeat(depth);
    if let [(address, lines)] = leaves {
        let _ = writeln!(text, "{indent}|-- {}", Ipv4Addr::from(**address));
        for line in *lines {
            let _ = writeln!(text, "{indent}   {line}");
        }
        return;
    }
    let (Some((first, _)), Some((last, _))) = (leaves.first(), leaves.last()) else { return };
    let shared = (**first ^ **last).leading_zeros().max(common);
    let network = **first & mask(u8::try_from(shared).unwrap_or(32));
    let _ =
        writeln!(text, "{}+-- {}/{shared} 2 0 2", "   ".repeat(depth - 1) + "  ", Ipv4Addr::from(network));
    let bit = 31_u32.saturating_sub(shared);
    let middle = leaves.partition_point(|(address, _)| **address >> bit & 1 == 0);
    let (low, high) = leaves.split_at(middle);
    for half in [low, high].into_iter().filter(|half| !half.is_empty()) {
        node(text, half, shared + 1, depth + 1);
    }
}

fn if_inet6(interfaces: &[Interface]) -> String {
    let mut text = String::new();
    for interface in interfaces {
        let Some((address, length)) = interface.v6 else { continue };
        let scope = if address.is_loopback() { 0x10 } else { 0x20 };
        let digits: String = address.octets().iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(
            text,
            "{digits} {:02x} {length:02x} {scope:02x} 80 {:>8}",
            interface.index, interface.name
        );
    }
    text
}

fn route(interfaces: &[Interface]) -> String {
    let hex = |address: u32| {
        address.to_be_bytes().iter().rev().map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    let mut text = format!("{ROUTE:<ROUTE_WIDTH$}\n");
    let mut add = |name: &str, to: u32, via: u32, flags: u16, mask: u32| {
        let line = format!("{name}\t{}\t{}\t{flags:04X}\t0\t0\t0\t{}\t0\t0\t0", hex(to), hex(via), hex(mask));
        let _ = writeln!(text, "{line:<ROUTE_WIDTH$}");
    };
    for interface in interfaces.iter().filter(|interface| interface.name != "lo") {
        let (address, length) = interface.v4;
        if let Some(gateway) = interface.gateway {
            add(&interface.name, 0, gateway.into(), 3, 0);
        }
        add(&interface.name, u32::from(address) & mask(length), 0, 1, mask(length));
    }
    text
}

fn dev(interfaces: &[Interface]) -> String {
    let mut text = DEV.to_owned();
    for interface in interfaces {
        let bytes = u64::from(u32::from(interface.v4.0)).wrapping_mul(2_654_435_761) % 90_000_000_000;
        let _ = writeln!(
            text,
            "{:>6}: {bytes:7} {:7}    0    0    0     0          0         0 {:8} {:7}    0    0    0     0       0          0",
            interface.name,
            bytes / 700,
            bytes / 3,
            bytes / 900
        );
    }
    text
}

fn arp(interfaces: &[Interface]) -> String {
    let mut text = ARP.to_owned();
    for interface in interfaces {
        let Some(gateway) = interface.gateway else { continue };
        let _ = writeln!(
            text,
            "{:<16} 0x1         0x2         52:54:00:14:00:01     *        {}",
            gateway.to_string(),
            interface.name
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs::read_to_string;

    fn interfaces(address: [u8; 4], length: u8) -> Vec<Interface> {
        let lo = Interface {
            name: "lo".to_owned(),
            index: 1,
            mac: [0; 6],
            v4: (Ipv4Addr::LOCALHOST, 8),
            v6: Some(("::1".parse().unwrap(), 128)),
            gateway: None,
        };
        let eth0 = Interface {
            name: "eth0".to_owned(),
            index: 2,
            mac: [0x52, 0x54, 0, 0, 0, 1],
            v4: (address.into(), length),
            v6: Some(("fe80::1".parse().unwrap(), 64)),
            gateway: Some([10, 20, 0, 1].into()),
        };
        vec![lo, eth0]
    }

    /// The smallest reader: a leaf, and the lines below it.
    fn local_addresses(trie: &str) -> BTreeSet<String> {
        let (mut leaf, mut found) = (String::new(), BTreeSet::new());
        for line in trie.lines() {
            if let Some((_, address)) = line.split_once("|-- ") {
                leaf = address.to_owned();
            } else if line.trim() == "/32 host LOCAL" {
                found.insert(leaf.clone());
            }
        }
        found
    }

    #[test]
    fn one_reader_finds_the_addresses_in_ours_and_in_the_kernel_s() {
        let real = read_to_string("/proc/net/fib_trie").unwrap();
        assert!(local_addresses(&real).contains("127.0.0.1"));
        let ours = fib_trie(&interfaces([10, 20, 0, 17], 22));
        assert_eq!(local_addresses(&ours), ["10.20.0.17".to_owned(), "127.0.0.1".to_owned()].into());
        assert!(ours.contains("|-- 10.20.0.0\n"), "{ours}");
        assert!(ours.contains("/22 link UNICAST"), "{ours}");
        assert!(ours.contains("|-- 10.20.3.255\n"), "{ours}");
    }

    #[test]
    fn nodes_are_drawn_as_the_kernel_draws_them() {
        let lines = |trie: &str| {
            trie.lines()
                .map(|line| line.trim_start().split(' ').next().unwrap_or_default().to_owned())
                .collect::<BTreeSet<_>>()
        };
        let kinds =
            |set: BTreeSet<String>| set.into_iter().filter(|word| !word.starts_with('/')).collect::<Vec<_>>();
        let real = read_to_string("/proc/net/fib_trie").unwrap();
        assert_eq!(kinds(lines(&fib_trie(&interfaces([10, 20, 0, 17], 22)))), kinds(lines(&real)));
    }

    #[test]
    fn ipv6_addresses_are_as_the_kernel_s() {
        let ours = if_inet6(&interfaces([10, 20, 0, 17], 22));
        let real = read_to_string("/proc/net/if_inet6").unwrap();
        let line = real.lines().find(|line| line.ends_with(" lo")).unwrap();
        assert_eq!(ours.lines().next(), Some(line));
    }

    #[test]
    fn route_has_the_kernel_s_header() {
        let ours = route(&interfaces([10, 20, 0, 17], 22));
        let real = read_to_string("/proc/net/route").unwrap();
        assert_eq!(ours.lines().next(), real.lines().next());
        assert!(ours.contains("eth0\t0000140A\t00000000\t0001\t0\t0\t0\t00FCFFFF\t0\t0\t0"), "{ours}");
    }
}

//! Listeners, connections, addresses, routes, the firewall.

use super::processes::on_disk;
use super::row::{Row, Rows, row};
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::Host;
use crate::fleet::network::SocketKind;
use crate::fleet::process::Process;
use std::net::{Ipv4Addr, SocketAddr};

pub(super) fn add(host: &Host, tables: &mut Vec<(&'static str, Rows)>) {
    let (mut listeners, mut connections) = (Vec::new(), Vec::new());
    for socket in &host.sockets {
        let owners =
            socket.owners.iter().filter_map(|pid| host.processes.iter().find(|process| process.pid == *pid));
        match &socket.kind {
            SocketKind::TcpListener(here) => {
                listeners.extend(owners.map(|owner| listener(owner, *here, "6")))
            }
            SocketKind::Udp(here) => listeners.extend(owners.map(|owner| listener(owner, *here, "17"))),
            SocketKind::Tcp(here, there, state) => {
                let owners: Vec<_> = owners.collect();
                if owners.is_empty() {
                    connections.push(connection(None, *here, *there, state.name()));
                }
                connections.extend(
                    owners.into_iter().map(|owner| connection(Some(owner), *here, *there, state.name())),
                );
            }
            SocketKind::Unix(_) => {}
        }
    }
    tables.push(("listening_ports", listeners));
    tables.push(("connections", connections));
    tables.push(("interface_addresses", addresses(host)));
    tables.push(("routes", routes(host)));
    tables.push(("dns_resolvers", resolvers(host)));
    tables.push(("iptables", firewall(host)));
}

fn family(address: SocketAddr) -> String {
    if address.is_ipv4() { "2" } else { "10" }.to_owned()
}

fn listener(owner: &Process, here: SocketAddr, protocol: &str) -> Row {
    row([
        ("pid", owner.pid.to_string()),
        ("protocol", protocol.to_owned()),
        ("family", family(here)),
        ("address", here.ip().to_string()),
        ("port", here.port().to_string()),
        ("name", owner.name.clone()),
        ("process_path", owner.program.path().to_owned()),
        ("cmdline", owner.arguments.join(" ")),
        ("uid", owner.uid.to_string()),
        ("on_disk", on_disk(owner).to_owned()),
    ])
}

fn connection(owner: Option<&Process>, here: SocketAddr, there: SocketAddr, state: &str) -> Row {
    let of = |get: fn(&Process) -> String| owner.map(get).unwrap_or_default();
    row([
        ("pid", owner.map_or("-1".to_owned(), |owner| owner.pid.to_string())),
        ("protocol", "6".to_owned()),
        ("family", family(here)),
        ("local_address", here.ip().to_string()),
        ("local_port", here.port().to_string()),
        ("remote_address", there.ip().to_string()),
        ("remote_port", there.port().to_string()),
        ("state", state.to_owned()),
        ("name", of(|owner| owner.name.clone())),
        ("process_path", of(|owner| owner.program.path().to_owned())),
        ("uid", of(|owner| owner.uid.to_string())),
        ("on_disk", of(|owner| on_disk(owner).to_owned())),
    ])
}

fn mask(length: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0))
}

fn addresses(host: &Host) -> Rows {
    let mut rows = Vec::new();
    for interface in &host.interfaces {
        let mut add = |address: String, mask: String| {
            rows.push(row([("interface", interface.name.clone()), ("address", address), ("mask", mask)]));
        };
        let (address, length) = interface.v4;
        add(address.to_string(), mask(length).to_string());
        if let Some((address, length)) = interface.v6 {
            let zone = if address.is_loopback() { String::new() } else { format!("%{}", interface.name) };
            let mask = if length == 64 {
                "ffff:ffff:ffff:ffff::"
            } else {
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
            };
            add(format!("{address}{zone}"), mask.to_owned());
        }
    }
    rows
}

fn routes(host: &Host) -> Rows {
    let mut rows = Vec::new();
    for interface in host.interfaces.iter().filter(|interface| interface.name != "lo") {
        let (address, length) = interface.v4;
        let network = Ipv4Addr::from(u32::from(address) & u32::from(mask(length)));
        let mut add = |to: String, length: u8, via: String, flags: &str| {
            rows.push(row([
                ("destination", to),
                ("netmask", length.to_string()),
                ("gateway", via),
                ("source", address.to_string()),
                ("flags", flags.to_owned()),
                ("interface", interface.name.clone()),
                ("metric", "0".to_owned()),
            ]));
        };
        if let Some(gateway) = interface.gateway {
            add("0.0.0.0".to_owned(), 0, gateway.to_string(), "3");
        }
        add(network.to_string(), length, String::new(), "1");
    }
    rows
}

fn resolvers(host: &Host) -> Rows {
    let file = host.files.get("/etc/resolv.conf").map(|file| &file.content);
    let Some(Content::Text(text)) = file else { return Rows::new() };
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(kind, address)| row([("type", kind.to_owned()), ("address", address.to_owned())])).collect()
}

/// The rules of the image, with counters; and whom fail2ban keeps out of this host at the moment.
fn firewall(host: &Host) -> Rows {
    let mut dice = Dice::new(u64::from(u32::from(host.address))).named("firewall");
    let mut rows = Vec::new();
    let mut add = |chain: &str, target: &str, protocol: &str, from: String, dice: &mut Dice| {
        let packets = dice.between(0, 9_000_000);
        rows.push(row([
            ("filter_name", "filter".to_owned()),
            ("chain", chain.to_owned()),
            ("policy", String::new()),
            ("target", target.to_owned()),
            ("protocol", protocol.to_owned()),
            ("src_ip", from),
            ("dst_ip", "0.0.0.0".to_owned()),
            ("packets", packets.to_string()),
            ("bytes", (packets * dice.between(60, 900)).to_string()),
        ]));
    };
    for (chain, target, protocol) in [
        ("INPUT", "f2b-sshd", "6"),
        ("INPUT", "ACCEPT", "0"),
        ("INPUT", "ACCEPT", "1"),
        ("INPUT", "ACCEPT", "6"),
        ("INPUT", "DROP", "0"),
        ("f2b-sshd", "RETURN", "0"),
    ] {
        add(chain, target, protocol, "0.0.0.0".to_owned(), &mut dice);
    }
    for _ in 0..dice.between(0, 9) {
        let banned = Ipv4Addr::new(198, 51, 100, u8::try_from(dice.between(1, 255)).unwrap_or(1));
        add("f2b-sshd", "REJECT", "0", banned.to_string(), &mut dice);
    }
    rows
}

//! `interface_details` and `interface_ipv6`: the network interfaces themselves.

use crate::host::Host;
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static INTERFACE_DETAILS: Table = Table {
    name: "interface_details",
    about: "Network interfaces: their hardware address, kind, and what went through them.",
    sources: "/sys/class/net",
    differences: "",
    columns: &[
        text("interface"),
        text("mac"),
        integer("type"),
        integer("mtu"),
        integer("metric"),
        integer("flags"),
        bigint("ipackets"),
        bigint("opackets"),
        bigint("ibytes"),
        bigint("obytes"),
        bigint("ierrors"),
        bigint("oerrors"),
        bigint("idrops"),
        bigint("odrops"),
        bigint("collisions"),
        bigint("last_change"),
        bigint("link_speed"),
        text("pci_slot"),
        text("friendly_name").hidden().absent(),
        text("description").hidden().absent(),
        text("manufacturer").hidden().absent(),
        text("connection_id").hidden().absent(),
        text("connection_status").hidden().absent(),
        integer("enabled").hidden().absent(),
        integer("physical_adapter").hidden().absent(),
        integer("speed").hidden().absent(),
        text("service").hidden().absent(),
        integer("dhcp_enabled").hidden().absent(),
        text("dhcp_lease_expires").hidden().absent(),
        text("dhcp_lease_obtained").hidden().absent(),
        text("dhcp_server").hidden().absent(),
        text("dns_domain").hidden().absent(),
        text("dns_domain_suffix_search_order").hidden().absent(),
        text("dns_host_name").hidden().absent(),
        text("dns_server_search_order").hidden().absent(),
    ],
    per_user: false,
    rows: details,
};

const CLASS: &str = "/sys/class/net";
/// `IFF_RUNNING` and `IFF_LOWER_UP`, which the file of flags leaves out.
const IFF_RUNNING: i64 = 0x40;
const IFF_LOWER_UP: i64 = 0x1_0000;

fn names(host: &Host) -> Vec<String> {
    let entries = host.list_sorted(CLASS).into_iter().filter(|entry| !entry.kind.is_file());
    entries.map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect()
}

fn details(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let host = &scan.host;
    let mut rows = Vec::new();
    for name in names(host) {
        let text = |what: &str| host.read_line(&format!("{CLASS}/{name}/{what}"));
        let number = |what: &str| text(what).and_then(|value| value.parse::<i64>().ok());
        let count = |what: &str| number(&format!("statistics/{what}"));
        let kind = number("type");
        let loopback = kind == Some(772);
        let flags = text("flags").and_then(|hex| i64::from_str_radix(hex.trim_start_matches("0x"), 16).ok());
        // What is down has no carrier to tell of: the kernel refuses the question.
        let running = quiet_number(host, &format!("{CLASS}/{name}/carrier")) == Some(1);
        let flags = flags.map(|flags| if running { flags | IFF_RUNNING | IFF_LOWER_UP } else { flags });
        let device = host.read_link(format!("{CLASS}/{name}/device").as_bytes()).unwrap_or_default();
        let slot = device.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        // The speed of what has no carrier is an error or -1.
        let speed = host.is_live().then(|| quiet_number(host, &format!("{CLASS}/{name}/speed"))).flatten();
        let mut row = row![
            &name,
            text("address"),
            // osquery keeps eight bits of it: the loopback's 772 is 4.
            kind.map(|kind| kind & 0xff),
            number("mtu"),
            0,
            flags,
            count("rx_packets"),
            count("tx_packets"),
            count("rx_bytes"),
            count("tx_bytes"),
            count("rx_errors"),
            count("tx_errors"),
            count("rx_dropped"),
            count("tx_dropped"),
            count("collisions"),
            -1,
            speed.filter(|speed| *speed > 0).unwrap_or(0),
            if loopback { b"-1".to_vec() } else { slot }
        ];
        row.resize(INTERFACE_DETAILS.columns.len(), Cell::Null);
        rows.push(row);
    }
    Ok(all(rows))
}

fn quiet_number(host: &Host, path: &str) -> Option<i64> {
    let mut content = Vec::new();
    host.try_read_into(path.as_bytes(), &mut content, 64).ok()?;
    std::str::from_utf8(content.trim_ascii()).ok()?.parse().ok()
}

pub(crate) static INTERFACE_IPV6: Table = Table {
    name: "interface_ipv6",
    about: "IPv6 settings of network interfaces.",
    sources: "/proc/sys/net/ipv6/conf",
    differences: "",
    columns: &[
        text("interface"),
        integer("hop_limit"),
        integer("forwarding_enabled"),
        integer("redirect_accept"),
        integer("rtadv_accept"),
    ],
    per_user: false,
    rows: ipv6,
};

fn ipv6(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let mut rows = Vec::new();
    for entry in scan.host.list_sorted("/proc/sys/net/ipv6/conf") {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        if name == "all" || name == "default" {
            continue;
        }
        let value = |what: &str| scan.host.read_line(&format!("/proc/sys/net/ipv6/conf/{name}/{what}"));
        rows.push(row![
            &name,
            value("hop_limit"),
            value("forwarding"),
            value("accept_redirects"),
            value("accept_ra")
        ]);
    }
    Ok(all(rows))
}

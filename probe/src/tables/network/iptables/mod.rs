//! `iptables`: rules of the old packet filter, and whether there is a new one that this table cannot show.

mod rules;

use super::netlink::{attributes, dump, kernel_has, text as text_of};
use crate::host::{Host, os_words};
use crate::tables::{Cell, Failure, Row, Rows, Scan, Table, all, integer, row, text};
#[cfg(any(test, fuzzing))]
pub(crate) use rules::chains;
use rules::{Chain, Rule};
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

pub(crate) static TABLE: Table = Table {
    name: "iptables",
    about: "Rules of the old packet filter (IPv4), with one row more for each chain and its policy.",
    sources: "/proc/net/ip_tables_names, getsockopt(IPT_SO_GET_ENTRIES); nfnetlink for the names of nftables' tables",
    differences: "What a rule turns around begins with `!`, and its protocol is negative; osquery shows both as if they \
                  were not. Rules of nftables are not read; where it has tables they are counted as not read, so that the \
                  answer is unknown where osquery's is empty. The same goes for everybody but root.",
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
    let host = &scan.host;
    host.kernel()?;
    let names = host.read_line("/proc/net/ip_tables_names").unwrap_or_default();
    if !names.is_empty() {
        host.running()?;
    }
    let mut rows = Vec::new();
    for name in names.split_ascii_whitespace() {
        let Some(filter) = host.packet_filter() else {
            host.note(format!("iptables table {name}"), "Operation not permitted");
            continue;
        };
        match filter.table(name.as_bytes()) {
            Ok((info, entries)) => {
                let (chains, whole) = rules::chains(&info, &entries);
                if !whole {
                    host.note(format!("iptables table {name}"), "malformed");
                }
                chains.iter().for_each(|chain| push(name, chain, &mut rows));
            }
            Err(errno) => host.note(format!("iptables table {name}"), &os_words(errno)),
        }
    }
    note_nftables(host);
    Ok(all(rows))
}

fn push(table: &str, chain: &Chain, rows: &mut Vec<Row>) {
    let (policy, packets, bytes) = chain.policy.clone().unwrap_or_default();
    for rule in &chain.rules {
        rows.push(rule_row(table, chain, (&policy, packets, bytes), rule));
    }
    let mut row = row![table.to_owned(), &chain.name, policy, ""];
    row.resize(TABLE.columns.len() - 2, Cell::Null);
    row.extend(row![packets, bytes]);
    rows.push(row);
}

fn rule_row(table: &str, chain: &Chain, (policy, packets, bytes): (&String, u64, u64), rule: &Rule) -> Row {
    row![
        table.to_owned(),
        &chain.name,
        policy,
        &rule.target,
        rule.protocol,
        &rule.source_ports,
        &rule.destination_ports,
        &rule.source.0,
        &rule.source.1,
        &rule.incoming.0,
        &rule.incoming.1,
        &rule.destination.0,
        &rule.destination.1,
        &rule.outgoing.0,
        &rule.outgoing.1,
        "yes",
        packets,
        bytes
    ]
}

/// `NFNL_SUBSYS_NFTABLES` and `NFT_MSG_GETTABLE`.
const GET_TABLES: u16 = 10 << 8 | 1;
const NFTA_TABLE_NAME: u16 = 1;

/// The tables of nftables are not shown here; that they are there must be said.
fn note_nftables(host: &Host) {
    // Asking a kernel that has it as a module would load the module.
    if !host.is_live() || !kernel_has(host, "nf_tables") {
        return;
    }
    match dump(Some(NETFILTER), GET_TABLES, &[0; 4]) {
        Ok(tables) => {
            for table in tables {
                let family = match table.first() {
                    Some(1) => "inet",
                    Some(2) => "ip",
                    Some(5) => "netdev",
                    // Of IPv6, bridges and ARP osquery's table never told.
                    _ => continue,
                };
                let named = attributes(table.get(4..).unwrap_or_default());
                let name = named.into_iter().find(|(kind, _)| *kind == NFTA_TABLE_NAME);
                let name = name.map(|(_, value)| text_of(value)).unwrap_or_default();
                let what = [b"nftables table ".as_slice(), family.as_bytes(), b" ", &name].concat();
                host.note(what, "rules of nftables are not read");
            }
        }
        // This kernel has none.
        Err(Errno::PROTONOSUPPORT | Errno::OPNOTSUPP | Errno::INVAL) => {}
        Err(errno) => host.note("nftables", &os_words(errno)),
    }
}

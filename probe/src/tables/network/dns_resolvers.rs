//! `dns_resolvers`: who is asked for names.

use std::net::Ipv4Addr;

use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "dns_resolvers",
    about: "Name servers, search domains and sort lists of the resolver: at most three, six and ten.",
    sources: "/etc/resolv.conf",
    differences: "osquery names only IPv4 servers and leaves the address of others empty; here IPv6 ones are shown. \
                  Its `sortlist` rows are garbage and are left out.",
    columns: &[
        integer("id"),
        text("type"),
        text("address"),
        text("netmask"),
        bigint("options"),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows,
};

const MAX_SERVERS: usize = 3;
const MAX_DOMAINS: usize = 6;

/// glibc's defaults: recursion, default names, search, and "initialised".
const OPTIONS: i64 = 0x2c1;

/// The bits of glibc's `_res.options` that a word of `options` sets.
fn option_bits(word: &str) -> i64 {
    match word {
        "debug" => 0x2,
        "rotate" => 0x4000,
        "no-check-names" => 0x8000,
        "edns0" => 0x10_0000,
        "single-request" => 0x20_0000,
        "single-request-reopen" => 0x40_0000,
        "no-tld-query" => 0x100_0000,
        "use-vc" => 0x8,
        "no-reload" => 0x200_0000,
        "trust-ad" => 0x400_0000,
        "no-aaaa" => 0x800_0000,
        _ => 0,
    }
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let Some(content) = scan.host.read("/etc/resolv.conf") else { return Ok(crate::tables::none()) };
    let content = String::from_utf8_lossy(&content).into_owned();
    let mut options = OPTIONS;
    let mut servers: Vec<&str> = Vec::new();
    let mut domains: Vec<&str> = Vec::new();
    for line in content.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") if servers.len() < MAX_SERVERS => servers.extend(words.next()),
            Some("search" | "domain") => domains = words.take(MAX_DOMAINS).collect(),
            Some("options") => options |= words.map(option_bits).fold(0, |all, bits| all | bits),
            _ => {}
        }
    }
    let mut rows = Vec::new();
    for (id, server) in servers.into_iter().enumerate() {
        // A server that is not IPv4 has no mask of 32 bits, but osquery shows one.
        let known = server.parse::<Ipv4Addr>().is_ok() || server.parse::<std::net::Ipv6Addr>().is_ok();
        let server = if known { server } else { "" };
        rows.push(row![id, "nameserver", server.to_owned(), "32", options, 0]);
    }
    for (id, domain) in domains.into_iter().enumerate() {
        rows.push(row![id, "search", domain.to_owned(), Cell::from(""), options, 0]);
    }
    Ok(all(rows))
}

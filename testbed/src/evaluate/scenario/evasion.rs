//! Scenarios that blind or mislead the defender.

use crate::evaluate::desk::{Desk, has};

/// An address that no host of the herd talks to.
pub(super) fn attacker(desk: &mut Desk) -> String {
    let (net, host) = (desk.dice.between(0, 3), desk.dice.between(2, 250));
    match net {
        0 => format!("203.0.113.{host}"),
        1 => format!("185.220.101.{host}"),
        _ => format!("45.77.{}.{host}", desk.dice.between(1, 250)),
    }
}

pub(super) fn hosts(desk: &mut Desk) {
    let address = attacker(desk);
    let names = desk.one_of(&[
        "security.debian.org deb.debian.org",
        "updates.example.net",
        "siem.prod.example.net",
        "vault.prod.example.net vault",
    ]);
    desk.add("etc_hosts", [("address", &address), ("hostnames", names)]);
}

pub(super) fn resolver(desk: &mut Desk) {
    let address = attacker(desk);
    if desk.dice.chance(50) {
        desk.change("dns_resolvers", |row| has(row, "address", "10.20.0.53"), &[("address", &address)]);
    } else {
        desk.add("dns_resolvers", [("type", "nameserver"), ("address", &address)]);
    }
}

pub(super) fn firewall(desk: &mut Desk) {
    let address = attacker(desk);
    if desk.dice.chance(50) {
        desk.add(
            "iptables",
            [
                ("filter_name", "filter"),
                ("chain", "INPUT"),
                ("policy", ""),
                ("target", "ACCEPT"),
                ("protocol", "6"),
                ("src_ip", &address),
                ("dst_ip", "0.0.0.0"),
                ("packets", "812"),
                ("bytes", "91233"),
            ],
        );
    } else {
        // The last rule, which drops the rest, is gone.
        desk.remove("iptables", |row| has(row, "target", "DROP"));
    }
}

pub(super) fn stopped_agent(desk: &mut Desk) {
    let starts =
        |cell: Option<&String>| cell.is_some_and(|path| path.starts_with("/var/ossec/bin/wazuh-agentd"));
    desk.remove("processes", |row| starts(row.get("path")));
    desk.remove("connections", |row| starts(row.get("process_path")));
    desk.remove("process_hashes", |row| starts(row.get("path")));
}

pub(super) fn downgrade(desk: &mut Desk) {
    let (name, version) = match desk.dice.between(0, 3) {
        0 => ("sudo", "1.9.5p2-3"),
        1 => ("openssh-server", "1:8.4p1-5"),
        _ => ("polkitd", "0.105-31"),
    };
    desk.change("deb_packages", |row| has(row, "name", name), &[("version", version)]);
    if !desk.marks.iter().any(|mark| mark.query == "deb_packages") {
        desk.change("deb_packages", |row| has(row, "name", "sudo"), &[("version", "1.9.5p2-3")]);
    }
}

/// Logs that are gone, and a record of log-ins that begins anew.
pub(super) fn log_wiping(desk: &mut Desk) {
    desk.remove("log_files", |row| {
        row.get("path").is_some_and(|path| {
            path == "/var/log/auth.log" || path == "/var/log/wtmp" || path == "/var/log/btmp"
        })
    });
}

/// A rootkit hides the agent's shipper from the list of processes; its socket still shows.
pub(super) fn hidden_process(desk: &mut Desk) {
    desk.remove("processes", |row| {
        row.get("path")
            .is_some_and(|path| path.ends_with("wazuh-logcollector") || path.ends_with("/rsyslogd"))
    });
    let port = desk.one_of(&["48101", "2222", "31999", "6010"]);
    desk.listener("-1", "", "", port, "");
}

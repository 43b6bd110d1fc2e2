//! Attacks that blind or mislead the defender.

use super::Trace;
use super::access::ATTACKER;
use crate::dice::Dice;
use crate::fleet::host::{Host, HostsEntry};

pub(super) fn stopped_agent(host: &mut Host, _dice: &Dice) -> Vec<Trace> {
    host.stop(|process| process.name.starts_with("wazuh-"));
    vec![
        Trace::missing("processes", [("path", "/var/ossec/bin/wazuh-agentd")]),
        Trace::missing("processes", [("path", "/var/ossec/bin/wazuh-syscheckd")]),
        Trace::missing(
            "connections",
            [("process_path", "/var/ossec/bin/wazuh-agentd"), ("remote_port", "1514")],
        ),
    ]
}

pub(super) fn hosts_redirect(host: &mut Host, _dice: &Dice) -> Vec<Trace> {
    let (address, names) = (ATTACKER.to_string(), "security.debian.org deb.debian.org");
    host.hosts_file.push(HostsEntry::new(&address, names));
    vec![Trace::added("etc_hosts", [("address", &address), ("hostnames", names)])]
}

pub(super) fn downgrade(host: &mut Host, _dice: &Dice) -> Vec<Trace> {
    let (name, version) = ("sudo", "1.9.5p2-3");
    for package in host.packages.iter_mut().filter(|package| package.name == name) {
        version.clone_into(&mut package.version);
    }
    crate::fleet::refresh(host);
    vec![Trace::changed("deb_packages", [("name", name), ("version", version)])]
}

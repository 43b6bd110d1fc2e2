//! The image that the hosts of a role are made from, before life has made them different.

mod accounts;
mod balancer;
mod base;
mod db;
mod files;
mod logins;
mod logs;
mod programs;
mod service;
mod sockets;
mod web;

use super::host::{Clock, Hardware, Host, HostsEntry, Kernel, Package, Role};
use super::network::Interface;
use super::plan::Wave;
use crate::dice::Dice;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) use programs::{PYTHON, refresh};

/// What is on all hosts.
const PACKAGES: &str = include_str!("../../../data/debian12/packages.tsv");
/// Where the fleet's other machines are.
pub(super) const DATABASE: Ipv4Addr = Ipv4Addr::new(10, 20, 8, 11);
pub(super) const CACHE: Ipv4Addr = Ipv4Addr::new(10, 20, 8, 21);
pub(super) const SECURITY_MANAGER: Ipv4Addr = Ipv4Addr::new(10, 20, 9, 5);
pub(super) const ADMIN_NETWORK: [u8; 3] = [10, 20, 9];

/// What is decided before a host is made.
#[derive(Clone, Debug)]
pub(super) struct Birth<'a> {
    pub(super) name: String,
    pub(super) role: Role,
    /// Its place in the fleet, from 1.
    pub(super) place: u32,
    pub(super) now: u64,
    pub(super) wave: &'a Wave,
    /// Decisions of the fleet, alike on all hosts.
    pub(super) fleet: &'a Dice,
    /// Decisions of this host.
    pub(super) own: Dice,
}

/// Makes a host as it comes up from its image.
pub(super) fn host(birth: &Birth<'_>) -> Host {
    let mut dice = birth.own.named("birth");
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 20, 0, 10)) + birth.place);
    let installed = birth.wave.installed + dice.between(0, 5400);
    let booted = birth.wave.booted + dice.between(0, birth.wave.boot_spread.max(1));
    let mut host = Host {
        name: birth.name.clone(),
        role: birth.role,
        address,
        clock: Clock { now: birth.now, booted: booted.max(installed), installed },
        kernel: Kernel {
            release: "6.1.0-37-amd64".to_owned(),
            build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)".to_owned(),
            arguments: "BOOT_IMAGE=/boot/vmlinuz-6.1.0-37-amd64 root=PARTUUID=5f6c0d4e-01 ro \
                        console=tty0 console=ttyS0,115200 net.ifnames=0"
                .to_owned(),
        },
        hardware: Hardware {
            cpu: "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz".to_owned(),
            cores: 4,
            memory_kb: 8_137_216,
            vendor: "QEMU".to_owned(),
            model: "Standard PC (Q35 + ICH9, 2009)".to_owned(),
        },
        users: accounts::users(birth.fleet),
        groups: accounts::groups(),
        packages: packages(PACKAGES),
        processes: Vec::new(),
        sockets: Vec::new(),
        modules: base::modules(),
        mounts: base::mounts(),
        interfaces: interfaces(address),
        hosts_file: hosts_file(&birth.name),
        crontabs: files::crontabs(installed),
        files: files::files(birth.fleet, installed),
    };
    logins::add(&mut host, birth.fleet);
    logs::add(&mut host, &birth.own);
    match birth.role {
        Role::Web => web::install(&mut host, birth.fleet),
        Role::Database => db::install(&mut host, birth.fleet),
        Role::Balancer => balancer::install(&mut host, birth.fleet),
    }
    programs::describe(&mut host);
    refresh(&mut host);
    base::start(&mut host, &birth.own);
    match birth.role {
        Role::Web => web::start(&mut host, &birth.own),
        Role::Database => db::start(&mut host, &birth.own),
        Role::Balancer => balancer::start(&mut host, &birth.own),
    }
    sockets::local(&mut host, &birth.own);
    host
}

/// Somebody whom a host of that role serves.
pub(super) fn client(role: Role, dice: &mut Dice) -> Ipv4Addr {
    let number = |range: std::ops::Range<u64>, dice: &mut Dice| {
        u8::try_from(dice.between(range.start, range.end)).unwrap_or(1)
    };
    match role {
        // Web servers are behind two balancers, databases behind web servers, balancers before the world.
        Role::Web => Ipv4Addr::new(10, 20, 0, if dice.chance(50) { 2 } else { 3 }),
        Role::Database => Ipv4Addr::new(10, 20, 0, number(11..99, dice)),
        Role::Balancer => Ipv4Addr::new(198, 51, 100, number(1..255, dice)),
    }
}

/// The packages of a list.
fn packages(list: &str) -> Vec<Package> {
    let parse = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        Some(Package {
            name: fields.next()?,
            version: fields.next()?,
            architecture: fields.next()?,
            section: fields.next()?,
            priority: fields.next()?,
            size: fields.next()?.parse().ok()?,
            status: "install ok installed".to_owned(),
        })
    };
    list.lines().filter_map(parse).collect()
}

fn interfaces(address: Ipv4Addr) -> Vec<Interface> {
    let [a, b, c, d] = address.octets();
    // As a virtual machine gets them: the hardware address follows the IPv4 address, and EUI-64 follows that.
    let mac = [0x52, 0x54, a, b, c, d];
    let (b0, b1, b2) = (u16::from(b) << 8, u16::from(c) << 8, u16::from(d));
    let link_local =
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, u16::from(a) << 8 | 0xff, 0xfe00 | (b0 >> 8), b1 | b2);
    vec![
        Interface {
            name: "lo".to_owned(),
            index: 1,
            mac: [0; 6],
            v4: (Ipv4Addr::LOCALHOST, 8),
            v6: Some((Ipv6Addr::LOCALHOST, 128)),
            gateway: None,
        },
        Interface {
            name: "eth0".to_owned(),
            index: 2,
            mac,
            v4: (address, 22),
            v6: Some((link_local, 64)),
            gateway: Some(Ipv4Addr::new(10, 20, 0, 1)),
        },
    ]
}

fn hosts_file(name: &str) -> Vec<HostsEntry> {
    vec![
        HostsEntry::new("127.0.0.1", "localhost"),
        HostsEntry::new("127.0.1.1", format!("{name}.prod.example.net {name}")),
        HostsEntry::new("::1", "localhost ip6-localhost ip6-loopback"),
        HostsEntry::new("ff02::1", "ip6-allnodes"),
        HostsEntry::new("ff02::2", "ip6-allrouters"),
        HostsEntry::new(DATABASE.to_string(), "db-01.prod.example.net db"),
        HostsEntry::new(CACHE.to_string(), "cache-01.prod.example.net cache"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_package_list_is_a_package() {
        for more in [web::PACKAGES, db::PACKAGES, balancer::PACKAGES] {
            let packages = [packages(PACKAGES), packages(more)].concat();
            assert_eq!(packages.len(), PACKAGES.lines().count() + more.lines().count());
            assert!(packages.len() >= 250, "{}", packages.len());
            let mut names: Vec<_> = packages.iter().map(|package| package.name.clone()).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), packages.len());
        }
    }
}

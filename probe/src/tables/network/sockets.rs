//! `process_open_sockets`: sockets with the processes that hold them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use rustix::fs::readlinkat_raw;

use super::proc_net::{self, Socket};
use crate::host::Host;
use crate::tables::process::proc::{self, number};
use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, note_malformed, row, text};

pub(crate) static PROCESS_OPEN_SOCKETS: Table = Table {
    name: "process_open_sockets",
    about: "Sockets and the processes that hold them; pid -1 where none is known.",
    sources: "/proc/PID/fd, /proc/PID/net/{tcp,tcp6,udp,udp6,udplite,udplite6,icmp,icmp6,raw,raw6,unix}",
    differences: "",
    columns: &[
        integer("pid").pushed(),
        bigint("fd"),
        bigint("socket"),
        integer("family"),
        integer("protocol"),
        text("local_address"),
        text("remote_address"),
        integer("local_port"),
        integer("remote_port"),
        text("path"),
        text("state"),
        text("net_namespace"),
    ],
    per_user: false,
    rows,
};

/// A socket and one holder of it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Process and descriptor; none when no process is known to hold it.
    pub(crate) holder: Option<(u32, u32)>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) namespace: Arc<[u8]>,
}

/// Which processes hold which sockets, by inode.
pub(crate) fn holders(host: &Host, pids: &[u32]) -> HashMap<u64, Vec<(u32, u32)>> {
    let mut holders: HashMap<u64, Vec<(u32, u32)>> = HashMap::new();
    for pid in pids.iter().take_while(|_| !host.expired()) {
        let directory = format!("/proc/{pid}/fd");
        // By names below the open directory, which spares the kernel to look up the process for each of them.
        host.visit(directory.as_bytes(), &mut |open, name, _| {
            let Some(descriptor) = number(name.to_bytes()) else { return };
            // A longer target is no socket's.
            let mut target = [0_u8; 64];
            match readlinkat_raw(open, name, &mut target) {
                Ok(length) => {
                    let target = target.get(..length).and_then(|target| target.strip_prefix(b"socket:["));
                    let inode = target.and_then(|rest| number(rest.strip_suffix(b"]")?));
                    if let Some(inode) = inode {
                        holders.entry(inode).or_default().push((*pid, descriptor));
                    }
                }
                Err(errno) => host.note_errno(format!("{directory}/{descriptor}").as_bytes(), errno),
            }
        });
    }
    for held in holders.values_mut() {
        held.sort_unstable();
    }
    holders
}

/// All sockets of all network namespaces. With `only`, those that these processes hold.
pub(crate) fn held_sockets(host: &Host, only: Option<&[u32]>) -> Vec<Held> {
    let pids = match only {
        Some(pids) => pids.to_vec(),
        None => proc::all_pids(host),
    };
    let holders = holders(host, &pids);
    let mut held = Vec::new();
    for (namespace, directory) in namespaces(host, &pids) {
        let namespace: Arc<[u8]> = namespace.into();
        for (name, family, protocol) in proc_net::TABLES {
            let path = [directory.as_slice(), name.as_bytes()].concat();
            let Some(content) = host.read(&path) else { continue };
            let (sockets, malformed) = proc_net::parse(&content, family, protocol);
            note_malformed(host, &path, malformed);
            for socket in sockets {
                let socket = Arc::new(socket);
                let mut add = |holder| {
                    held.push(Held {
                        holder,
                        socket: Arc::clone(&socket),
                        namespace: Arc::clone(&namespace),
                    });
                };
                match holders.get(&socket.inode).filter(|_| socket.inode != 0) {
                    Some(known) => known.iter().for_each(|holder| add(Some(*holder))),
                    None if only.is_none() => add(None),
                    None => {}
                }
            }
        }
    }
    held
}

/// Each network namespace once, with the directory where its tables are.
fn namespaces(host: &Host, pids: &[u32]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    for pid in pids {
        let Ok(link) = host.read_link(format!("/proc/{pid}/ns/net").as_bytes()) else { continue };
        let id = link.strip_prefix(b"net:[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(&link);
        let directory = format!("/proc/{pid}/net/").into_bytes();
        if !found.contains_key(id) && (host.is_live() || host.exists(&directory)) {
            found.insert(id.to_vec(), directory);
        }
    }
    if found.is_empty() {
        // A copied tree has one table for all, or an ordinary user may look at no namespace but the own.
        let own = host.read_link(b"/proc/self/ns/net").unwrap_or_default();
        let id = own.strip_prefix(b"net:[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or_default();
        found.insert(id.to_vec(), b"/proc/net/".to_vec());
    }
    found
}

/// An address as it is usually written; nothing for a socket that has none.
pub(crate) fn address_text(endpoint: Option<(IpAddr, u16)>) -> String {
    match endpoint {
        Some((IpAddr::V4(address), _)) => address.to_string(),
        // glibc writes the mapped form with dots as well.
        Some((IpAddr::V6(address), _)) => address.to_string(),
        None => String::new(),
    }
}

/// The pids that a query asks for, when it asks for any that may hold a socket.
pub(crate) fn asked_pids(scan: &Scan) -> Option<Vec<u32>> {
    let given = scan.equal_numbers("pid")?;
    // -1 stands for sockets without a holder: these need everything.
    if given.contains(&-1) {
        return None;
    }
    Some(given.into_iter().filter_map(|pid| u32::try_from(pid).ok()).collect())
}

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let pids = asked_pids(scan);
    let mut rows = Vec::new();
    for held in held_sockets(&scan.host, pids.as_deref()) {
        let socket = &held.socket;
        let (pid, fd) = held.holder.map_or((-1, -1), |(pid, fd)| (i64::from(pid), i64::from(fd)));
        rows.push(row![
            pid,
            fd,
            socket.inode,
            u32::from(socket.family),
            u32::from(socket.protocol),
            address_text(socket.local),
            address_text(socket.remote),
            socket.local.map_or(0, |(_, port)| u32::from(port)),
            socket.remote.map_or(0, |(_, port)| u32::from(port)),
            &socket.path,
            socket.state,
            &*held.namespace
        ]);
    }
    Ok(all(rows))
}

//! Sockets that netlink names and `/proc/net` does not, or the other way round.

use std::collections::BTreeMap;

use rustix::net::netlink::SOCK_DIAG;

use super::Hidden;
use crate::host::Host;
use crate::tables::network::netlink::{dump, kernel_has, number};
use crate::tables::network::proc_net::{TABLES, parse};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_BYTES: usize = 56;
/// Established to closing, one bit each: what `/proc/net` lists. Newer kernels also tell of sockets that have a
/// port but neither listen nor are connected, and these are in no file.
const STATES: u32 = 0xffe;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Sockets by inode, with words for a reader.
type Seen = BTreeMap<u64, String>;

pub(super) fn hidden(host: &Host) -> Vec<Hidden> {
    if !host.is_live() {
        return Vec::new();
    }
    if !["tcp_diag", "udp_diag"].iter().all(|module| kernel_has(host, module)) {
        host.note("netlink socket diagnosis", "not loaded, and asking would load it");
        return Vec::new();
    }
    let (files, Ok(kernel)) = (by_files(host), by_netlink()) else {
        host.note("netlink socket diagnosis", "refused");
        return Vec::new();
    };
    let files_again = by_files(host);
    let Ok(kernel_again) = by_netlink() else { return Vec::new() };
    let row = |(inode, words): (&u64, &String), seen_by, not_seen_by| Hidden {
        kind: "socket",
        id: inode.to_string().into_bytes(),
        seen_by,
        not_seen_by,
        detail: words.clone(),
    };
    let mut found = Vec::new();
    for seen in &kernel {
        if kernel_again.contains_key(seen.0)
            && !files.contains_key(seen.0)
            && !files_again.contains_key(seen.0)
        {
            found.push(row(seen, "netlink", "/proc/net"));
        }
    }
    for seen in &files {
        if files_again.contains_key(seen.0)
            && !kernel.contains_key(seen.0)
            && !kernel_again.contains_key(seen.0)
        {
            found.push(row(seen, "/proc/net", "netlink"));
        }
    }
    found
}

fn by_files(host: &Host) -> Seen {
    let mut seen = Seen::new();
    for (name, family, protocol) in TABLES {
        if protocol != TCP && protocol != UDP {
            continue;
        }
        let content = host.read(format!("/proc/net/{name}")).unwrap_or_default();
        for socket in parse(&content, family, protocol).0 {
            if let (true, Some((address, port))) = (socket.inode != 0, socket.local) {
                seen.insert(socket.inode, words(protocol, &format!("{address} port {port}")));
            }
        }
    }
    seen
}

fn words(protocol: u8, local: &str) -> String {
    format!("{} {local}", if protocol == TCP { "tcp" } else { "udp" })
}

fn by_netlink() -> Result<Seen, rustix::io::Errno> {
    let mut seen = Seen::new();
    for family in [2_u8, 10] {
        for protocol in [TCP, UDP] {
            let mut request = vec![family, protocol, 0, 0];
            request.extend_from_slice(&STATES.to_ne_bytes());
            request.resize(REQUEST_BYTES, 0);
            for answer in dump(Some(SOCK_DIAG), SOCK_DIAG_BY_FAMILY, &request)? {
                let port =
                    answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_be_bytes);
                if let Some(inode) = number(&answer, 68).filter(|inode| *inode != 0) {
                    seen.insert(u64::from(inode), words(protocol, &format!("port {port}")));
                }
            }
        }
    }
    Ok(seen)
}

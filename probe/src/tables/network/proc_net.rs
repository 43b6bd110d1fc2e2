//! The socket tables below `/proc/net` as text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::tables::process::proc::number;

/// An open socket as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Socket {
    /// `AF_INET` 2, `AF_INET6` 10, `AF_UNIX` 1.
    pub(crate) family: u8,
    /// As in `/etc/protocols`; 0 for `AF_UNIX`.
    pub(crate) protocol: u8,
    pub(crate) local: Option<(IpAddr, u16)>,
    pub(crate) remote: Option<(IpAddr, u16)>,
    pub(crate) state: &'static str,
    pub(crate) inode: u64,
    pub(crate) uid: Option<u32>,
    /// Of a socket with a name in the file system, or `@name`.
    pub(crate) path: Vec<u8>,
}

/// A socket table of the kernel: file name, family, protocol.
pub(crate) const TABLES: [(&str, u8, u8); 11] = [
    ("tcp", 2, 6),
    ("tcp6", 10, 6),
    ("udp", 2, 17),
    ("udp6", 10, 17),
    ("udplite", 2, 136),
    ("udplite6", 10, 136),
    ("icmp", 2, 1),
    ("icmp6", 10, 58),
    ("raw", 2, 255),
    ("raw6", 10, 255),
    ("unix", 1, 0),
];

const TCP_STATES: [&str; 13] = [
    "UNKNOWN",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// Sockets of one table. Lines that are not understood are left out; the second value counts them.
pub(crate) fn parse(content: &[u8], family: u8, protocol: u8) -> (Vec<Socket>, u64) {
    let lines = content.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
    let mut malformed = 0;
    let sockets = lines.filter_map(|line| {
        let socket = if family == 1 { parse_unix(line) } else { parse_inet(line, family, protocol) };
        malformed += u64::from(socket.is_none());
        socket
    });
    (sockets.collect(), malformed)
}

/// `sl: local:port remote:port state tx:rx tr:when retransmits uid timeout inode …`
fn parse_inet(line: &[u8], family: u8, protocol: u8) -> Option<Socket> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let local = words.nth(1)?;
    let remote = words.next()?;
    let state = usize::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 16).ok()?;
    let uid = words.nth(3).and_then(number);
    let inode = words.nth(1).and_then(number)?;
    // Of the other protocols the number says nothing that has a name.
    let state = if protocol == 6 { TCP_STATES.get(state).copied().unwrap_or("UNKNOWN") } else { "" };
    Some(Socket {
        family,
        protocol,
        local: Some(endpoint(local)?),
        remote: Some(endpoint(remote)?),
        state,
        inode,
        uid,
        path: Vec::new(),
    })
}

/// `0100007F:1F90`: the address in words of the host's byte order.
fn endpoint(text: &[u8]) -> Option<(IpAddr, u16)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0_u8; 16];
            for (place, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(place * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, port))
}

/// `num: references protocol flags type state inode path`
fn parse_unix(line: &[u8]) -> Option<Socket> {
    let mut rest = line.trim_ascii_start();
    let mut words: [&[u8]; 7] = [b""; 7];
    for word in &mut words {
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let (found, after) = rest.split_at_checked(end)?;
        *word = found;
        rest = after.trim_ascii_start();
    }
    Some(Socket {
        family: 1,
        protocol: 0,
        local: None,
        remote: None,
        state: "",
        inode: number(words.last().copied()?)?,
        uid: None,
        path: rest.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0\n\
        garbage\n   1: 0100007F:15";

    #[test]
    fn a_listener_is_read_and_garbage_is_not() {
        let (sockets, malformed) = parse(TCP, 2, 6);
        assert_eq!((sockets.len(), malformed), (1, 2));
        let socket = &sockets[0];
        if cfg!(target_endian = "little") {
            assert_eq!(socket.local, Some(("127.0.0.1".parse().unwrap(), 5432)));
        }
        assert_eq!((socket.state, socket.inode, socket.uid), ("LISTEN", 4711, Some(1000)));
    }

    #[test]
    fn unix_paths_may_hold_blanks() {
        let text = b"Num RefCount Protocol Flags Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 77 /run/a b\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 78\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 79 @abstract\n";
        let (sockets, _) = parse(text, 1, 0);
        let paths: Vec<_> = sockets.iter().map(|socket| (socket.inode, socket.path.as_slice())).collect();
        assert_eq!(paths, [(77, b"/run/a b".as_slice()), (78, b""), (79, b"@abstract")]);
    }
}

//! `/proc/net/{tcp,tcp6,udp,udp6,unix}`: the kernel's tables of sockets.

use super::super::{Tree, TreeError};
use crate::fleet::host::Host;
use crate::fleet::network::{Socket, SocketKind};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

// The kernel pads these to a fixed width.
const TCP: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const UDP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const UNIX: &str = "Num       RefCount Protocol Flags    Type St Inode Path";

const TCP_WIDTH: usize = 149;
const UDP_WIDTH: usize = 127;

pub(super) fn write(host: &Host, tree: &mut Tree) -> Result<(), TreeError> {
    tree.plain("/proc/net/tcp", tcp(&host.sockets, false))?;
    tree.plain("/proc/net/tcp6", tcp(&host.sockets, true))?;
    tree.plain("/proc/net/udp", udp(&host.sockets, false))?;
    tree.plain("/proc/net/udp6", udp(&host.sockets, true))?;
    tree.plain("/proc/net/unix", unix(&host.sockets))
}

fn tcp(sockets: &[Socket], v6: bool) -> String {
    let mut text = if v6 { format!("{TCP6}\n") } else { format!("{TCP:<TCP_WIDTH$}\n") };
    let rows = sockets.iter().filter_map(|socket| match &socket.kind {
        SocketKind::TcpListener(here) => Some((socket, *here, nowhere(v6), 10_u8)),
        SocketKind::Tcp(here, there, state) => Some((socket, *here, *there, state.number())),
        SocketKind::Udp(_) | SocketKind::Unix(_) => None,
    });
    for (number, (socket, here, there, state)) in rows.filter(|row| row.1.is_ipv6() == v6).enumerate() {
        // One that is over is known to the kernel without a user and a number.
        let (uid, inode) = if state == 6 { (0, 0) } else { (socket.uid, socket.inode) };
        let line = format!(
            "{number:4}: {} {} {state:02X} 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 {:016x} 100 0 0 10 0",
            address(here),
            address(there),
            pointer(socket.inode),
        );
        let _ = if v6 { writeln!(text, "{line}") } else { writeln!(text, "{line:<TCP_WIDTH$}") };
    }
    text
}

fn udp(sockets: &[Socket], v6: bool) -> String {
    let mut text = if v6 { format!("{UDP6}\n") } else { format!("{UDP:<UDP_WIDTH$}\n") };
    let rows = sockets.iter().filter_map(|socket| match &socket.kind {
        SocketKind::Udp(here) if here.is_ipv6() == v6 => Some((socket, *here)),
        _ => None,
    });
    for (socket, here) in rows {
        let slot = u32::from(here.port()) % 4096;
        let line = format!(
            "{slot:5}: {} {} 07 00000000:00000000 00:00000000 00000000 {:5}        0 {} 2 {:016x} 0",
            address(here),
            address(nowhere(v6)),
            socket.uid,
            socket.inode,
            pointer(socket.inode),
        );
        let _ = if v6 { writeln!(text, "{line}") } else { writeln!(text, "{line:<UDP_WIDTH$}") };
    }
    text
}

fn unix(sockets: &[Socket]) -> String {
    let mut text = format!("{UNIX}\n");
    for socket in sockets {
        let SocketKind::Unix(path) = &socket.kind else { continue };
        let space = if path.is_empty() { "" } else { " " };
        let _ = writeln!(
            text,
            "{:016x}: 00000002 00000000 00010000 0001 01 {:5}{space}{path}",
            pointer(socket.inode),
            socket.inode
        );
    }
    text
}

fn nowhere(v6: bool) -> SocketAddr {
    let ip: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, 0)
}

/// As the kernel prints it: words of 32 bits as the processor reads them, here with the lowest byte first.
fn address(of: SocketAddr) -> String {
    let bytes = match of.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut text = String::new();
    for word in bytes.chunks(4) {
        for byte in word.iter().rev() {
            let _ = write!(text, "{byte:02X}");
        }
    }
    let _ = write!(text, ":{:04X}", of.port());
    text
}

/// Something like the hashed address that the kernel shows.
fn pointer(inode: u64) -> u64 {
    inode.wrapping_mul(0x9e37_79b9) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::network::{TcpState, anywhere, anywhere_v6};
    use std::fs::read_to_string;

    fn sockets() -> Vec<Socket> {
        let socket = |inode, kind| Socket { inode, uid: 33, owners: vec![1], kind };
        let there = "10.20.8.11:5432".parse().unwrap();
        vec![
            socket(4711, SocketKind::TcpListener(anywhere(31_337))),
            socket(4712, SocketKind::Tcp("10.20.0.17:40000".parse().unwrap(), there, TcpState::Established)),
            socket(4713, SocketKind::TcpListener(anywhere_v6(443))),
            socket(4714, SocketKind::Udp("10.20.0.17:123".parse().unwrap())),
            socket(4715, SocketKind::Unix("/run/dbus/system_bus_socket".to_owned())),
        ]
    }

    /// The words of each line behind the header, and how wide the line is.
    fn rows(table: &str) -> Vec<(Vec<&str>, usize)> {
        table.lines().skip(1).map(|line| (line.split_whitespace().collect(), line.len())).collect()
    }

    #[test]
    fn addresses_are_as_the_kernel_prints_them() {
        assert_eq!(address("127.0.0.1:2024".parse().unwrap()), "0100007F:07E8");
        assert_eq!(address("[::1]:22".parse().unwrap()), "00000000000000000000000001000000:0016");
    }

    #[test]
    fn headers_and_columns_are_the_running_kernel_s() {
        // A listener makes sure that there is at least one row to compare with.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sockets = sockets();
        for (name, ours) in [("tcp", tcp(&sockets, false)), ("udp", udp(&sockets, false))] {
            let real = read_to_string(format!("/proc/net/{name}")).unwrap();
            assert_eq!(ours.lines().next(), real.lines().next(), "{name}");
            let (real, ours) = (rows(&real), rows(&ours));
            assert_eq!(ours[0].0.len(), real[0].0.len(), "{name}: {:?}", ours[0]);
            assert_eq!(ours[0].1, real[0].1, "{name}: {:?}", ours[0]);
        }
        for (name, ours) in
            [("tcp6", tcp(&sockets, true)), ("udp6", udp(&sockets, true)), ("unix", unix(&sockets))]
        {
            let real = read_to_string(format!("/proc/net/{name}")).unwrap();
            assert_eq!(ours.lines().next(), real.lines().next(), "{name}");
        }
        drop((listener, datagrams));
    }

    #[test]
    fn sockets_stand_in_the_table_of_their_kind() {
        let (v4, v6) = (tcp(&sockets(), false), tcp(&sockets(), true));
        assert_eq!(v4.lines().count(), 3);
        assert!(v4.contains("   0: 00000000:7A69 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 "), "{v4}");
        assert!(v4.contains(" 1100140A:9C40 0B08140A:1538 01 "), "{v4}");
        assert_eq!(v6.lines().count(), 2);
        assert!(unix(&sockets()).ends_with(" 4715 /run/dbus/system_bus_socket\n"));
    }
}

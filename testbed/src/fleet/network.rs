//! Interfaces and sockets of a described host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Number that the kernel gave it.
    pub index: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// IPv4 address and prefix length.
    pub v4: (Ipv4Addr, u8),
    /// IPv6 address and prefix length.
    pub v6: Option<(Ipv6Addr, u8)>,
    /// The router to everywhere else.
    pub gateway: Option<Ipv4Addr>,
}

/// A socket and who has it open.
#[derive(Clone, Debug)]
pub struct Socket {
    /// The number by which `/proc/<pid>/fd` and `/proc/net` know it.
    pub inode: u64,
    /// The user who made it.
    pub uid: u32,
    /// Processes that have it open; none for a connection whose process is gone.
    pub owners: Vec<u32>,
    /// What it is.
    pub kind: SocketKind,
}

/// What a socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// Waits for TCP connections.
    TcpListener(SocketAddr),
    /// A TCP connection, from here to there.
    Tcp(SocketAddr, SocketAddr, TcpState),
    /// Waits for UDP packets.
    Udp(SocketAddr),
    /// A local socket; empty path for one without a name.
    Unix(String),
}

/// The state of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpState {
    /// Both sides talk.
    Established,
    /// Over, and remembered for a minute.
    TimeWait,
    /// The other side has closed, this one not yet.
    CloseWait,
}

impl TcpState {
    /// The kernel's number for it.
    pub fn number(self) -> u8 {
        match self {
            Self::Established => 1,
            Self::TimeWait => 6,
            Self::CloseWait => 8,
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::TimeWait => "TIME_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
        }
    }
}

/// A listener on all IPv4 addresses.
pub fn anywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

/// A listener on all IPv6 addresses.
pub fn anywhere_v6(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// A listener on the loopback address.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

//! A port of loopback that is open or closed, and belongs to its host all the while.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 128;

/// A port that nobody else on the machine gets, whether it is open or closed.
#[derive(Debug)]
pub(crate) struct Port {
    /// Bound and never listening: without it, a port that is closed for a while could be somebody else's afterwards.
    keeper: TcpSocket,
    address: SocketAddr,
    listener: Option<TcpListener>,
}

impl Port {
    /// A port that was free, still closed: the kernel refuses connections.
    pub(crate) fn closed() -> io::Result<Self> {
        let keeper = TcpSocket::new_v4()?;
        keeper.set_reuseport(true)?;
        keeper.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
        let address = keeper.local_addr()?;
        Ok(Self { keeper, address, listener: None })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens or closes it; nothing where it is so already.
    pub(crate) fn set(&mut self, open: bool) -> io::Result<()> {
        if !open {
            self.listener = None;
        } else if self.listener.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseport(self.keeper.reuseport()?)?;
            // Its connections of a moment ago do not keep it from being opened again.
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            self.listener = Some(socket.listen(BACKLOG)?);
        }
        Ok(())
    }

    /// The next connection; waits for ever while it is closed.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        match &self.listener {
            Some(listener) => Ok(listener.accept().await?.0),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_opens_and_closes_and_stays_the_same() {
        let mut port = Port::closed().unwrap();
        let address = port.address();
        for _ in 0..20 {
            let refused = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            // Nobody else gets it while it is closed.
            assert_eq!(std::net::TcpListener::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            port.set(true).unwrap();
            port.set(true).unwrap();
            let (there, here) = tokio::join!(TcpStream::connect(address), port.accept());
            assert!(there.is_ok() && here.is_ok());
            port.set(false).unwrap();
        }
    }
}

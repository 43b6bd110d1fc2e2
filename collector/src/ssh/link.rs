//! The connection below SSH, with what russh lacks: a kill switch, quick acknowledgements, a memory of how the server
//! began, an end to what it may send.
//!
//! russh runs a connection in a task of its own. When we stop waiting for it, the task and the socket would stay until
//! the other side moves; and any traffic resets its inactivity timer. The switch ends both at once.

use super::allowance::Allowance;
use super::wire::Wire;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How much of a server's first bytes is remembered.
const REMEMBERED: usize = 255;

/// A connection that can be killed from outside.
pub(crate) struct Link {
    wire: Wire,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    greeting: Greeting,
    heard: bool,
    allowance: Allowance,
}

/// What the server sent first. Tells a busy sshd from one that speaks something else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Greeting(Arc<Mutex<Vec<u8>>>);

impl Greeting {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Link {
    pub(crate) fn new(wire: Wire, kill: CancellationToken) -> io::Result<Self> {
        if let Wire::Tcp(tcp) = &wire {
            tcp.set_nodelay(true)?;
        }
        Ok(Self {
            wire,
            killed: Box::pin(kill.cancelled_owned()),
            greeting: Greeting::default(),
            heard: false,
            allowance: Allowance::default(),
        })
    }

    pub(crate) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    pub(crate) fn greeting(&self) -> Greeting {
        self.greeting.clone()
    }

    /// Ready with an error once the switch was thrown.
    fn poll_killed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.killed.as_mut().poll(cx).map(|()| io::Error::new(io::ErrorKind::ConnectionAborted, "given up"))
    }

    fn remember(&mut self, bytes: &[u8]) {
        if self.heard {
            return;
        }
        let mut greeting = self.greeting.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = REMEMBERED.saturating_sub(greeting.len());
        greeting.extend(bytes.iter().take(room));
        self.heard = greeting.len() >= REMEMBERED || greeting.contains(&b'\n');
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_killed(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.wire).poll_read(cx, buf);
        if polled.is_ready() {
            if !self.allowance.take(buf.filled().len() - before) {
                return Poll::Ready(Err(io::Error::other("the server sent more than it may")));
            }
            self.remember(buf.filled().get(before..).unwrap_or_default());
            self.wire.acknowledge_at_once();
        }
        polled
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(error) = self.poll_killed(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_killed(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn link(kill: CancellationToken) -> (Link, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Link::new(Wire::Tcp(ours.unwrap()), kill).unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn nothing_is_held_back_to_fill_a_packet() {
        let (link, _peer) = link(CancellationToken::new()).await;
        let Wire::Tcp(tcp) = &link.wire else { panic!("not TCP") };
        assert!(tcp.nodelay().unwrap());
    }

    #[tokio::test]
    async fn the_switch_ends_a_read_that_waits() {
        let kill = CancellationToken::new();
        let (mut link, _peer) = link(kill.clone()).await;
        let reading = tokio::spawn(async move { link.read_u8().await });
        tokio::task::yield_now().await;
        kill.cancel();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.unwrap();
        assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn the_first_line_is_remembered_and_no_more_than_is_worth_it() {
        let (mut link, mut peer) = link(CancellationToken::new()).await;
        let greeting = link.greeting();
        peer.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        link.read_exact(&mut [0; 11]).await.unwrap();
        peer.write_all(&[b'x'; 1000]).await.unwrap();
        link.read_exact(&mut [0; 1000]).await.unwrap();
        assert_eq!(greeting.bytes(), b"SSH-2.0-x\r\n");
    }
}

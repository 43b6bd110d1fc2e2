//! What carries a connection's bytes: TCP, a channel of a jump host's connection, or a command's input and output.

use super::bastion::Lease;
use russh::ChannelStream;
use russh::client::Msg;
use rustix::process::{Pid, Signal, kill_process_group};
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Whatever carries the bytes.
pub(crate) enum Wire {
    Tcp(TcpStream),
    /// The lease keeps the jump host's connection open as long as this is.
    Channel(Box<ChannelStream<Msg>>, Lease),
    Command(Box<Piped>),
}

/// A command and everything that it starts; ends with this.
pub(crate) struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
}

impl Piped {
    /// Starts a `ProxyCommand` as OpenSSH does, in a group of its own.
    pub(crate) fn start(command: &str) -> io::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("exec {command}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it says there would end up between the lines of the progress.
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("the command has no pipes");
        let stdin = Some(child.stdin.take().ok_or_else(missing)?);
        let stdout = child.stdout.take().ok_or_else(missing)?;
        Ok(Self { child, stdin, stdout })
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = id {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::TERM);
        }
    }
}

impl Wire {
    /// Linux falls back to delayed acknowledgements by itself, so it is asked each time. Without this the server waits up to
    /// 40 ms where a reply of ours is not due. Failing costs only that time.
    pub(crate) fn acknowledge_at_once(&self) {
        if let Self::Tcp(tcp) = self {
            let _ = SockRef::from(tcp).set_tcp_quickack(true);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Channel(channel, _) => Pin::new(channel).poll_read(cx, buf),
            Self::Command(piped) => Pin::new(&mut piped.stdout).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Channel(channel, _) => Pin::new(channel).poll_write(cx, buf),
            Self::Command(piped) => match &mut piped.stdin {
                Some(stdin) => Pin::new(stdin).poll_write(cx, buf),
                None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Channel(channel, _) => Pin::new(channel).poll_flush(cx),
            Self::Command(piped) => match &mut piped.stdin {
                Some(stdin) => Pin::new(stdin).poll_flush(cx),
                None => Poll::Ready(Ok(())),
            },
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Channel(channel, _) => Pin::new(channel).poll_shutdown(cx),
            Self::Command(piped) => {
                piped.stdin = None;
                Poll::Ready(Ok(()))
            }
        }
    }
}

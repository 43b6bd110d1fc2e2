//! What a conversation goes over: a channel of an SSH connection, or the pipes of a script on this machine.

use crate::ssh::{Connection, Failure};
use bytes::{Bytes, BytesMut};
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

/// Bytes that are read from a pipe at a time.
const READ: usize = 64 << 10;

/// Bytes of output that are read in one go.
const AT_ONCE: usize = 512 << 10;

/// What is heard from the other side.
pub(super) enum Heard {
    Stdout(Bytes),
    Stderr(Bytes),
    Exit(u32),
    /// The server runs no commands.
    Refused,
    Closed,
    Lost,
}

/// The side that we listen to.
pub(super) enum Channel {
    Ssh(ChannelReadHalf, Box<Connection>),
    Local(Box<Local>),
}

/// The side that we speak into.
pub(super) enum Writer {
    Ssh(ChannelWriteHalf<Msg>),
    Local(ChildStdin),
}

/// A script on this machine. When this goes its pipes do, and the script ends all that it started, as on any host.
pub(super) struct Local {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    exited: bool,
}

impl Channel {
    /// Opens a channel of a connection that is logged in, and runs a command there.
    pub(super) async fn ssh(
        connection: Connection,
        command: String,
        (start, deadline): (Duration, Instant),
    ) -> Result<(Self, Writer), Failure> {
        let opened = timeout_at(deadline, connection.handle.channel_open_session()).await;
        let channel = match opened {
            Err(_) => return Err(Failure::timeout(Phase::Session, start)),
            Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
                let why = format!("the server opens no session: {why:?}");
                return Err(Failure::new(HostOutcomeKind::Protocol, Phase::Session, why));
            }
            Ok(Err(error)) => return Err(lost(&connection, Phase::Session, &error.to_string())),
            Ok(Ok(channel)) => channel,
        };
        let (reader, writer) = channel.split();
        let executed = writer.exec(true, command).await;
        executed.map_err(|error| lost(&connection, Phase::Session, &error.to_string()))?;
        Ok((Self::Ssh(reader, Box::new(connection)), Writer::Ssh(writer)))
    }

    /// Runs a command on this machine.
    pub(super) fn local(command: &str) -> Result<(Self, Writer), Failure> {
        let fail = |error: io::Error| {
            Failure::new(HostOutcomeKind::EngineFailed, Phase::Session, format!("/bin/sh: {error}"))
        };
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interrupt at the terminal is for us; the script hears of it from us.
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let stdin = child.stdin.take().ok_or_else(|| fail(io::ErrorKind::BrokenPipe.into()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok((Self::Local(Box::new(Local { child, stdout, stderr, exited: false })), Writer::Local(stdin)))
    }

    /// What comes next. May be dropped before it has come without losing anything.
    pub(super) async fn heard(&mut self) -> Heard {
        match self {
            Self::Ssh(reader, _) => loop {
                return match reader.wait().await {
                    None => Heard::Lost,
                    Some(ChannelMsg::Data { data }) => Heard::Stdout(data),
                    Some(ChannelMsg::ExtendedData { data, .. }) => Heard::Stderr(data),
                    Some(ChannelMsg::ExitStatus { exit_status }) => Heard::Exit(exit_status),
                    Some(ChannelMsg::Failure) => Heard::Refused,
                    Some(ChannelMsg::Close) => Heard::Closed,
                    Some(_) => continue,
                };
            },
            Self::Local(local) => local.heard().await,
        }
    }

    /// Standard output with all of it that has come already, to be read in one go. `next` is what came after it.
    pub(super) async fn at_hand(&mut self, first: Bytes, next: &mut Option<Heard>) -> Vec<Bytes> {
        let (mut length, mut output) = (first.len(), vec![first]);
        while length < AT_ONCE {
            let heard = tokio::select! {
                biased;
                heard = self.heard() => heard,
                () = std::future::ready(()) => break,
            };
            match heard {
                Heard::Stdout(bytes) => {
                    length += bytes.len();
                    output.push(bytes);
                }
                other => {
                    *next = Some(other);
                    break;
                }
            }
        }
        output
    }

    /// Why nothing more comes.
    pub(super) fn lost(&self, phase: Phase) -> Failure {
        match self {
            Self::Ssh(_, connection) => lost(connection, phase, "no reason given"),
            Self::Local(_) => Failure::lost(phase, "the script is gone"),
        }
    }

    /// Says goodbye where that is usual.
    pub(super) async fn close(self) {
        if let Self::Ssh(_, connection) = self {
            connection.close().await;
        }
    }
}

impl Local {
    async fn heard(&mut self) -> Heard {
        loop {
            let ended = self.stdout.is_none() && self.stderr.is_none();
            tokio::select! {
                bytes = read(&mut self.stdout), if self.stdout.is_some() => match bytes {
                    Some(bytes) => return Heard::Stdout(bytes),
                    None => self.stdout = None,
                },
                bytes = read(&mut self.stderr), if self.stderr.is_some() => match bytes {
                    Some(bytes) => return Heard::Stderr(bytes),
                    None => self.stderr = None,
                },
                status = self.child.wait(), if ended && !self.exited => {
                    self.exited = true;
                    let Ok(status) = status else { return Heard::Lost };
                    let code = status.code().or(status.signal().map(|signal| 128 + signal));
                    return Heard::Exit(code.and_then(|code| u32::try_from(code).ok()).unwrap_or(255));
                }
                () = std::future::ready(()), if self.exited => return Heard::Closed,
            }
        }
    }
}

/// The next bytes of a pipe; `None` at its end.
async fn read(pipe: &mut Option<impl AsyncRead + Unpin>) -> Option<Bytes> {
    let mut bytes = BytesMut::with_capacity(READ);
    pipe.as_mut()?.read_buf(&mut bytes).await.ok().filter(|&got| got > 0)?;
    Some(bytes.freeze())
}

impl Writer {
    /// Sends bytes; false where nobody takes them any more.
    pub(super) async fn data(&mut self, bytes: Bytes) -> bool {
        match self {
            Self::Ssh(writer) => writer.data_bytes(bytes).await.is_ok(),
            Self::Local(stdin) => stdin.write_all(&bytes).await.is_ok(),
        }
    }

    /// Says that no more comes.
    pub(super) async fn end(self) {
        match self {
            Self::Ssh(writer) => {
                let _ = writer.eof().await;
            }
            Self::Local(stdin) => drop(stdin),
        }
    }
}

fn lost(connection: &Connection, phase: Phase, otherwise: &str) -> Failure {
    if let Some(overdrawn) = connection.allowance.failure(phase) {
        return overdrawn;
    }
    let ended = connection.shared.lock().ended.clone();
    Failure::lost(phase, ended.as_deref().unwrap_or(otherwise))
}

//! Runs one command for a client: a process group of its own, its three streams over the channel, its end.
//!
//! The streams are pumped side by side, and every wait for the client ends when the channel does: a writer that waits
//! for a window that never opens again would otherwise wait for ever.

use super::HostSpec;
use super::group::Group;
use crate::fault::Fault;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use std::ffi::OsStr;
use std::net::{Shutdown, TcpStream as Line};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Bytes that may wait for the command to read them. The library opens the client's window by itself, so this is what
/// bounds memory; it is far above every answer that could be waiting for its own input to be read.
const INPUT_BYTES: usize = 64 << 20;
/// As much as fits into one packet.
const CHUNK: usize = 32 << 10;
/// After so many bytes of the answer the faults begin that break it.
const GOOD_BYTES: usize = 20_000;
/// What a command gets in its environment besides the place of its host.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("USER", "root"),
    ("LOGNAME", "root"),
    ("SHELL", "/bin/sh"),
];

/// A client that has asked for a command.
pub(super) struct Conversation {
    pub(super) channel: Channel<Msg>,
    pub(super) handle: Handle,
    pub(super) spec: Arc<HostSpec>,
    pub(super) line: Arc<Line>,
    pub(super) stop: CancellationToken,
}

/// Standard output or standard error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

/// Runs a command from its start until nothing of it is left.
pub(super) async fn run(conversation: Conversation, command: Vec<u8>) {
    let Conversation { channel, handle, spec, line, stop } = conversation;
    let id = channel.id();
    let (reader, writer) = channel.split();
    let gone = stop.child_token();
    match spec.fault {
        Some(Fault::Hang) => {
            tokio::spawn(take_input(reader, None, gone.clone()));
            gone.cancelled().await;
        }
        Some(Fault::Garbage) => {
            tokio::spawn(take_input(reader, None, gone.clone()));
            tokio::select! {
                () = gone.cancelled() => {}
                _ = writer.data_bytes(garbage()) => {}
            }
            finish(&writer, &handle, Some(ExitStatus::from_raw(0))).await;
        }
        _ => match spawn(&spec.root, &command) {
            Ok(mut group) => {
                let status = converse(&mut group, reader, &writer, spec.fault, &line, gone.clone()).await;
                finish(&writer, &handle, status).await;
                // The pipes are closed by now: a script that cleans up after itself gets the time to do it.
                group.end().await;
            }
            Err(error) => {
                let _ = writer.extended_data_bytes(1, format!("cannot start /bin/sh: {error}\n")).await;
                let _ = writer.exit_status(127).await;
                let _ = handle.close(id).await;
            }
        },
    }
}

fn spawn(root: &Path, command: &[u8]) -> std::io::Result<Group> {
    let home = root.join("root");
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(OsStr::from_bytes(command)).env_clear().envs(ENVIRONMENT.iter().copied());
    shell.env("HOME", &home).env("HERDIFF_PROBE_ROOT", root);
    shell.current_dir(if home.is_dir() { home.as_path() } else { Path::new("/") });
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Group::spawn(shell)
}

/// Pumps all streams until the command has ended or the client has gone; closes the pipes.
async fn converse(
    group: &mut Group,
    reader: ChannelReadHalf,
    writer: &ChannelWriteHalf<Msg>,
    fault: Option<Fault>,
    line: &Line,
    gone: CancellationToken,
) -> Option<ExitStatus> {
    let (input, output, error) = group.pipes();
    tokio::spawn(take_input(reader, input, gone.clone()));
    let work = async {
        let output = give(output, writer, Stream::Output, fault, line);
        let error = give(error, writer, Stream::Error, None, line);
        tokio::join!(output, error);
        group.wait().await
    };
    tokio::select! {
        () = gone.cancelled() => None,
        status = work => status,
    }
}

/// Takes what the client sends, and notices when it goes.
async fn take_input(mut reader: ChannelReadHalf, input: Option<ChildStdin>, gone: CancellationToken) {
    // Both ends are drained independently of the command, else a command that answers while it is being fed could
    // block the connection that its answer has to go through.
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(INPUT_BYTES));
    let mut sender = input.is_some().then_some(sender);
    if let Some(input) = input {
        tokio::spawn(feed(input, receiver, gone.clone()));
    }
    loop {
        let message = tokio::select! {
            () = gone.cancelled() => return,
            message = reader.wait() => message,
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                let Some(sender) = &sender else { continue };
                let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let permit = tokio::select! {
                    () = gone.cancelled() => return,
                    permit = room.clone().acquire_many_owned(bytes) => permit,
                };
                // Where the command has stopped reading, what comes is dropped, as a closed pipe does.
                let _ = permit.map(|permit| sender.send((data, permit)));
            }
            Some(ChannelMsg::Eof) => sender = None,
            Some(ChannelMsg::Close) | None => break,
            Some(_) => {}
        }
    }
    gone.cancel();
}

/// Feeds the command what has come.
async fn feed<B: AsRef<[u8]>, P>(
    mut input: ChildStdin,
    mut data: mpsc::UnboundedReceiver<(B, P)>,
    gone: CancellationToken,
) {
    let work = async {
        while let Some((bytes, permit)) = data.recv().await {
            if input.write_all(bytes.as_ref()).await.is_err() {
                return;
            }
            drop(permit);
        }
    };
    tokio::select! {
        () = gone.cancelled() => {}
        () = work => {}
    }
}

/// Gives the client what the command says, and breaks it where the host is to do that.
async fn give(
    source: Option<impl AsyncRead + Unpin>,
    writer: &ChannelWriteHalf<Msg>,
    stream: Stream,
    fault: Option<Fault>,
    line: &Line,
) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; CHUNK];
    let mut given = 0;
    loop {
        let Ok(got) = source.read(&mut buffer).await else { return };
        let Some(bytes) = buffer.get(..got).filter(|bytes| !bytes.is_empty()) else { break };
        let left = GOOD_BYTES.saturating_sub(given);
        let cut = match fault {
            Some(Fault::HalfAnswer | Fault::Endless) if got > left => bytes.get(..left).unwrap_or(bytes),
            _ => bytes,
        };
        let bytes = cut.to_vec();
        let sent = match stream {
            Stream::Output => writer.data_bytes(bytes).await,
            Stream::Error => writer.extended_data_bytes(1, bytes).await,
        };
        if sent.is_err() {
            return;
        }
        given += cut.len();
        if cut.len() < got {
            break;
        }
    }
    match fault {
        Some(Fault::HalfAnswer) => {
            // What was said has to be on its way before the line is cut.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = line.shutdown(Shutdown::Both);
        }
        Some(Fault::Endless) => while writer.data_bytes(vec![b'A'; CHUNK]).await.is_ok() {},
        _ => {}
    }
}

/// Says how the command ended, as sshd does: status, end of file, close.
async fn finish(writer: &ChannelWriteHalf<Msg>, handle: &Handle, status: Option<ExitStatus>) {
    let Some(status) = status else { return };
    match status.signal() {
        Some(number) => {
            let _ = handle
                .exit_signal_request(writer.id(), signal(number), false, String::new(), String::new())
                .await;
        }
        None => {
            let _ = writer.exit_status(u32::try_from(status.code().unwrap_or(255)).unwrap_or(255)).await;
        }
    }
    let _ = writer.eof().await;
    let _ = writer.close().await;
}

fn signal(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        6 => Sig::ABRT,
        9 => Sig::KILL,
        11 => Sig::SEGV,
        13 => Sig::PIPE,
        15 => Sig::TERM,
        other => Sig::Custom(other.to_string()),
    }
}

/// Bytes that are no answer to anything. Always the same, and without any structure.
fn garbage() -> Vec<u8> {
    let mut bytes = vec![0; 64 << 10];
    blake3::Hasher::new().update(b"garbage").finalize_xof().fill(&mut bytes);
    bytes
}

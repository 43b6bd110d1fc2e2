//! Runs one command for a client: a process group of its own, its three streams over the channel, its end.
//!
//! The streams are pumped side by side, and every wait for the client ends when the channel does: a writer that waits
//! for a window that never opens again would otherwise wait for ever.

use super::HostSpec;
use super::group::Group;
use super::programs::Programs;
use crate::fault::Fault;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use std::ffi::OsStr;
use std::net::{Shutdown, TcpStream as Line};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
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
/// Not more of the answer than this gets through where it is to be broken.
const GOOD_BYTES: usize = 20_000;
/// Nor do its last bytes, however short it is: the script's last word is among them.
const LAST_BYTES: usize = 300;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a command gets in its environment besides the place of its host.
const ENVIRONMENT: &[(&str, &str)] =
    &[("PATH", PATH), ("USER", "root"), ("LOGNAME", "root"), ("SHELL", "/bin/sh")];

/// A client that has asked for a command.
pub(super) struct Conversation {
    pub(super) channel: Channel<Msg>,
    pub(super) handle: Handle,
    pub(super) spec: Arc<HostSpec>,
    pub(super) programs: Arc<Programs>,
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
    let Conversation { channel, handle, spec, programs, line, stop } = conversation;
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
        _ => match programs.of(spec.fault).and_then(|before| spawn(&spec.root, before, &command)) {
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

fn spawn(root: &Path, before: Option<PathBuf>, command: &[u8]) -> std::io::Result<Group> {
    let home = root.join("root");
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(OsStr::from_bytes(command)).env_clear().envs(ENVIRONMENT.iter().copied());
    shell.env("HOME", &home).env("HERDIFF_PROBE_ROOT", root);
    if let Some(before) = before {
        shell.env("PATH", format!("{}:{PATH}", before.display()));
    }
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
    let mut part = Part::of(fault);
    let mut buffer = vec![0; CHUNK];
    while let Ok(got) = source.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..got).filter(|bytes| !bytes.is_empty()) else { break };
        let (bytes, goes_on) = part.next(bytes);
        let sent = match stream {
            _ if bytes.is_empty() => Ok(()),
            Stream::Output => writer.data_bytes(bytes).await,
            Stream::Error => writer.extended_data_bytes(1, bytes).await,
        };
        if sent.is_err() {
            return;
        }
        if !goes_on {
            break;
        }
    }
    match fault {
        Some(Fault::HalfAnswer) => {
            // What was said is given a moment to get on its way before the line is cut.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = line.shutdown(Shutdown::Both);
        }
        Some(Fault::Endless) => while writer.data_bytes(vec![b'A'; CHUNK]).await.is_ok() {},
        _ => {}
    }
}

/// The part of an answer that gets through.
enum Part {
    Whole,
    /// So much is through; these wait until others come after them.
    Broken(usize, Vec<u8>),
}

impl Part {
    fn of(fault: Option<Fault>) -> Self {
        match fault {
            Some(Fault::HalfAnswer | Fault::Endless) => Self::Broken(0, Vec::new()),
            _ => Self::Whole,
        }
    }

    /// What gets through now that these bytes came, and whether more will.
    fn next(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let Self::Broken(through, held) = self else { return (bytes.to_vec(), true) };
        held.extend_from_slice(bytes);
        // The first bytes are a question, and nothing more comes until it is answered.
        let kept = if *through == 0 && held.len() <= LAST_BYTES { 0 } else { LAST_BYTES };
        let most = GOOD_BYTES.saturating_sub(*through);
        let now = held.len().saturating_sub(kept).min(most);
        let rest = held.split_off(now);
        *through += now;
        (std::mem::replace(held, rest), *through < GOOD_BYTES)
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
    let mut bytes = vec![0; 128 << 10];
    blake3::Hasher::new().update(b"garbage").finalize_xof().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What gets through of an answer that comes in these parts.
    fn through(fault: Fault, parts: &[usize]) -> Vec<usize> {
        let mut part = Part::of(Some(fault));
        parts.iter().map(|&bytes| part.next(&vec![0; bytes]).0.len()).collect()
    }

    #[test]
    fn a_broken_answer_lacks_its_end_however_short_it_is() {
        assert_eq!(through(Fault::Garbage, &[100, 40_000]), [100, 40_000]);
        // The hello of the script; then a short answer, all but its end.
        assert_eq!(through(Fault::HalfAnswer, &[100, 200, 250, 75]), [100, 0, 150, 75]);
        assert_eq!(through(Fault::Endless, &[100, 15_000, 15_000]), [100, 14_700, 5_200]);
        assert_eq!(through(Fault::HalfAnswer, &[30_000]), [20_000]);
    }
}

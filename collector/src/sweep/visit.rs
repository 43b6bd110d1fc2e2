//! The visit to one host, from its name to its receipt. Whatever happens, it ends in one visit within its time.

use super::backoff::Backoff;
use super::{Event, TargetId};
use crate::delivery::{Dialogue, End, Orders, command};
use crate::inventory::Target;
use crate::ssh::{Connection, Destination, Failure, Reach};
use bytes::Bytes;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase};
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::UnixMillis;
use herdiff_model::visit::Visit;
use russh::ChannelMsg;
use russh::client::Msg;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Bytes that are given to the connection at a time; what was sent is counted by these.
const PIECE: usize = 128 << 10;

/// What is the same for all visits of a sweep.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) reach: Reach,
    pub(super) orders: Arc<Orders>,
    pub(super) user: String,
    pub(super) port: u16,
    pub(super) queries: usize,
    pub(super) stop: CancellationToken,
}

/// What is known of a visit when it is broken off at any moment.
struct Progress {
    clock: Instant,
    id: TargetId,
    events: mpsc::Sender<Event>,
    phase: Phase,
    receipt: Receipt,
    dialogue: Option<Dialogue>,
    sent: Arc<AtomicU64>,
}

impl Progress {
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            // For progress only: a reader that is slow misses it, the visit does not wait.
            let _ = self.events.try_send(Event::Phase(self.id, phase));
        }
    }
}

/// Visits a host.
pub(super) async fn visit(
    context: &Context,
    id: TargetId,
    target: Target,
    events: mpsc::Sender<Event>,
) -> Visit {
    let clock = Instant::now();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let started = UnixMillis(u64::try_from(started).unwrap_or_default());
    let mut progress = Progress {
        clock,
        id,
        events,
        phase: Phase::Resolve,
        receipt: Receipt { started, ..Receipt::default() },
        dialogue: None,
        sent: Arc::default(),
    };
    let whole = context.reach.deadlines.host;
    // Dropping the future drops the connection, which closes its socket.
    let ended = tokio::select! {
        ended = timeout(whole, run(context, &target, &mut progress)) => ended.ok(),
        () = context.stop.cancelled() => Some(Err(interrupted(None))),
    };
    let end = match ended {
        Some(Ok(())) => End::Closed,
        Some(Err(failure)) if failure.kind == HostOutcomeKind::Interrupted => {
            End::Broken(interrupted(Some(progress.phase)).outcome())
        }
        Some(Err(failure)) => End::Broken(failure.outcome()),
        None => End::Broken(Failure::timeout(progress.phase, whole).outcome()),
    };
    let Progress { mut receipt, dialogue, sent, .. } = progress;
    receipt.bytes_sent = sent.load(Ordering::Relaxed);
    receipt.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (outcome, answers) = match (dialogue, end) {
        (Some(dialogue), end) => dialogue.finish(end, &mut receipt),
        (None, End::Broken(outcome)) => return without_rows(target, outcome, receipt, context.queries),
        (None, End::Closed) => {
            let outcome = HostOutcome::failed(HostOutcomeKind::Protocol, Phase::Session, "nothing was said");
            return without_rows(target, outcome, receipt, context.queries);
        }
    };
    Visit { host: target.host, herd: target.herd, outcome, receipt, answers }.settle()
}

/// A visit that brought nothing.
pub(super) fn without_rows(target: Target, outcome: HostOutcome, receipt: Receipt, queries: usize) -> Visit {
    Visit::without_rows(target.host, target.herd, outcome, receipt, queries)
}

/// The operator stopped the sweep.
pub(super) fn interrupted(phase: Option<Phase>) -> Failure {
    let why = if phase.is_some() { "the sweep was stopped" } else { "the sweep was stopped before" };
    Failure::new(HostOutcomeKind::Interrupted, phase.unwrap_or(Phase::Resolve), why)
}

async fn run(context: &Context, target: &Target, progress: &mut Progress) -> Result<(), Failure> {
    let port = target.port.unwrap_or(context.port);
    let to = Destination { host: target.address.clone(), port };
    progress.receipt.address = format!("{}:{port}", to.host);
    let mut connection = reach(context, &to, progress).await?;
    progress.receipt.address = connection.address.to_string();
    progress.receipt.host_key = connection.shared.lock().fingerprint.clone();
    progress.enter(Phase::Authenticate);
    let user = target.user.as_deref().unwrap_or(&context.user);
    context.reach.login(&mut connection, user, target.identity.as_deref()).await?;
    progress.enter(Phase::Session);
    converse(context, &mut connection, progress).await?;
    connection.close().await;
    Ok(())
}

/// A connection with a server that we believe. Where the server is only busy it is tried again, as long as the host has
/// time left; nothing was authenticated by then, so trying again locks nobody out.
async fn reach(context: &Context, to: &Destination, progress: &mut Progress) -> Result<Connection, Failure> {
    let mut backoff = Backoff::default();
    loop {
        progress.enter(Phase::Resolve);
        let addresses = context.reach.resolve(to).await?;
        progress.enter(Phase::Connect);
        let (tcp, address) = context.reach.connect(&addresses).await?;
        progress.receipt.address = address.to_string();
        progress.enter(Phase::Handshake);
        match context.reach.handshake(tcp, address, to).await {
            Err(failure) if failure.busy => match backoff.next() {
                Some(wait) => sleep(wait).await,
                None => return Err(failure),
            },
            result => return result,
        }
    }
}

/// How long the engine may run there: a little less than the host has left, so that its script, and not our giving up, ends
/// an engine that goes on. Then there is a receipt.
fn time_on_host(whole: Duration, gone: Duration) -> Duration {
    let left = whole.saturating_sub(gone);
    left.saturating_sub((left / 4).min(Duration::from_secs(5)))
}

type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the script and talks with it. Writing and reading go on at the same time: with a full window the host reads nothing
/// until it is read from, and a writer that waits for a window hears nothing of a connection that is gone.
async fn converse(
    context: &Context,
    connection: &mut Connection,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let start = context.reach.deadlines.start;
    let deadline = tokio::time::Instant::now() + start;
    let opened = timeout_at(deadline, connection.handle.channel_open_session()).await;
    let channel = match opened {
        Err(_) => return Err(Failure::timeout(Phase::Session, start)),
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
            let why = format!("the server opens no session: {why:?}");
            return Err(Failure::new(HostOutcomeKind::Protocol, Phase::Session, why));
        }
        Ok(Err(error)) => return Err(lost(connection, Phase::Session, &error.to_string())),
        Ok(Ok(channel)) => channel,
    };
    let (mut reader, writer) = channel.split();
    let command = command(time_on_host(context.reach.deadlines.host, progress.clock.elapsed()));
    writer.exec(true, command).await.map_err(|error| lost(connection, Phase::Session, &error.to_string()))?;
    let mut writer = Some(writer);
    let mut sending: Option<Sending> = None;
    let dialogue = progress.dialogue.insert(Dialogue::new(Arc::clone(&context.orders)));
    loop {
        let patience = async {
            if !dialogue.greeted() {
                tokio::time::sleep_until(deadline).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let message = tokio::select! {
            biased;
            message = reader.wait() => message,
            () = drive(&mut sending) => {
                sending = None;
                continue;
            }
            () = patience => return Err(Failure::timeout(Phase::Session, start)),
        };
        match message {
            None if dialogue.phase() == Phase::Session && connection.handle.is_closed() => {
                return Err(lost(connection, Phase::Session, "no reason given"));
            }
            None => return Err(lost(connection, dialogue.phase(), "no reason given")),
            Some(ChannelMsg::Data { data }) => {
                if let Some(answer) = dialogue.stdout(&data).map_err(refused)?
                    && let Some(writer) = writer.take()
                {
                    sending = Some(Box::pin(send(writer, answer, Arc::clone(&progress.sent))));
                }
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => dialogue.stderr(&data).map_err(refused)?,
            Some(ChannelMsg::ExitStatus { exit_status }) => dialogue.exited(exit_status),
            Some(ChannelMsg::Failure) => {
                let why = "the server runs no commands for this user";
                return Err(Failure::new(HostOutcomeKind::Protocol, Phase::Session, why));
            }
            Some(ChannelMsg::Close) => return Ok(()),
            Some(_) => {}
        }
        let phase = dialogue.phase();
        if progress.phase != phase {
            progress.phase = phase;
            let _ = progress.events.try_send(Event::Phase(progress.id, phase));
        }
    }
}

/// Waits for the writer, where there is one.
async fn drive(sending: &mut Option<Sending>) {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Sends everything, and the end. That the other side no longer wants it is heard by the reader.
async fn send(writer: russh::ChannelWriteHalf<Msg>, parts: Vec<Bytes>, sent: Arc<AtomicU64>) {
    for mut part in parts {
        while !part.is_empty() {
            let piece = part.split_to(part.len().min(PIECE));
            let length = piece.len() as u64;
            if writer.data_bytes(piece).await.is_err() {
                return;
            }
            sent.fetch_add(length, Ordering::Relaxed);
        }
    }
    let _ = writer.eof().await;
}

fn lost(connection: &Connection, phase: Phase, otherwise: &str) -> Failure {
    let ended = connection.shared.lock().ended.clone();
    Failure::lost(phase, ended.as_deref().unwrap_or(otherwise))
}

fn refused(outcome: HostOutcome) -> Failure {
    Failure::new(outcome.kind, outcome.phase.unwrap_or(Phase::Run), outcome.detail)
}

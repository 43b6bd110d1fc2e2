//! The visit to one host, from its name to its receipt. Whatever happens, it ends in one visit within its time.

use super::backoff::Backoff;
use super::channel::{Channel, Heard, Writer};
use super::desk::{Desk, Talk};
use super::{Event, Sent, TargetId};
use crate::delivery::{Account, Dialogue, End, Orders, Privilege, Reply, Share, command};
use crate::inventory::Target;
use crate::ssh::{Connection, Deadlines, Failure, OTHERS_WAIT, Password, Reach, Settings, Turn};
use bytes::Bytes;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase};
use herdiff_model::snapshot::Receipt;
use herdiff_model::sweep::UnixMillis;
use herdiff_model::visit::{Answer, Visit};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Bytes that are given to the connection at a time; what was sent is counted by these.
const PIECE: usize = 128 << 10;

/// osqueryi starts, and reads what it is sent, before its first query runs.
const GRACE: Duration = Duration::from_secs(2);

/// How often osqueryi is started anew on one host, after queries that did not end.
const MOST_RESTARTS: usize = 3;

/// What is the same for all visits of a sweep.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) way: Way,
    /// Reads what hosts send.
    pub(super) desk: Desk,
    pub(super) deadlines: Deadlines,
    pub(super) orders: Arc<Orders>,
    pub(super) queries: usize,
    /// Of hosts of which the inventory says nothing else.
    pub(super) privilege: Privilege,
    pub(super) become_user: Option<Account>,
    pub(super) become_password: Option<Password>,
    pub(super) stop: CancellationToken,
}

/// How hosts are reached.
#[derive(Debug)]
pub(super) enum Way {
    Ssh {
        reach: Box<Reach>,
        /// How each target is reached, in their order.
        routes: Vec<Arc<Settings>>,
    },
    /// There is one host, which is this machine.
    Local,
}

/// What is known of a visit when it is broken off at any moment.
struct Progress {
    clock: Instant,
    id: TargetId,
    events: mpsc::Sender<Sent>,
    phase: Phase,
    receipt: Receipt,
    talk: Talk,
    /// Answers of an osqueryi that was given up, which count for the statements before this one.
    earlier: Vec<(usize, Vec<Answer>, Share)>,
    sent: Arc<AtomicU64>,
}

impl Progress {
    /// Keeps what the dialogue brought until now.
    async fn set_aside(&mut self, before: usize) {
        if let Some(dialogue) = std::mem::take(&mut self.talk).end().await {
            let why = "osqueryi did not end the query in its time";
            let outcome = HostOutcome::failed(HostOutcomeKind::Timeout, Phase::Run, why);
            let (_, answers, share) = dialogue.finish(End::Broken(outcome), &mut self.receipt);
            self.earlier.push((before, answers, share));
        }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            // For progress only: a reader that is slow misses it, the visit does not wait.
            let _ = self.events.try_send(Event::Phase(self.id, phase).into());
        }
    }
}

/// Visits a host.
pub(super) async fn visit(
    context: &Context,
    id: TargetId,
    target: Target,
    events: mpsc::Sender<Sent>,
) -> (Visit, Option<Share>) {
    let clock = Instant::now();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let started = UnixMillis(u64::try_from(started).unwrap_or_default());
    let mut progress = Progress {
        clock,
        id,
        events,
        phase: Phase::Resolve,
        receipt: Receipt { started, ..Receipt::default() },
        talk: Talk::default(),
        earlier: Vec::new(),
        sent: Arc::default(),
    };
    let whole = context.deadlines.host;
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
    let Progress { mut receipt, talk, earlier, sent, .. } = progress;
    let talked = !matches!(talk, Talk::None);
    let dialogue = talk.end().await;
    let notes = dialogue.as_ref().map(Dialogue::notes).unwrap_or_default();
    for note in notes {
        let _ = progress.events.try_send(Event::Note(id, note).into());
    }
    receipt.bytes_sent = sent.load(Ordering::Relaxed);
    receipt.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let queries = context.queries;
    let (mut visit, share) = match (dialogue, end) {
        (Some(dialogue), end) => {
            let (outcome, answers, share) = dialogue.finish(end, &mut receipt);
            (Visit { host: target.host, herd: target.herd, outcome, receipt, answers }, Some(share))
        }
        (None, End::Broken(mut outcome)) => {
            if talked {
                outcome.detail += "; what it had sent could not be read in time";
            }
            (without_rows(target, outcome, receipt, queries), None)
        }
        (None, End::Closed) => {
            let outcome = HostOutcome::failed(HostOutcomeKind::Protocol, Phase::Session, "nothing was said");
            (without_rows(target, outcome, receipt, queries), None)
        }
    };
    for (before, earlier, _share) in earlier.into_iter().rev() {
        context.orders.plan.restore(&mut visit.answers, earlier, before);
    }
    (visit.settle(), share)
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
    let privilege = target.privilege.unwrap_or(context.privilege);
    let account = target.become_user.as_ref().or(context.become_user.as_ref());
    let mut from = 0;
    loop {
        let (mut channel, writer) = open(context, (privilege, account), progress).await?;
        match converse(context, (&mut channel, writer), progress, privilege, from).await {
            Ok(()) => {
                channel.close().await;
                return Ok(());
            }
            // A query of osqueryi cannot be ended but with it. Its script does that once the connection is gone; the
            // queries after it are asked over a new one.
            Err(Failure { stuck: Some(statement), .. })
                if progress.earlier.len() < MOST_RESTARTS
                    && context.orders.plan.statements() > statement + 1 =>
            {
                from = statement + 1;
                progress.set_aside(from).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Reaches the host and starts the script there.
async fn open(
    context: &Context,
    (privilege, account): (Privilege, Option<&Account>),
    progress: &mut Progress,
) -> Result<(Channel, Writer), Failure> {
    let prompt = context.become_password.as_ref().map(|_| &context.orders.prompt);
    let command = |progress: &Progress| {
        let limit = time_on_host(context.deadlines.host, progress.clock.elapsed());
        command(limit, privilege, account, prompt)
    };
    let (reach, routes) = match &context.way {
        Way::Ssh { reach, routes } => (reach, routes),
        Way::Local => {
            progress.receipt.address = "local".to_owned();
            progress.enter(Phase::Session);
            return Channel::local(&command(progress));
        }
    };
    let lost = || Failure::new(HostOutcomeKind::Unreachable, Phase::Resolve, "no way was found for it");
    let to = routes.get(progress.id.0).ok_or_else(lost)?;
    progress.receipt.address = to.place();
    let mut connection = connect(reach, to, progress).await?;
    progress.receipt.address.clone_from(&connection.address);
    progress.receipt.host_key = connection.shared.lock().fingerprint.clone();
    progress.enter(Phase::Authenticate);
    reach.login(&mut connection, to, reach.password.as_ref()).await?;
    progress.enter(Phase::Session);
    connection.allowance.output(context.orders.limits.total_bytes);
    let start = context.deadlines.start;
    Channel::ssh(connection, command(progress), (start, tokio::time::Instant::now() + start)).await
}

/// A connection with a server that we believe. Where the server is only busy it is tried again, as long as the host has
/// time left; nothing was authenticated by then, so trying again locks nobody out.
async fn connect(reach: &Reach, to: &Settings, progress: &mut Progress) -> Result<Connection, Failure> {
    let mut backoff = Backoff::default();
    loop {
        match reach.reach(to, &mut |phase| progress.enter(phase)).await {
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

/// Gives the writer back where more may follow.
type Sending = Pin<Box<dyn Future<Output = Option<Writer>> + Send>>;

/// Runs the script and talks with it. Writing and reading go on at the same time: with a full window the host reads nothing
/// until it is read from, and a writer that waits for a window hears nothing of a connection that is gone.
async fn converse(
    context: &Context,
    (channel, writer): (&mut Channel, Writer),
    progress: &mut Progress,
    privilege: Privilege,
    from: usize,
) -> Result<(), Failure> {
    let start = context.deadlines.start;
    let mut deadline = tokio::time::Instant::now() + start;
    let mut writer = Some(writer);
    let mut sending: Option<Sending> = None;
    let mut statement: Option<usize> = None;
    let mut turn: Option<Turn<'_>> = None;
    let mut given = tokio::time::Instant::now();
    let mut next: Option<Heard> = None;
    progress.talk.begin(Dialogue::new(Arc::clone(&context.orders), privilege, from));
    loop {
        let dialogue = progress.talk.dialogue()?;
        let running = dialogue.unwatched();
        if running != statement {
            statement = running;
            deadline = tokio::time::Instant::now() + context.deadlines.query + GRACE;
        }
        let waits = !dialogue.greeted() || running.is_some();
        let patience = async move {
            if waits {
                tokio::time::sleep_until(deadline).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let others_wait = turn.as_ref().is_some_and(Turn::is_alone);
        let heard = match next.take() {
            Some(heard) => heard,
            None => tokio::select! {
                biased;
                heard = channel.heard() => heard,
                returned = drive(&mut sending) => {
                    sending = None;
                    writer = returned;
                    continue;
                }
                () = tokio::time::sleep_until(given + OTHERS_WAIT), if others_wait => {
                    turn.iter_mut().for_each(Turn::let_others_go_on);
                    continue;
                }
                () = patience => return Err(match statement {
                    None => Failure::timeout(Phase::Session, start),
                    Some(_) => {
                        let why = format!("osqueryi did not end the query within {} s", context.deadlines.query.as_secs_f32());
                        Failure { stuck: statement, ..Failure::new(HostOutcomeKind::Timeout, Phase::Run, why) }
                    }
                }),
            },
        };
        let reply = match heard {
            Heard::Lost => return Err(channel.lost(dialogue.phase())),
            Heard::Stdout(data) if dialogue.greeted() => {
                let data = channel.at_hand(data, &mut next).await;
                context.desk.read(&mut progress.talk, data).await?
            }
            Heard::Stdout(data) => {
                let reply = dialogue.stdout(&data)?;
                if dialogue.greeted()
                    && let Some(turn) = turn.take()
                {
                    turn.ended(true);
                }
                reply
            }
            Heard::Stderr(data) => dialogue.stderr(&data)?,
            Heard::Exit(status) => {
                dialogue.exited(status);
                None
            }
            Heard::Refused => {
                let why = "the server runs no commands for this user";
                return Err(Failure::new(HostOutcomeKind::Protocol, Phase::Session, why));
            }
            Heard::Closed => return Ok(()),
        };
        match (reply, &context.become_password) {
            (Some(Reply::All(parts)), _) => {
                if let Some(writer) = writer.take() {
                    sending = Some(Box::pin(send(writer, parts, Arc::clone(&progress.sent))));
                }
            }
            (Some(Reply::Password), Some(password)) => {
                if let Some(turn) = turn.take() {
                    // It asks again. Going on would only count as more wrong passwords.
                    turn.ended(false);
                    return Err(not_root("sudo refused the password"));
                }
                turn =
                    Some(password.turn().await.map_err(|why| not_root(&format!("the password was {why}")))?);
                given = tokio::time::Instant::now();
                deadline = given + start;
                if let Some(writer) = writer.take() {
                    sending = Some(Box::pin(send_secret(writer, password.secret())));
                }
            }
            (Some(Reply::Password), None) | (None, _) => {}
        }
        let phase = progress.talk.dialogue()?.phase();
        if progress.phase != phase {
            progress.phase = phase;
            let _ = progress.events.try_send(Event::Phase(progress.id, phase).into());
        }
    }
}

/// Waits for the writer, where there is one.
async fn drive(sending: &mut Option<Sending>) -> Option<Writer> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Sends everything, and the end. That the other side no longer wants it is heard by the reader.
async fn send(mut writer: Writer, parts: Vec<Bytes>, sent: Arc<AtomicU64>) -> Option<Writer> {
    for mut part in parts {
        while !part.is_empty() {
            let piece = part.split_to(part.len().min(PIECE));
            let length = piece.len() as u64;
            if !writer.data(piece).await {
                return None;
            }
            sent.fetch_add(length, Ordering::Relaxed);
        }
    }
    writer.end().await;
    None
}

/// Sends a line that nobody counts or keeps.
fn send_secret(mut writer: Writer, secret: &str) -> impl Future<Output = Option<Writer>> + Send + use<> {
    // Wiped when it was sent.
    let line = Bytes::from_owner(Zeroizing::new(format!("{secret}\n").into_bytes()));
    async move {
        let sent = writer.data(line).await;
        sent.then_some(writer)
    }
}

fn not_root(why: &str) -> Failure {
    Failure::new(HostOutcomeKind::BecomeFailed, Phase::Session, why)
}

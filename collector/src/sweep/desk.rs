//! Where what hosts send is read: on threads beside those that keep the time, as many at once as this machine has cores. A host
//! may send an answer that takes a second to read; no deadline, its own or another's, waits for that.

use crate::delivery::{Dialogue, Reply};
use crate::engine::Halt;
use crate::ssh::Failure;
use bytes::Bytes;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind, Phase};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// How long a reading may go on that was told to end. It looks before every row, so this is for a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who may read now.
#[derive(Debug)]
pub(super) struct Desk(Arc<Semaphore>);

/// The dialogue with a host, which may be at the desk.
#[derive(Debug, Default)]
pub(super) enum Talk {
    #[default]
    None,
    Here(Box<Dialogue>),
    Away {
        halt: Halt,
        reading: JoinHandle<Read>,
    },
}

/// What comes back from the desk.
type Read = (Box<Dialogue>, Result<Option<Reply>, HostOutcome>);

impl Default for Desk {
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, usize::from))
    }
}

impl Desk {
    pub(super) fn new(readers: usize) -> Self {
        Self(Arc::new(Semaphore::new(readers)))
    }

    /// Has standard output read, in its turn.
    pub(super) async fn read(&self, talk: &mut Talk, output: Vec<Bytes>) -> Result<Option<Reply>, Failure> {
        self.work(talk, move |dialogue| {
            let mut reply = None;
            for bytes in output {
                reply = dialogue.stdout(&bytes)?.or(reply);
            }
            Ok(reply)
        })
        .await
    }

    /// May be dropped at any moment: then the dialogue is where it was, or comes back with [`Talk::end`].
    async fn work(
        &self,
        talk: &mut Talk,
        work: impl FnOnce(&mut Dialogue) -> Result<Option<Reply>, HostOutcome> + Send + 'static,
    ) -> Result<Option<Reply>, Failure> {
        let turn = Arc::clone(&self.0).acquire_owned().await.map_err(|_| gone())?;
        let Talk::Here(mut dialogue) = std::mem::take(talk) else { return Err(gone()) };
        let halt = dialogue.halt();
        let reading = spawn_blocking(move || {
            let _turn = turn;
            let read = work(&mut dialogue);
            (dialogue, read)
        });
        *talk = Talk::Away { halt, reading };
        let Talk::Away { reading, .. } = talk else { return Err(gone()) };
        match reading.await {
            Ok((dialogue, read)) => {
                *talk = Talk::Here(dialogue);
                read.map_err(Failure::from)
            }
            Err(error) => match error.try_into_panic() {
                // The visit is broken; whoever started it says so.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(gone()),
            },
        }
    }
}

impl Talk {
    pub(super) fn begin(&mut self, dialogue: Dialogue) {
        *self = Self::Here(Box::new(dialogue));
    }

    /// An error where there is none, or it is not back.
    pub(super) fn dialogue(&mut self) -> Result<&mut Dialogue, Failure> {
        match self {
            Self::Here(dialogue) => Ok(dialogue),
            Self::None | Self::Away { .. } => Err(gone()),
        }
    }

    /// Ends what is read of it, and gives it back with what it has. `None` where there is none, or it does not come back in time:
    /// then what the host sent is lost.
    pub(super) async fn end(self) -> Option<Dialogue> {
        match self {
            Self::None => None,
            Self::Here(dialogue) => Some(*dialogue),
            Self::Away { halt, reading } => {
                halt.wish();
                let (dialogue, _) = timeout(PATIENCE, reading).await.ok()?.ok()?;
                Some(*dialogue)
            }
        }
    }
}

fn gone() -> Failure {
    Failure::new(HostOutcomeKind::Interrupted, Phase::Run, "what the host sent is not read any more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Budget, End, Orders, Privilege, ProbeBinary, Prompt};
    use crate::engine::{EngineChoice, Limits, Plan};
    use crate::inventory::Target;
    use crate::sweep::visit::Way;
    use crate::sweep::{Event, Sweep, SweepConfig};
    use herdiff_model::pack::Pack;
    use herdiff_model::snapshot::Receipt;
    use herdiff_model::visit::Answer;
    use std::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    const LONG: Duration = Duration::from_secs(120);
    const HELLO: &[u8] = b"\x1e{\"hello\":1,\"arch\":\"any\",\"uid\":0,\"dir\":\"/x\",\"osqueryi\":\"\"}\n";
    const FIRST: &[u8] = b"\x1e{\"placed\":\"/x/p\",\"bytes\":1,\"checked\":true}\n\
        {\"probe\":\"9\",\"protocol\":1,\"arch\":\"any\",\"uid\":0,\"root\":\"/\",\"pid\":3}\n\
        {\"query\":\"a\",\"columns\":[\"x\"],\"rows\":[[\"1\"]],\"unread\":[],\"cut\":null}\n";
    const SECOND: &[u8] =
        b"{\"query\":\"b\",\"columns\":[\"x\"],\"rows\":[[\"1\"],[\"2\"]],\"unread\":[],\"cut\":null}\n";

    fn pack() -> Pack {
        Pack::parse(r#"{"queries":{"a":{"query":"SELECT 1"},"b":{"query":"SELECT 2"}}}"#).unwrap()
    }

    /// A dialogue with a host that has answered the first query.
    fn talk() -> Talk {
        let limits = Limits::default();
        let orders = Orders {
            plan: Arc::new(Plan::new(&pack(), &limits, LONG)),
            limits: Arc::new(limits),
            choice: EngineChoice::Probe,
            probes: vec![ProbeBinary::for_arch("any", b"probe".to_vec())],
            osquery: Vec::new(),
            leave: false,
            prompt: Prompt::new(),
            budget: Budget::new(1 << 30, 1),
        };
        let mut dialogue = Dialogue::new(Arc::new(orders), Privilege::AsIs, 0);
        dialogue.stdout(HELLO).unwrap();
        dialogue.stdout(FIRST).unwrap();
        let mut talk = Talk::default();
        talk.begin(dialogue);
        talk
    }

    fn rows(dialogue: Dialogue) -> Vec<Option<usize>> {
        let broken = HostOutcome::failed(HostOutcomeKind::Timeout, Phase::Run, "its time is over");
        let (_, answers, _) = dialogue.finish(End::Broken(broken), &mut Receipt::default());
        let rows = |answer: &Answer| match answer {
            Answer::Rows { batches, .. } => Some(batches.iter().map(|batch| batch.len()).sum()),
            Answer::Failed(_) => None,
        };
        answers.iter().map(rows).collect()
    }

    #[tokio::test]
    async fn what_is_read_is_there() {
        let mut talk = talk();
        let desk = Desk::new(1);
        let (head, tail) = SECOND.split_at(30);
        let read = desk.read(&mut talk, vec![Bytes::from_static(head), Bytes::from_static(tail)]).await;
        assert!(read.unwrap().is_none());
        assert_eq!(rows(talk.end().await.unwrap()), [Some(1), Some(2)]);
    }

    /// Nobody ever gets to read what this host sends, which is all that was asked for: its deadline comes all the same. No time is
    /// measured to see that.
    #[tokio::test]
    async fn a_deadline_waits_for_no_reading() {
        let said = FIRST.iter().chain(SECOND).chain(b"{\"end\":1}\n").copied().collect();
        let said = String::from_utf8(said).unwrap();
        let (_, said) = said.split_once('\n').unwrap();
        let engine = format!("#!/bin/sh\ncat > /dev/null\ncat << 'EOF'\n{said}EOF\n");
        let uname = std::process::Command::new("uname").arg("-m").output().unwrap();
        let arch = String::from_utf8(uname.stdout).unwrap();
        let mut config = SweepConfig {
            engine: EngineChoice::Probe,
            probes: vec![ProbeBinary::for_arch(arch.trim(), engine.into_bytes())],
            ..SweepConfig::default()
        };
        config.deadlines.host = Duration::from_secs(3);
        let target = Target {
            host: "here".into(),
            herd: "test".into(),
            groups: Vec::new(),
            address: "here".into(),
            port: None,
            user: None,
            identity: None,
            jump: None,
            proxy_command: None,
            privilege: None,
            become_user: None,
        };
        let cancel = CancellationToken::new();
        let mut sweep = Sweep::begin(vec![target], &pack(), config, Way::Local, &cancel, Desk::new(0));
        let visit = timeout(LONG, async {
            loop {
                if let Some(Event::Done(_, visit)) = sweep.next().await {
                    return visit;
                }
            }
        });
        let visit = visit.await.expect("it waits for the reading");
        assert_eq!(visit.outcome.kind, HostOutcomeKind::Timeout, "{:?}", visit.outcome);
        assert_eq!(visit.answers.len(), 2);
    }

    /// A reading that looks at nothing and never ends is left behind.
    #[tokio::test]
    async fn a_reading_that_does_not_end_is_given_up() {
        let (desk, mut talk) = (Desk::new(1), talk());
        let (release, stuck) = mpsc::channel::<()>();
        let work = move |_: &mut Dialogue| {
            let _ = stuck.recv();
            Ok(None)
        };
        assert!(timeout(Duration::from_millis(20), desk.work(&mut talk, work)).await.is_err());
        assert!(talk.dialogue().is_err(), "it is away");
        assert!(timeout(LONG, talk.end()).await.expect("it waits for ever").is_none());
        drop(release);
    }

    /// What comes after the wish is not read, row by row; what was read before stays.
    #[tokio::test]
    async fn a_reading_that_is_told_to_end_brings_back_what_it_has() {
        let (desk, mut talk) = (Desk::new(1), talk());
        let halt = talk.dialogue().unwrap().halt();
        let work = move |dialogue: &mut Dialogue| {
            let start = std::time::Instant::now();
            while !halt.is_wished() && start.elapsed() < LONG {
                std::thread::sleep(Duration::from_millis(1));
            }
            dialogue.stdout(SECOND)
        };
        assert!(timeout(Duration::from_millis(20), desk.work(&mut talk, work)).await.is_err());
        let dialogue = timeout(LONG, talk.end()).await.unwrap().expect("it came back");
        assert_eq!(rows(dialogue), [Some(1), None]);
    }

    /// Hosts that send much cannot take all threads: readings wait for each other, and nothing else waits for them.
    #[tokio::test]
    async fn not_more_are_read_at_once_than_there_are_readers() {
        let desk = Desk::new(2);
        let (release, stuck) = mpsc::channel::<()>();
        let stuck = Arc::new(std::sync::Mutex::new(stuck));
        let mut talks: Vec<Talk> = (0..5).map(|_| talk()).collect();
        for talk in &mut talks {
            let stuck = Arc::clone(&stuck);
            let work = move |_: &mut Dialogue| {
                let _ = stuck.lock().map(|stuck| stuck.recv());
                Ok(None)
            };
            let _ = timeout(Duration::from_millis(20), desk.work(talk, work)).await;
        }
        let away = talks.iter().filter(|talk| matches!(talk, Talk::Away { .. })).count();
        assert_eq!(away, 2);
        drop(release);
    }
}

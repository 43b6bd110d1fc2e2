//! The sweep: every target visited once, a bounded number at a time, each ending in exactly one visit.

mod backoff;
mod dispatch;
mod visit;

use crate::delivery::{Orders, ProbeBinary};
use crate::engine::{EngineChoice, Limits, Plan};
use crate::inventory::Target;
use crate::ssh::{Deadlines, HostKeyPolicy, Keyring, KnownHosts, Reach, SshConfig};
use herdiff_model::outcome::Phase;
use herdiff_model::pack::Pack;
use herdiff_model::visit::Visit;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use visit::Context;

/// Events that may wait for the reader. Hosts that are done wait too then: that bounds the memory.
const WAITING_EVENTS: usize = 256;

/// What a sweep is to do.
#[derive(Clone, Debug)]
pub struct SweepConfig {
    /// How many hosts are visited at a time.
    pub forks: usize,
    /// Which engine runs the queries.
    pub engine: EngineChoice,
    /// The probes that can be pushed, at most one for an architecture.
    pub probes: Vec<ProbeBinary>,
    /// How hosts are reached.
    pub ssh: SshConfig,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// How much a host may send.
    pub limits: Limits,
}

impl Default for SweepConfig {
    fn default() -> Self {
        Self {
            forks: 64,
            engine: EngineChoice::default(),
            probes: Vec::new(),
            ssh: SshConfig::default(),
            deadlines: Deadlines::default(),
            limits: Limits::default(),
        }
    }
}

/// A sweep that cannot start. Nothing was connected to.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A key file that was asked for cannot be used.
    #[error("cannot use the private key {path}: {why}")]
    Identity {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// A known_hosts file that is there cannot be read.
    #[error("cannot read {path}: {why}")]
    KnownHosts {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
}

/// A target's place in the list that the sweep was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub usize);

/// What happens during a sweep, in the order in which it happens.
#[derive(Debug)]
pub enum Event {
    /// The visit to a host starts.
    Started(TargetId),
    /// The visit comes to its next step. For progress only: some may be left out when the reader is slow.
    Phase(TargetId, Phase),
    /// The visit is over. Comes once for every target, also for those that were never started.
    Done(TargetId, Box<Visit>),
}

/// A sweep that runs. Dropping it ends it at once.
pub struct Sweep {
    events: mpsc::Receiver<Event>,
    notes: Vec<String>,
    stop: CancellationToken,
}

impl Sweep {
    /// Reads keys and known hosts and starts to visit. Must be called within a tokio runtime.
    ///
    /// When `cancel` is cancelled no further host is started, and those that are under way end as `interrupted` within
    /// a second, with what they have brought until then.
    pub async fn start(
        targets: Vec<Target>,
        pack: Arc<Pack>,
        config: SweepConfig,
        cancel: CancellationToken,
    ) -> Result<Self, SweepError> {
        let SweepConfig { forks, engine, probes, ssh, deadlines, limits } = config;
        let known_hosts = read_known_hosts(&ssh)?;
        let identities: BTreeSet<PathBuf> =
            targets.iter().filter_map(|target| target.identity.clone()).collect();
        let keyring = Keyring::load(&ssh, identities.into_iter().collect()).await?;
        let notes = known_hosts.notes.iter().chain(&keyring.notes).cloned().collect();
        let plan = Plan::new(&pack, &limits, deadlines.query);
        let stop = cancel.child_token();
        let context = Context {
            reach: Reach { known_hosts: Arc::new(known_hosts), policy: ssh.host_keys, keyring, deadlines },
            orders: Arc::new(Orders {
                plan: Arc::new(plan),
                limits: Arc::new(limits),
                choice: engine,
                probes,
            }),
            user: ssh.user,
            port: if ssh.port == 0 { 22 } else { ssh.port },
            queries: pack.queries().len(),
            stop: stop.clone(),
        };
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        tokio::spawn(dispatch::dispatch(Arc::new(context), targets, forks.max(1), sender));
        Ok(Self { events, notes, stop })
    }

    /// What the reader should know before the first host answers: key files that were passed over, for example.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The next event; `None` when every target is done.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn read_known_hosts(ssh: &SshConfig) -> Result<KnownHosts, SweepError> {
    let mut known_hosts = KnownHosts::default();
    for path in &ssh.known_hosts {
        match std::fs::read(path) {
            Ok(bytes) => known_hosts.add(&path.display().to_string(), &bytes),
            // Many accounts have none; then nothing is known, which each host will say.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) if ssh.host_keys == HostKeyPolicy::AcceptAny => {}
            Err(error) => {
                let (path, why) = (path.display().to_string(), error.to_string());
                return Err(SweepError::KnownHosts { path, why });
            }
        }
    }
    Ok(known_hosts)
}

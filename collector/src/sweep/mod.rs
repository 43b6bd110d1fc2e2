//! The sweep: every target visited once, a bounded number at a time, each ending in exactly one visit.

mod backoff;
mod channel;
mod desk;
mod dispatch;
mod pace;
mod visit;

use crate::delivery::{Account, Budget, Orders, Privilege, ProbeBinary, Prompt, Share};
use crate::engine::{EngineChoice, Limits, Plan};
use crate::inventory::Target;
use crate::ssh::{
    Bastions, Deadlines, HostKeyPolicy, Keyring, KnownFiles, Learner, Password, Reach, RevokedFiles, Secret,
    Settings, SshConfig, routes,
};
use desk::Desk;
use herdiff_model::outcome::Phase;
use herdiff_model::pack::Pack;
use herdiff_model::visit::Visit;
pub use pace::Canary;
use pace::{Pace, Watch};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use visit::{Context, Way};

/// Events that may wait for the reader. Hosts that are done wait too then: that bounds the memory.
const WAITING_EVENTS: usize = 256;

/// What a sweep is to do.
#[derive(Clone, Debug)]
pub struct SweepConfig {
    /// How many hosts are visited at a time.
    pub forks: usize,
    /// How many hosts are started a second; `None` for as many as `forks` allows.
    pub rate: Option<u32>,
    /// The first hosts, on whose fate the others depend.
    pub canary: Option<Canary>,
    /// Which engine runs the queries.
    pub engine: EngineChoice,
    /// The probes that can be pushed, at most one for an architecture.
    pub probes: Vec<ProbeBinary>,
    /// osqueryi that is pushed and used in place of the hosts' own, at most one for an architecture.
    pub osquery: Vec<ProbeBinary>,
    /// Whether what was pushed is left there, so that the next visit need not send it again. Without this, what an earlier visit
    /// left is taken away.
    pub leave_engine: bool,
    /// How hosts are reached.
    pub ssh: SshConfig,
    /// As whom the queries run, where the inventory says nothing else.
    pub privilege: Privilege,
    /// The account to become in place of root, where the inventory names none.
    pub become_user: Option<Account>,
    /// The password that sudo may ask for. Given to at most three hosts that refuse it before one accepts it.
    pub become_password: Option<Secret>,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// How much a host may send.
    pub limits: Limits,
}

impl Default for SweepConfig {
    fn default() -> Self {
        Self {
            forks: 64,
            rate: None,
            canary: None,
            engine: EngineChoice::default(),
            probes: Vec::new(),
            osquery: Vec::new(),
            leave_engine: false,
            ssh: SshConfig::default(),
            privilege: Privilege::default(),
            become_user: None,
            become_password: None,
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
    /// OpenSSH's configuration cannot be asked for, or cannot be followed.
    #[error("OpenSSH's configuration: {why}")]
    OpenSsh {
        /// What is wrong.
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
    /// Something about a host that the reader should know, and that is no outcome.
    Note(TargetId, String),
    /// The visit is over. Comes once for every target, also for those that were never started.
    Done(TargetId, Box<Visit>),
}

/// A sweep that runs. Dropping it ends it at once.
pub struct Sweep {
    events: mpsc::Receiver<Sent>,
    notes: Vec<String>,
    stop: CancellationToken,
    learner: Arc<Learner>,
    /// What the last event holds of the budget: it is given back when the next one is asked for.
    last: Option<Share>,
}

/// An event, and what it holds of the memory that all hosts share.
struct Sent {
    event: Event,
    share: Option<Share>,
}

impl From<Event> for Sent {
    fn from(event: Event) -> Self {
        Self { event, share: None }
    }
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
        let ssh = &config.ssh;
        let routes = routes(&targets, ssh).await?;
        let all: Vec<Arc<Settings>> = routes.of_targets.iter().chain(&routes.jumps).cloned().collect();
        let known_hosts = read_known_hosts(ssh, &all)?;
        let revoked = read_revoked(&all)?;
        let learner = Arc::new(Learner::default());
        let keyring = Keyring::load(ssh, &all).await?;
        let notes =
            routes.notes.into_iter().chain(known_hosts.notes()).chain(keyring.notes.clone()).collect();
        let password = ssh.password.clone().filter(|_| ssh.host_keys != HostKeyPolicy::AcceptAny);
        let reach = Reach {
            known_hosts,
            revoked,
            learner: Arc::clone(&learner),
            policy: ssh.host_keys,
            keyring,
            deadlines: config.deadlines.clone(),
            configured_timeout: ssh.configured_timeout,
            bastions: Bastions::default(),
            password: password.map(Password::new),
        };
        let way = Way::Ssh { reach: Box::new(reach), routes: routes.of_targets };
        let mut sweep = Self::begin(targets, &pack, config, way, &cancel, Desk::default());
        (sweep.notes, sweep.learner) = (notes, learner);
        Ok(sweep)
    }

    /// Visits this machine, without SSH: the same script, the same engines and limits. What is said of SSH in the
    /// configuration does not count. Must be called within a tokio runtime.
    pub fn local(target: Target, pack: &Pack, config: SweepConfig, cancel: &CancellationToken) -> Self {
        Self::begin(vec![target], pack, config, Way::Local, cancel, Desk::default())
    }

    fn begin(
        targets: Vec<Target>,
        pack: &Pack,
        config: SweepConfig,
        way: Way,
        cancel: &CancellationToken,
        desk: Desk,
    ) -> Self {
        let stop = cancel.child_token();
        let forks = config.forks.max(1);
        let context = Context {
            way,
            desk,
            orders: Arc::new(Orders {
                plan: Arc::new(Plan::new(pack, &config.limits, config.deadlines.query)),
                budget: Budget::new(config.limits.waiting_bytes, forks),
                limits: Arc::new(config.limits),
                choice: config.engine,
                probes: config.probes,
                osquery: config.osquery,
                leave: config.leave_engine,
                prompt: Prompt::new(),
            }),
            deadlines: config.deadlines,
            privilege: config.privilege,
            become_user: config.become_user,
            become_password: config.become_password.map(Password::new),
            queries: pack.queries().len(),
            stop: stop.clone(),
        };
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        let (pace, watch) = (Pace::new(config.rate), Watch::new(config.canary, targets.len()));
        tokio::spawn(dispatch::dispatch(Arc::new(context), targets, forks, pace, watch, sender));
        Self { events, notes: Vec::new(), stop, learner: Arc::default(), last: None }
    }

    /// A sweep that another transport drives: it sends the events, with one `Done` for each target, and stops when `stop` is
    /// cancelled, which dropping the sweep does.
    pub fn driven(mut events: mpsc::Receiver<Event>, notes: Vec<String>, stop: CancellationToken) -> Self {
        // One at a time: what waits, waits with the other transport.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if sender.send(event.into()).await.is_err() {
                    return;
                }
            }
        });
        Self { events: receiver, notes, stop, learner: Arc::default(), last: None }
    }

    /// What the reader should know before the first host answers: key files that were passed over, for example.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many keys of new hosts were added to which known_hosts files until now.
    pub fn learned(&self) -> Vec<(PathBuf, usize)> {
        self.learner.added()
    }

    /// The next event; `None` when every target is done.
    pub async fn next(&mut self) -> Option<Event> {
        self.last = None;
        let Sent { event, share } = self.events.recv().await?;
        self.last = share;
        Some(event)
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn read_revoked(all: &[Arc<Settings>]) -> Result<RevokedFiles, SweepError> {
    let mut revoked = RevokedFiles::default();
    for path in all.iter().filter_map(|settings| settings.revoked_host_keys.as_ref()) {
        revoked.read(path).map_err(|why| SweepError::KnownHosts { path: path.display().to_string(), why })?;
    }
    Ok(revoked)
}

fn read_known_hosts(ssh: &SshConfig, all: &[Arc<Settings>]) -> Result<KnownFiles, SweepError> {
    let mut known = KnownFiles::default();
    for settings in all {
        match known.read(&settings.known_hosts) {
            Ok(()) => {}
            Err(_) if ssh.host_keys == HostKeyPolicy::AcceptAny => {}
            Err((path, error)) => {
                let (path, why) = (path.display().to_string(), error.to_string());
                return Err(SweepError::KnownHosts { path, why });
            }
        }
    }
    Ok(known)
}

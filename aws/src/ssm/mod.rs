//! Systems Manager as a transport: commands in place of a connection, the same script, the same outcomes.

mod api;
mod batch;
mod follow;
mod payload;
mod script;
mod status;
mod visit;

use crate::client::Client;
use crate::error::AwsError;
use crate::session::{Place, Session};
use crate::store::Staging;
use api::MOST_INSTANCES;
use futures::future::join_all;
use herdiff_collector::delivery::Script;
use herdiff_collector::inventory::Target;
use herdiff_collector::sweep::{Event, Sweep, TargetId};
use herdiff_model::name::HostName;
use herdiff_model::outcome::{HostOutcome, HostOutcomeKind as Kind, Phase};
use status::Patience;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use visit::Host;

/// Bytes of a command's parameters.
const MOST_PARAMETERS: usize = 48 << 10;
/// Events that may wait for the reader.
const WAITING_EVENTS: usize = 256;

/// How a sweep over Systems Manager goes.
#[derive(Clone, Debug)]
pub struct SsmConfig {
    /// How many hosts run the queries at a time; commands have up to 50 hosts.
    pub forks: usize,
    /// How long an agent may take to fetch a command. At least 30 s.
    pub delivery: Duration,
    /// How long everything may take on a host. At least 5 s.
    pub host: Duration,
    /// The shortest time between two looks at a command.
    pub first_look: Duration,
    /// The longest.
    pub longest_look: Duration,
    /// An answer that takes more commands goes through S3. A piece is 17,400 bytes, packed.
    pub pieces: usize,
    /// Where hosts fetch engines, and leave what is too large for commands.
    pub staging: Option<Staging>,
}

impl Default for SsmConfig {
    fn default() -> Self {
        Self {
            forks: 64,
            delivery: Duration::from_secs(60),
            host: Duration::from_secs(180),
            first_look: Duration::from_secs(2),
            longest_look: Duration::from_secs(15),
            pieces: 8,
            staging: None,
        }
    }
}

impl SsmConfig {
    fn patience(&self) -> Patience {
        Patience {
            delivery: self.delivery.max(Duration::from_secs(30)),
            execution: self.host.max(Duration::from_secs(5)),
        }
    }

    /// How long the engine may run: a little less than the script, so that this ends it and has a receipt.
    fn engine(&self) -> Duration {
        let whole = self.patience().execution;
        whole.saturating_sub((whole / 4).min(Duration::from_secs(15)))
    }

    /// How long presigned URLs are good: from when a command is sent until its script has long ended.
    fn urls(&self) -> Duration {
        let Patience { delivery, execution } = self.patience();
        delivery + execution + Duration::from_secs(300)
    }
}

/// What is the same for all hosts.
#[derive(Debug)]
struct Context {
    script: Script,
    config: SsmConfig,
    incident: String,
    stop: CancellationToken,
    events: mpsc::Sender<Event>,
    batches: Semaphore,
}

/// Starts a sweep: each target ends in one visit, as with [`Sweep::start`]. Must be called within a tokio runtime.
///
/// Where there is a staging place the probes are put there first; where there is none, `script` should have no probes, and
/// hosts without osqueryi of their own say so.
pub async fn sweep(
    session: &Session,
    targets: Vec<Target>,
    places: &HashMap<HostName, Place>,
    script: Script,
    config: SsmConfig,
    cancel: &CancellationToken,
) -> Result<Sweep, AwsError> {
    let mut notes = Vec::new();
    let mut by_client: BTreeMap<usize, Vec<(TargetId, Target)>> = BTreeMap::new();
    for (n, target) in targets.into_iter().enumerate() {
        let place = places.get(&target.host);
        let client =
            place.and_then(|place| session.clients.iter().position(|client| client.place() == place));
        let client = client.ok_or_else(|| {
            let host = &target.host;
            AwsError::Unusable(format!(
                "{host} is no instance that Systems Manager could reach: name it by its id"
            ))
        })?;
        by_client.entry(client).or_default().push((TargetId(n), target));
    }
    // What cannot be sent is known before anything is.
    script::run(&script, &[], &script::Token::new()?, config.engine())?;
    if let Some(staging) = &config.staging {
        staging.place(script.probes()).await?;
    } else if !script.probes().is_empty() {
        notes.push("there is no staging place in S3: hosts cannot fetch the probe".to_owned());
    }
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    let stop = cancel.child_token();
    let context = Context {
        batches: Semaphore::new(config.forks.div_ceil(MOST_INSTANCES).max(1)),
        script,
        incident: session.incident.clone(),
        config,
        stop: stop.clone(),
        events: sender,
    };
    let work: Vec<_> = by_client
        .into_iter()
        .filter_map(|(n, targets)| Some((Arc::clone(session.clients.get(n)?), targets)))
        .collect();
    tokio::spawn(async move {
        let context = &context;
        join_all(work.iter().map(|(client, targets)| place(context, client, targets))).await;
    });
    Ok(Sweep::driven(events, notes, stop))
}

/// All targets of one place: those that can be reached in batches, the others at once.
async fn place(context: &Context, client: &Client, targets: &[(TargetId, Target)]) {
    let mut reachable = Vec::new();
    for chunk in targets.chunks(MOST_INSTANCES) {
        let hosts = chunk.iter().map(|(id, target)| Host::new(client.place(), *id, target.clone()));
        let ids: Vec<_> = chunk.iter().map(|(_, target)| target.host.to_string()).collect();
        let managed = tokio::select! {
            () = context.stop.cancelled() => Err(stopped()),
            managed = api::managed(client, &ids) => managed.map_err(|error| failure(&error, Phase::Connect)),
        };
        for host in hosts {
            let unreachable = match &managed {
                Err(outcome) => Some(outcome.clone()),
                Ok(managed) => {
                    let agent = managed.iter().find(|agent| agent.instance_id == host.instance());
                    unreachable(agent)
                }
            };
            match unreachable {
                Some(outcome) => host.lost(context, outcome).await,
                None => reachable.push(host),
            }
        }
    }
    let mut batches = Vec::new();
    while !reachable.is_empty() {
        let rest = reachable.split_off(reachable.len().min(MOST_INSTANCES));
        batches.push(std::mem::replace(&mut reachable, rest));
    }
    join_all(batches.into_iter().map(|hosts| async move {
        let turn = tokio::select! {
            () = context.stop.cancelled() => None,
            turn = context.batches.acquire() => turn.ok(),
        };
        match turn {
            Some(_turn) => batch::run(context, client, hosts).await,
            None => {
                for host in hosts {
                    host.lost(context, stopped()).await;
                }
            }
        }
    }))
    .await;
}

/// Why a command for this agent would never be run; `None` where it would.
fn unreachable(agent: Option<&api::Managed>) -> Option<HostOutcome> {
    let fail = |kind, why: String| Some(HostOutcome::failed(kind, Phase::Connect, why));
    let Some(agent) = agent else {
        let why = "not managed by Systems Manager: no agent, no instance profile, or no way to the service";
        return fail(Kind::Unreachable, why.to_owned());
    };
    match (agent.ping_status.as_str(), agent.platform_type.as_str()) {
        ("Online", "Linux" | "") => None,
        ("Online", other) => fail(Kind::EngineMissing, format!("{other}: there are engines for Linux only")),
        (status, _) => fail(Kind::Unreachable, format!("the agent is not online: {status}")),
    }
}

fn stopped() -> HostOutcome {
    HostOutcome::failed(Kind::Interrupted, Phase::Resolve, "the sweep was stopped before")
}

/// An error of AWS as what became of a host.
fn failure(error: &AwsError, phase: Phase) -> HostOutcome {
    match error {
        AwsError::Credentials { .. } => {
            HostOutcome::failed(Kind::AuthFailed, Phase::Authenticate, error.to_string())
        }
        AwsError::Service { code, .. } if code.is_denied() || code.is_expired() => {
            HostOutcome::failed(Kind::AuthFailed, Phase::Authenticate, error.to_string())
        }
        _ => HostOutcome::failed(Kind::Unreachable, phase, error.to_string()),
    }
}

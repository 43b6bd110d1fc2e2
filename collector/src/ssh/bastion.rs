//! Jump hosts: one connection serves many hosts behind it, and one login at a time is under way at each.

use super::config::Settings;
use super::connect::{Connection, Reach};
use super::failure::Failure;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};

/// Hosts behind one connection: all of them share its TCP window and one core for its encryption.
const MOST_CHANNELS: usize = 32;

/// A jump host that could not be reached is left alone for so long. One that refused us, or is not the one it should be, for
/// the whole sweep.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// All jump hosts of a sweep.
#[derive(Default)]
pub(crate) struct Bastions(Mutex<HashMap<usize, Arc<Bastion>>>);

/// One jump host.
#[derive(Default)]
struct Bastion(AsyncMutex<Lines>);

#[derive(Default)]
struct Lines {
    open: Vec<Arc<Connection>>,
    failed: Option<(Instant, Failure)>,
}

/// A host's share of a jump host's connection, which stays open as long as anyone has one.
#[derive(Clone)]
pub(crate) struct Lease(Arc<Connection>);

impl Lease {
    pub(crate) fn connection(&self) -> &Connection {
        &self.0
    }
}

impl std::fmt::Debug for Bastions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bastions")
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Bastions {
    fn of(&self, settings: &Arc<Settings>) -> Arc<Bastion> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Each jump host has one settings for the whole sweep, which outlive this.
        Arc::clone(all.entry(Arc::as_ptr(settings) as usize).or_default())
    }

    /// A channel through a jump host. Boxed, as there may be another jump host before it.
    pub(crate) fn channel<'a>(
        &'a self,
        reach: &'a Reach,
        via: &'a Arc<Settings>,
        host: &'a str,
        port: u16,
    ) -> Boxed<'a, Result<(Channel<Msg>, Lease), Failure>> {
        Box::pin(async move {
            let lease = self.lease(reach, via).await.map_err(|failure| failure.at(via))?;
            let opening = lease.0.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0);
            let fail = |kind, why: String| Failure::new(kind, Phase::Connect, why);
            match timeout(reach.deadlines.connect, opening).await {
                Err(_) => Err(Failure::timeout(Phase::Connect, reach.deadlines.connect).at(via)),
                Ok(Ok(channel)) => Ok((channel, lease)),
                Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => {
                    let why = "it forwards no connections (AllowTcpForwarding, PermitOpen)".to_owned();
                    Err(fail(HostOutcomeKind::Unreachable, why).at(via))
                }
                Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
                    let why = format!("{host}:{port} cannot be reached from there");
                    Err(fail(HostOutcomeKind::Unreachable, why).at(via))
                }
                Ok(Err(error)) => Err(Failure::lost(Phase::Connect, error).at(via)),
            }
        })
    }

    async fn lease(&self, reach: &Reach, via: &Arc<Settings>) -> Result<Lease, Failure> {
        let bastion = self.of(via);
        // Held during the login: a jump host sees one of ours at a time, and its MaxStartups never counts.
        let mut lines = bastion.0.lock().await;
        lines.open.retain(|line| !line.handle.is_closed());
        let free = lines.open.iter().filter(|line| Arc::strong_count(line) <= MOST_CHANNELS);
        if let Some(line) = free.min_by_key(|line| Arc::strong_count(line)) {
            return Ok(Lease(Arc::clone(line)));
        }
        if let Some((when, failure)) = &lines.failed
            && is_left_alone(failure, when.elapsed())
        {
            return Err(failure.clone());
        }
        match reach.connected(via).await {
            Ok(connection) => {
                let line = Arc::new(connection);
                lines.open.push(Arc::clone(&line));
                Ok(Lease(line))
            }
            Err(failure) => {
                if !failure.busy {
                    lines.failed = Some((Instant::now(), failure.clone()));
                }
                Err(failure)
            }
        }
    }
}

/// Whether a jump host that failed so long ago is not tried again.
fn is_left_alone(failure: &Failure, ago: Duration) -> bool {
    failure.is_final() || ago < LEFT_ALONE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every try counts at the account there.
    #[test]
    fn a_jump_host_that_refused_us_is_never_asked_again() {
        use HostOutcomeKind as Kind;
        let later = |kind| is_left_alone(&Failure::new(kind, Phase::Connect, ""), LEFT_ALONE * 100);
        for kind in [Kind::AuthFailed, Kind::HostKeyUnknown, Kind::HostKeyChanged, Kind::HostKeyRevoked] {
            assert!(later(kind), "{kind:?}");
        }
        assert!(!later(Kind::Refused) && !later(Kind::Timeout));
        assert!(is_left_alone(&Failure::new(Kind::Refused, Phase::Connect, ""), LEFT_ALONE / 2));
    }
}

//! From a target to a connection with a server that we believe: resolve, connect, shake hands. Each step has its deadline.

use super::allowance::Allowance;
use super::bastion::Bastions;
use super::client::{Client, Shared};
use super::config::{self, Family, Proxy, Settings, Strict};
use super::failure::{Failure, connecting};
use super::keys::Keyring;
use super::known_hosts::KnownFiles;
use super::learn::Learner;
use super::link::{Greeting, Link};
use super::password::Password;
use super::revoked::RevokedFiles;
use super::trust::Trust;
use super::wire::{Piped, Wire};
use super::{Deadlines, HostKeyPolicy};
use crate::engine::Text;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::SshId;
use russh::client::{Config, Handle, connect_stream};
use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Messages of a channel that wait to be heard.
const MOST_MESSAGES: usize = 16;

/// What is the same for all connections of a sweep.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) known_hosts: KnownFiles,
    pub(crate) revoked: RevokedFiles,
    pub(crate) learner: Arc<Learner>,
    pub(crate) policy: HostKeyPolicy,
    pub(crate) keyring: Keyring,
    pub(crate) deadlines: Deadlines,
    /// Whether a host's `ConnectTimeout` counts for more than the deadline.
    pub(crate) configured_timeout: bool,
    pub(crate) bastions: Bastions,
    pub(crate) password: Option<Password>,
}

/// A connection. Dropping it closes the socket at once, whatever russh is doing.
pub(crate) struct Connection {
    pub(crate) handle: Handle<Client>,
    pub(crate) shared: Shared,
    /// Where the host was reached, for the receipt.
    pub(crate) address: String,
    /// What it may send.
    pub(crate) allowance: Allowance,
    _kill: DropGuard,
}

impl Reach {
    /// The addresses of a host. Literal ones need no look-up.
    async fn resolve(&self, to: &Settings) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = to.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, to.port)]);
        }
        let fail = |why: String| {
            Failure::new(HostOutcomeKind::Unresolved, Phase::Resolve, format!("{}: {why}", to.host))
        };
        let patience = self.patience(to);
        let looked_up = timeout(patience, tokio::net::lookup_host((to.host.as_str(), to.port))).await;
        let addresses: Vec<_> = looked_up
            .map_err(|_| Failure::timeout(Phase::Resolve, patience))?
            .map_err(|error| fail(error.to_string()))?
            .filter(|address| match to.answer.family {
                Family::Any => true,
                Family::V4 => address.is_ipv4(),
                Family::V6 => address.is_ipv6(),
            })
            .collect();
        match (addresses.is_empty(), to.answer.family) {
            (false, _) => Ok(addresses),
            (true, Family::Any) => Err(fail("no address".into())),
            (true, _) => Err(fail("no address of the family that AddressFamily allows".into())),
        }
    }

    fn patience(&self, to: &Settings) -> Duration {
        let configured = to.answer.connect_timeout.filter(|_| self.configured_timeout);
        configured.unwrap_or(self.deadlines.connect)
    }

    /// The first address that answers. Each gets its share of the time, so that a silent one does not take all.
    async fn tcp(&self, to: &Settings, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
        let patience = self.patience(to);
        let deadline = Instant::now() + patience;
        let mut last = Failure::timeout(Phase::Connect, patience);
        for (n, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - n).unwrap_or(1);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout(share, dial(*address, to.answer.bind_address)).await {
                Ok(Ok(stream)) => return Ok((stream, *address)),
                Ok(Err(error)) => last = connecting(address, &error),
                Err(_) => {}
            }
        }
        Err(last)
    }

    /// Opens whatever carries the bytes to a host, and says where it leads.
    async fn wire(
        &self,
        to: &Settings,
        enter: &mut (dyn FnMut(Phase) + Send),
    ) -> Result<(Wire, String), Failure> {
        match &to.proxy {
            Proxy::Direct => {
                enter(Phase::Resolve);
                let addresses = self.resolve(to).await?;
                enter(Phase::Connect);
                let (tcp, address) = self.tcp(to, &addresses).await?;
                Ok((Wire::Tcp(tcp), address.to_string()))
            }
            Proxy::Jump(via) => {
                enter(Phase::Connect);
                let (channel, lease) = self.bastions.channel(self, via, &to.host, to.port).await?;
                let wire = Wire::Channel(Box::new(channel.into_stream()), lease);
                Ok((wire, format!("{} via {}", to.place(), via.place())))
            }
            Proxy::Command(template) => {
                enter(Phase::Connect);
                let fail = |why| Failure::new(HostOutcomeKind::Unreachable, Phase::Connect, why);
                let command = config::command(template, to).map_err(fail)?;
                let piped = Piped::start(&command).map_err(|error| fail(format!("ProxyCommand: {error}")))?;
                Ok((Wire::Command(Box::new(piped)), format!("{} via a ProxyCommand", to.place())))
            }
        }
    }

    /// What was asked for, or what the configuration says. That may be laxer, but never blind: `no` is taken as `accept-new`.
    fn policy_for(&self, to: &Settings) -> HostKeyPolicy {
        match (self.policy, to.answer.strict) {
            (HostKeyPolicy::Verify, Strict::AcceptNew | Strict::No) => HostKeyPolicy::AcceptNew,
            (policy, _) => policy,
        }
    }

    /// A connection with a server that we believe, not yet logged in.
    pub(crate) async fn reach(
        &self,
        to: &Settings,
        enter: &mut (dyn FnMut(Phase) + Send),
    ) -> Result<Connection, Failure> {
        let (wire, address) = self.wire(to, enter).await?;
        enter(Phase::Handshake);
        self.handshake(wire, address, to).await
    }

    /// A connection that is logged in.
    pub(crate) async fn connected(&self, to: &Settings) -> Result<Connection, Failure> {
        let mut connection = self.reach(to, &mut |_| {}).await?;
        self.login(&mut connection, to, None).await?;
        connection.allowance.of_others();
        Ok(connection)
    }

    /// Greets the server, agrees on keys with it, and judges its key.
    async fn handshake(&self, wire: Wire, address: String, to: &Settings) -> Result<Connection, Failure> {
        let (known_as, port) = to.known_as();
        let keys = self.known_hosts.of_host(&to.known_hosts, known_as, port);
        let preferred = to.algorithms.preferred(&keys);
        let config = Config {
            client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-Herdiff_", env!("CARGO_PKG_VERSION")))),
            preferred,
            keepalive_interval: Some(Duration::from_secs(15)),
            nodelay: true,
            // A server that does not heed its window fills this, and no more.
            channel_buffer_size: MOST_MESSAGES,
            ..Config::default()
        };
        let shared = Shared::default();
        let client = Client {
            trust: Trust {
                host: known_as.to_owned(),
                port,
                scan: if to.port == 22 { to.host.clone() } else { format!("-p {} {}", to.port, to.host) },
                keys,
                policy: self.policy_for(to),
                revoked: self.revoked.of(to.revoked_host_keys.as_ref()),
                learner: Arc::clone(&self.learner),
                file: to.known_hosts.first().cloned(),
                hashed: to.answer.hash_known_hosts,
            },
            shared: shared.clone(),
        };
        // When a jump host's connection ends, so do those that go through it.
        let kill = match &wire {
            Wire::Channel(_, lease) => lease.connection().shared.gone().child_token(),
            _ => CancellationToken::new(),
        };
        let guard = kill.clone().drop_guard();
        let proxied = matches!(wire, Wire::Command(_));
        let link = Link::new(wire, kill).map_err(|error| Failure::lost(Phase::Handshake, error))?;
        let (greeting, allowance) = (link.greeting(), link.allowance());
        let shaken = timeout(self.deadlines.handshake, connect_stream(Arc::new(config), link, client)).await;
        match shaken {
            Ok(Ok(handle)) => Ok(Connection { handle, shared, address, allowance, _kill: guard }),
            Ok(Err(error)) => {
                let rejected = shared.lock().rejected.take().or_else(|| allowance.failure(Phase::Handshake));
                Err(match rejected {
                    Some(failure) => failure,
                    // Nothing came from a command: it failed, and trying again would only start it again.
                    None if proxied && greeting.bytes().is_empty() => {
                        let why = "the ProxyCommand ended before the server's greeting";
                        Failure::new(HostOutcomeKind::Unreachable, Phase::Connect, why)
                    }
                    None => explain(&error, &greeting),
                })
            }
            Err(_) => Err(not_ssh(&greeting.bytes())
                .unwrap_or_else(|| Failure::timeout(Phase::Handshake, self.deadlines.handshake))),
        }
    }
}

impl Connection {
    /// Says goodbye. Without it sshd would log a lost connection for every host.
    pub(crate) async fn close(mut self) {
        let _ = self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
        let _ = timeout(Duration::from_millis(500), &mut self.handle).await;
    }
}

/// Opens a connection, from one of this machine's addresses where that is configured.
async fn dial(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(to).await };
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let bound = socket.bind(SocketAddr::new(from, 0));
    bound.map_err(|error| io::Error::new(error.kind(), format!("BindAddress {from}: {error}")))?;
    socket.connect(to).await
}

/// What an error before the end of the key exchange means, seen together with what the server sent first.
fn explain(error: &russh::Error, greeting: &Greeting) -> Failure {
    let heard = greeting.bytes();
    let fail = |kind, detail: String| Failure::new(kind, Phase::Handshake, detail);
    let first = heard.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
    let Text(said) = Text::of(first);
    let closed = matches!(error, russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_));
    let other = not_ssh(&heard);
    match error {
        // sshd drops connections before its greeting when too many are logging in: MaxStartups.
        _ if heard.is_empty() && closed => {
            let why = format!("the server closed the connection before its greeting ({error}); is it busy?");
            fail(HostOutcomeKind::Unreachable, why).busy()
        }
        _ if first.starts_with(b"Exceeded MaxStartups") => {
            fail(HostOutcomeKind::Unreachable, format!("the server is busy: {said:?}")).busy()
        }
        _ if first.starts_with(b"Not allowed at this time") => {
            fail(HostOutcomeKind::Unreachable, format!("the server shuts us out for a while: {said:?}"))
        }
        _ if other.is_some() => other.unwrap_or_else(|| Failure::lost(Phase::Handshake, error)),
        russh::Error::NoCommonAlgo { .. } => fail(HostOutcomeKind::Protocol, format!("{said}: {error}")),
        _ if closed => Failure::lost(Phase::Handshake, format!("{error}, after {said:?}")),
        _ => fail(HostOutcomeKind::Protocol, format!("{error}, after {said:?}")),
    }
}

/// The failure of a server that greeted as no SSH server does. One that said nothing may yet be one.
fn not_ssh(heard: &[u8]) -> Option<Failure> {
    if heard.is_empty() || heard.windows(4).any(|part| part == b"SSH-") {
        return None;
    }
    let Text(said) = Text::of(heard.trim_ascii());
    let why = format!("expected the greeting of an SSH server, got {said:?}");
    Some(Failure::new(HostOutcomeKind::Protocol, Phase::Handshake, why))
}

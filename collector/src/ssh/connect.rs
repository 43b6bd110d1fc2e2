//! From a target to an authenticated connection: resolve, connect, shake hands, log in. Each step has its deadline.

use super::client::{Client, Shared};
use super::failure::{Failure, connecting};
use super::keys::{Candidate, Keyring};
use super::known_hosts::KnownHosts;
use super::link::{Greeting, Link};
use super::{Deadlines, HostKeyPolicy};
use crate::engine::Text;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::client::{AuthResult, Config, Handle, connect_stream};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// With AES instructions, GCM costs a third of ChaCha20.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

/// What is the same for all connections of a sweep.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) known_hosts: Arc<KnownHosts>,
    pub(crate) policy: HostKeyPolicy,
    pub(crate) keyring: Keyring,
    pub(crate) deadlines: Deadlines,
}

/// Where a host is.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A connection. Dropping it closes the socket at once, whatever russh is doing.
pub(crate) struct Connection {
    pub(crate) handle: Handle<Client>,
    pub(crate) shared: Shared,
    pub(crate) address: SocketAddr,
    _kill: DropGuard,
}

impl Reach {
    /// The addresses of a host. Literal ones need no look-up.
    pub(crate) async fn resolve(&self, to: &Destination) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = to.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, to.port)]);
        }
        let fail = |why: String| {
            Failure::new(HostOutcomeKind::Unresolved, Phase::Resolve, format!("{}: {why}", to.host))
        };
        let looked_up =
            timeout(self.deadlines.connect, tokio::net::lookup_host((to.host.as_str(), to.port))).await;
        let addresses: Vec<_> = looked_up
            .map_err(|_| Failure::timeout(Phase::Resolve, self.deadlines.connect))?
            .map_err(|error| fail(error.to_string()))?
            .collect();
        if addresses.is_empty() { Err(fail("no address".into())) } else { Ok(addresses) }
    }

    /// The first address that answers. Each gets its share of the time, so that a silent one does not take all.
    pub(crate) async fn connect(&self, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
        let deadline = Instant::now() + self.deadlines.connect;
        let mut last = Failure::timeout(Phase::Connect, self.deadlines.connect);
        for (n, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - n).unwrap_or(1);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok((stream, *address)),
                Ok(Err(error)) => last = connecting(address, &error),
                Err(_) => {}
            }
        }
        Err(last)
    }

    /// Greets the server, agrees on keys with it, and judges its key.
    pub(crate) async fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        to: &Destination,
    ) -> Result<Connection, Failure> {
        let keys = self.known_hosts.of_host(&to.host, to.port);
        let preferred = Preferred {
            key: Cow::Owned(keys.order(&Preferred::DEFAULT.key)),
            cipher: Cow::Borrowed(CIPHERS),
            ..Preferred::DEFAULT
        };
        let config = Config {
            client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-Herdiff_", env!("CARGO_PKG_VERSION")))),
            preferred,
            keepalive_interval: Some(Duration::from_secs(15)),
            nodelay: true,
            ..Config::default()
        };
        let shared = Shared::default();
        let client = Client {
            host: to.host.clone(),
            port: to.port,
            keys,
            policy: self.policy,
            shared: shared.clone(),
        };
        let kill = CancellationToken::new();
        let guard = kill.clone().drop_guard();
        let link = Link::new(tcp, kill).map_err(|error| Failure::lost(Phase::Handshake, error))?;
        let greeting = link.greeting();
        let shaken = timeout(self.deadlines.handshake, connect_stream(Arc::new(config), link, client)).await;
        match shaken {
            Ok(Ok(handle)) => Ok(Connection { handle, shared, address, _kill: guard }),
            Ok(Err(error)) => {
                Err(shared.lock().rejected.take().unwrap_or_else(|| explain(&error, &greeting)))
            }
            Err(_) => Err(not_ssh(&greeting.bytes())
                .unwrap_or_else(|| Failure::timeout(Phase::Handshake, self.deadlines.handshake))),
        }
    }

    /// Logs in. Keys are tried one after the other; a refusal is never tried again, as it may lock an account.
    pub(crate) async fn login(
        &self,
        connection: &mut Connection,
        user: &str,
        own_key: Option<&Path>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + self.deadlines.authenticate;
        let logging_in = self.try_keys(connection, user, own_key);
        timeout_at(deadline, logging_in)
            .await
            .unwrap_or_else(|_| Err(Failure::timeout(Phase::Authenticate, self.deadlines.authenticate)))
    }

    async fn try_keys(
        &self,
        connection: &mut Connection,
        user: &str,
        own_key: Option<&Path>,
    ) -> Result<(), Failure> {
        let refused = |why: String| Failure::new(HostOutcomeKind::AuthFailed, Phase::Authenticate, why);
        let candidates = self.keyring.candidates(own_key);
        let mut agent = None;
        let mut tried = Vec::new();
        let mut problems: Vec<String> = self.keyring.problems(own_key).into_iter().collect();
        for candidate in &candidates {
            let result = match candidate {
                Candidate::File(_, key) => {
                    let hash = rsa_hash(connection, key.algorithm().is_rsa()).await;
                    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                    connection.handle.authenticate_publickey(user, key).await.map_err(|e| e.to_string())
                }
                Candidate::Agent(identity) => self.try_agent(connection, &mut agent, user, identity).await,
            };
            if let Some(ended) = connection.ended().await {
                return Err(match ended {
                    Ended::TooMany(why) => refused(why),
                    Ended::Lost(why) => Failure::lost(Phase::Authenticate, why),
                });
            }
            match result {
                Ok(AuthResult::Success) => return Ok(()),
                Ok(AuthResult::Failure { remaining_methods, partial_success: true }) => {
                    let more = names(&remaining_methods);
                    let name = candidate.name();
                    return Err(refused(format!(
                        "{user} with {name}: accepted, but the server wants {more} too"
                    )));
                }
                Ok(AuthResult::Failure { remaining_methods, .. }) => {
                    tried.push(candidate.name());
                    if !remaining_methods.contains(&MethodKind::PublicKey) {
                        let offers = names(&remaining_methods);
                        problems.push(format!("the server takes no keys, but {offers}"));
                        break;
                    }
                }
                Err(why) => problems.push(format!("{}: {why}", candidate.name())),
            }
        }
        let mut why = match tried.as_slice() {
            [] => format!(
                "no key to log in as {user} with: name one with --identity, or ssh-add it to an agent"
            ),
            tried => format!("{user} was refused with {}", tried.join(", ")),
        };
        for problem in problems {
            why += &format!("; {problem}");
        }
        Err(refused(why))
    }

    async fn try_agent(
        &self,
        connection: &mut Connection,
        agent: &mut Option<AgentClient<tokio::net::UnixStream>>,
        user: &str,
        identity: &AgentIdentity,
    ) -> Result<AuthResult, String> {
        let client = match agent {
            Some(client) => client,
            None => {
                let socket = self.keyring.agent().ok_or("there is no agent")?;
                let mut client = AgentClient::connect_uds(socket).await.map_err(|error| error.to_string())?;
                if let Some(binding) = connection.handle.agent_session_binding() {
                    // Only keys that are bound to destinations need it, and only newer agents know it.
                    let _ = client.bind_session(binding, false).await;
                }
                agent.insert(client)
            }
        };
        let rsa = identity.public_key().algorithm().is_rsa();
        let hash = rsa_hash(connection, rsa).await;
        let handle = &mut connection.handle;
        let result = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                handle.authenticate_publickey_with(user, key.clone(), hash, client).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                handle.authenticate_certificate_with(user, certificate.clone(), hash, client).await
            }
        };
        result.map_err(|error| error.to_string())
    }
}

/// How a connection ended that we did not end.
enum Ended {
    TooMany(String),
    Lost(String),
}

impl Connection {
    /// `None` while it stands. A connection that ends during the login looks to russh's caller as a refusal.
    async fn ended(&mut self) -> Option<Ended> {
        if !self.handle.is_closed() {
            return None;
        }
        // The reason is noted when the connection's task ends, which is now.
        let _ = timeout(Duration::from_secs(1), &mut self.handle).await;
        let why = self.shared.lock().ended.clone().unwrap_or_else(|| "without a word".to_owned());
        Some(if why.contains("Too many authentication failures") {
            Ended::TooMany(format!("{why}: give the right key with --identity"))
        } else {
            Ended::Lost(why)
        })
    }

    /// Says goodbye. Without it sshd would log a lost connection for every host.
    pub(crate) async fn close(mut self) {
        let _ = self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
        let _ = timeout(Duration::from_millis(500), &mut self.handle).await;
    }
}

/// SHA-1 signatures are not worth offering; where the server does not say what it takes, SHA-512 it is.
async fn rsa_hash(connection: &Connection, rsa: bool) -> Option<HashAlg> {
    if !rsa {
        return None;
    }
    let best = connection.handle.best_supported_rsa_hash().await.ok().flatten().flatten();
    Some(best.unwrap_or(HashAlg::Sha512))
}

fn names(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") }
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

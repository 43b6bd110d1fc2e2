//! Reaching a host over SSH: who we are, whom we believe, how long we wait.

mod client;
mod connect;
mod failure;
mod keys;
mod known_hosts;
mod link;

pub(crate) use connect::{Connection, Destination, Reach};
pub(crate) use failure::Failure;
pub(crate) use keys::Keyring;
pub(crate) use known_hosts::KnownHosts;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Whether the keys of hosts are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// A host must present a key that known_hosts has for it.
    #[default]
    Verify,
    /// Any key will do. Whoever is in between can read and forge everything: be loud about it.
    AcceptAny,
}

/// Asks for the passphrase of a key file; `None` skips the key.
pub type AskPassphrase = Arc<dyn Fn(&Path) -> Option<Zeroizing<String>> + Send + Sync>;

/// How hosts are reached. Paths are used as they are given: `~` means nothing here but in an inventory.
#[derive(Clone, Default)]
pub struct SshConfig {
    /// The user where the inventory names none.
    pub user: String,
    /// The port where the inventory names none; 0 stands for 22.
    pub port: u16,
    /// Private key files that must be readable, tried first.
    pub identities: Vec<PathBuf>,
    /// Private key files that are tried where they are there.
    pub default_identities: Vec<PathBuf>,
    /// The socket of the ssh-agent.
    pub agent: Option<PathBuf>,
    /// known_hosts files; those that are not there are passed over.
    pub known_hosts: Vec<PathBuf>,
    /// Whether the keys of hosts are checked.
    pub host_keys: HostKeyPolicy,
    /// What `~` stands for in key files that an inventory names.
    pub home: Option<PathBuf>,
    /// Asks for passphrases, at most once a key and before the first connection.
    pub passphrase: Option<AskPassphrase>,
}

impl fmt::Debug for SshConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshConfig")
            .field("user", &self.user)
            .field("port", &self.port)
            .field("identities", &self.identities)
            .field("agent", &self.agent)
            .field("known_hosts", &self.known_hosts)
            .field("host_keys", &self.host_keys)
            .finish_non_exhaustive()
    }
}

/// How long each step may take. The time for the whole host is above all others, retries included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Looking up the name and opening the TCP connection. 10 s.
    pub connect: Duration,
    /// The server's greeting and the agreement on keys. 15 s.
    pub handshake: Duration,
    /// Logging in. 30 s.
    pub authenticate: Duration,
    /// From the login until the script on the host speaks. 30 s.
    pub start: Duration,
    /// One query, on the host. 30 s.
    pub query: Duration,
    /// Everything together. 180 s.
    pub host: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            handshake: seconds(15),
            authenticate: seconds(30),
            start: seconds(30),
            query: seconds(30),
            host: seconds(180),
        }
    }
}

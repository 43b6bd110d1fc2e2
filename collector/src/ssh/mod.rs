//! Reaching a host over SSH: who we are, whom we believe, how long we wait.

mod agent;
mod allowance;
mod bastion;
mod certificate;
mod client;
mod config;
mod connect;
mod failure;
mod keys;
mod known_hosts;
mod learn;
mod link;
mod login;
mod password;
mod revoked;
mod signer;
mod trust;
mod wire;

pub(crate) use bastion::Bastions;
pub use config::OpenSsh;
pub(crate) use config::{Settings, routes};
pub(crate) use connect::{Connection, Reach};
pub(crate) use failure::Failure;
pub(crate) use keys::Keyring;
pub(crate) use known_hosts::KnownFiles;
pub(crate) use learn::Learner;
pub use password::Secret;
pub(crate) use password::{OTHERS_WAIT, Password, Turn};
pub(crate) use revoked::RevokedFiles;

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
    /// A host of which no key is known is believed, and its key added to known_hosts; a changed key is refused.
    AcceptNew,
    /// Any key will do. Whoever is in between can read and forge everything: be loud about it.
    AcceptAny,
}

/// Asks for the passphrase of a key file; `None` skips the key.
pub type AskPassphrase = Arc<dyn Fn(&Path) -> Option<Zeroizing<String>> + Send + Sync>;

/// The value of a variable of the environment.
pub type Variable = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How hosts are reached. Paths are used as they are given: `~` means nothing here but in an inventory.
#[derive(Clone, Default)]
pub struct SshConfig {
    /// The user where the inventory names none.
    pub user: Option<String>,
    /// The user where neither that nor OpenSSH's configuration does.
    pub local_user: String,
    /// The number of the account that runs this, for `%i` in OpenSSH's configuration.
    pub local_uid: u32,
    /// The name of this machine, with its domain, for `%l`, `%L` and `%C` there.
    pub local_host: String,
    /// The variables of the environment, for `${NAME}` there.
    pub variable: Option<Variable>,
    /// The port where the inventory names none.
    pub port: Option<u16>,
    /// Private key files that must be readable. Where there are any, no other key is offered but the inventory's.
    pub identities: Vec<PathBuf>,
    /// Private key files that are tried where they are there, when there is no OpenSSH to say which.
    pub default_identities: Vec<PathBuf>,
    /// The socket of the ssh-agent.
    pub agent: Option<PathBuf>,
    /// known_hosts files, in place of the configured ones; those that are not there are passed over.
    pub known_hosts: Vec<PathBuf>,
    /// known_hosts files when there is no OpenSSH to say which.
    pub default_known_hosts: Vec<PathBuf>,
    /// Whom to ask what OpenSSH's configuration says; without it, it is not read.
    pub openssh: Option<OpenSsh>,
    /// Jump hosts, as `[user@]host[:port]` with commas between them, in place of those of inventory and configuration.
    pub jump: Option<String>,
    /// Whether a `ConnectTimeout` counts for more than the deadline.
    pub configured_timeout: bool,
    /// Whether the keys of hosts are checked.
    pub host_keys: HostKeyPolicy,
    /// What `~` stands for in key files that an inventory names.
    pub home: Option<PathBuf>,
    /// A password for hosts that want one. Never given where any host key is accepted, nor to more than three hosts that refuse
    /// it before one accepts it.
    pub password: Option<Secret>,
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
            .field("openssh", &self.openssh)
            .field("jump", &self.jump)
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

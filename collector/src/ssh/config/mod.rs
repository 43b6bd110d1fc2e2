//! How each host is reached: the inventory's word before the flags', and these before OpenSSH's configuration, which `ssh -G`
//! tells. Without an `ssh` on this machine it is not read, which is said.

mod algorithms;
mod answer;
mod classes;
mod resolve;
mod tokens;

pub(crate) use algorithms::Algorithms;
pub(crate) use answer::{Answer, Family, Strict};
pub(crate) use resolve::routes;
pub(crate) use tokens::command;

use std::path::PathBuf;
use std::sync::Arc;

/// OpenSSH's client on this machine, which is asked what its configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSsh {
    /// The program.
    pub program: PathBuf,
    /// The file to read in place of the usual ones; `none` for no file at all.
    pub config: Option<PathBuf>,
    /// The files that it reads, to see which hosts they cannot tell apart.
    pub files: Vec<PathBuf>,
}

/// How one host is reached.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What was asked for, before the configuration had its say.
    pub(crate) named: String,
    /// Name or address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    /// The key that the inventory names.
    pub(crate) own_identity: Option<PathBuf>,
    pub(crate) identities: Vec<PathBuf>,
    /// Whether these were named by someone, and are not what OpenSSH tries anyway.
    chosen_identities: bool,
    pub(crate) certificates: Vec<PathBuf>,
    pub(crate) agent: Option<PathBuf>,
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) revoked_host_keys: Option<PathBuf>,
    pub(crate) algorithms: Algorithms,
    pub(crate) answer: Arc<Answer>,
    pub(crate) proxy: Proxy,
}

/// What stands between us and a host.
#[derive(Clone, Debug)]
pub(crate) enum Proxy {
    Direct,
    /// Another host, which may have one before it, too.
    Jump(Arc<Settings>),
    /// A command whose input and output are the connection.
    Command(String),
}

impl Settings {
    /// The name and port that known_hosts is asked for.
    pub(crate) fn known_as(&self) -> (&str, u16) {
        // As OpenSSH has it, an alias stands without the port.
        self.answer.host_key_alias.as_deref().map_or((self.host.as_str(), self.port), |alias| (alias, 22))
    }

    /// Whether its keys were chosen, and are not those that OpenSSH would try by itself.
    pub(crate) fn names_identities(&self) -> bool {
        self.chosen_identities
    }

    /// For messages and receipts.
    pub(crate) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

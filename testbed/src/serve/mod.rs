//! Simulated hosts over real SSH on loopback: one process, one port and one host key for each host.
//!
//! A command really runs on this machine, as the user who serves, with `HERDIFF_PROBE_ROOT` pointing at the host's tree:
//! what is simulated is what the probe sees. Only holders of the one key get in, and only from this machine.

mod command;
mod group;
mod host;
pub mod keys;
pub(crate) mod port;
mod programs;
mod session;

use crate::fault::Fault;
use crate::relay::{self, Door, Shape};
use host::Server;
use programs::Programs;
pub use programs::sweep_up;
use russh::keys::PublicKey;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A host to serve.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Its name.
    pub name: String,
    /// Its tree.
    pub root: PathBuf,
    /// How it misbehaves, if it does.
    pub fault: Option<Fault>,
}

/// A host that is served.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Where it answers.
    pub address: SocketAddr,
    /// The key that belongs into known_hosts for it.
    pub key: PublicKey,
}

/// Why hosts cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// No port.
    #[error("cannot open a port for {host} on 127.0.0.1: {cause}")]
    Port {
        /// Which host.
        host: String,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// No key.
    #[error("cannot make a key: {0}")]
    Key(#[from] keys::KeyError),
}

/// Hosts that are served until they are stopped.
#[derive(Debug)]
pub struct Farm {
    endpoints: Vec<Endpoint>,
    faults: BTreeMap<String, watch::Sender<Option<Fault>>>,
    /// Relays before the hosts, where lines are long or thin.
    doors: BTreeMap<String, Door>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Farm {
    /// Opens a port for each host and begins to answer there.
    ///
    /// # Errors
    /// Where a port or a key cannot be had.
    pub async fn start(hosts: Vec<HostSpec>, sweep_key: &PublicKey) -> Result<Self, ServeError> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut endpoints = Vec::with_capacity(hosts.len());
        let mut faults = BTreeMap::new();
        let programs = Arc::new(Programs::default());
        for spec in hosts {
            let (sender, fault) = watch::channel(spec.fault);
            faults.insert(spec.name.clone(), sender);
            let server = Server::open(spec, sweep_key, fault, programs.clone(), stop.clone(), tasks.clone())?;
            endpoints.push(server.endpoint());
            tasks.spawn(server.run());
        }
        Ok(Self { endpoints, faults, doors: BTreeMap::new(), stop, tasks })
    }

    /// Puts a relay before each host, and gives its address in place of the host's. Nothing where the line is as it is.
    ///
    /// # Errors
    /// Where there is no port for it.
    pub fn reached_through(mut self, shape: Shape) -> Result<Self, ServeError> {
        if shape == Shape::default() {
            return Ok(self);
        }
        for endpoint in &mut self.endpoints {
            let far = endpoint.address;
            let connect = move || TcpStream::connect(far);
            let door = relay::start(connect, shape, self.stop.clone(), &self.tasks)
                .map_err(|cause| ServeError::Port { host: endpoint.name.clone(), cause })?;
            let fault = self.faults.get(&endpoint.name).and_then(|fault| *fault.borrow());
            door.set(!host::is_closed(fault));
            endpoint.address = door.address();
            self.doors.insert(endpoint.name.clone(), door);
        }
        Ok(self)
    }

    /// Lets a host misbehave from its next connection on, or behave again. False where there is no such host.
    pub fn set_fault(&self, host: &str, fault: Option<Fault>) -> bool {
        let change = |now: &mut Option<Fault>| {
            let changed = *now != fault;
            *now = fault;
            changed
        };
        if let Some(door) = self.doors.get(host) {
            door.set(!host::is_closed(fault));
        }
        self.faults.get(host).map(|sender| sender.send_if_modified(change)).is_some()
    }

    /// The hosts, in the order in which they were given.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Hangs up everywhere and returns when no command runs any more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

//! A stand-in for AWS Systems Manager on loopback: it takes commands as AWS does, with AWS's limits and states, and runs
//! them for real, on this machine, each with the tree of a simulated host. What is not for Systems Manager goes on to an
//! emulator of the other services.
//!
//! It knows `SendCommand`, `ListCommandInvocations`, `GetCommandInvocation`, `CancelCommand` and
//! `DescribeInstanceInformation`. Signatures must be there and well formed; they are not computed again.

mod command;
mod http;
mod run;
mod service;

use service::Service;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How an instance behaves towards Systems Manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes commands and runs them.
    #[default]
    Obliging,
    /// Is not managed at all: Systems Manager does not know it.
    Unmanaged,
    /// Was managed; its agent is silent now.
    Offline,
    /// Goes away between being described and being sent a command.
    Leaving,
    /// Runs Windows.
    Windows,
    /// Takes a command only after a while.
    Slow,
    /// Never takes it: delivery times out.
    Deaf,
    /// Systems Manager finds that it cannot deliver.
    Undeliverable,
    /// Its command is ended because of errors elsewhere.
    Terminated,
    /// Its agent is ended while the script runs, by signal 9.
    Killed,
    /// Answers with nonsense in place of what the script prints.
    Babbling,
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// What it shows to the probe.
    pub root: PathBuf,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// How the service behaves.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Every so many calls one is turned away.
    pub throttle_every: Option<u64>,
    /// For so long after it was sent a command is not known yet.
    pub hidden: Duration,
    /// Where everything that is not for Systems Manager goes.
    pub upstream: Option<SocketAddr>,
}

/// A call that came in.
#[derive(Clone, Debug)]
pub struct Called {
    /// When.
    pub at: Instant,
    /// Which operation.
    pub operation: String,
    /// Whether it was turned away as one too many.
    pub throttled: bool,
}

/// The service while it runs. Ends when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
}

impl StandIn {
    /// Listens on a free port of loopback. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(instances: BTreeMap<String, Instance>, rules: Rules) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let service = Arc::new(Service::new(instances, rules, stop.clone()));
        tokio::spawn(http::serve(listener, Arc::clone(&service), stop.clone()));
        Ok(Self { address, service, stop })
    }

    /// What goes into `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All calls for Systems Manager until now.
    pub fn calls(&self) -> Vec<Called> {
        self.service.calls()
    }

    /// All that clients have sent: heads and bodies of requests, for looking for what should not be in them.
    pub fn heard(&self) -> Vec<u8> {
        self.service.heard()
    }

    /// Rules that were broken by clients or scripts, in words.
    pub fn complaints(&self) -> Vec<String> {
        self.service.complaints()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

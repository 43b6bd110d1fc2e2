//! One simulated host: its port, its key, and who gets past the door.

use super::port::Port;
use super::programs::Programs;
use super::session::Session;
use super::{Endpoint, HostSpec, ServeError, keys};
use crate::fault::Fault;
use russh::keys::{PrivateKey, PublicKey};
use russh::server;
use std::net::{Shutdown, TcpStream as Line};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A host, ready to answer.
pub(super) struct Server {
    spec: HostSpec,
    port: Port,
    known: PublicKey,
    /// With the key that is in known_hosts, and with another.
    config: [Arc<server::Config>; 2],
    /// How it misbehaves at the moment.
    fault: watch::Receiver<Option<Fault>>,
    sweep_key: Arc<PublicKey>,
    programs: Arc<Programs>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    pub(super) fn open(
        spec: HostSpec,
        sweep_key: &PublicKey,
        fault: watch::Receiver<Option<Fault>>,
        programs: Arc<Programs>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Result<Self, ServeError> {
        let (key, other) = (keys::new(&spec.name)?, keys::new(&spec.name)?);
        let known = key.public_key().clone();
        let mut port = Port::closed().map_err(|cause| ServeError::Port { host: spec.name.clone(), cause })?;
        port.set(!is_closed(*fault.borrow()))
            .map_err(|cause| ServeError::Port { host: spec.name.clone(), cause })?;
        let sweep_key = Arc::new(sweep_key.clone());
        Ok(Self {
            spec,
            port,
            known,
            config: [config(key), config(other)],
            fault,
            sweep_key,
            programs,
            stop,
            tasks,
        })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { name: self.spec.name.clone(), address: self.port.address(), key: self.known.clone() }
    }

    /// Answers until it is told to stop.
    pub(super) async fn run(mut self) {
        loop {
            let fault = *self.fault.borrow_and_update();
            while self.port.set(!is_closed(fault)).is_err() {
                // Out of descriptors, most likely.
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
            let spec = Arc::new(HostSpec { fault, ..self.spec.clone() });
            if !self.answer(&spec).await {
                return;
            }
        }
    }

    /// Answers until something changes; false where that is the end.
    async fn answer(&mut self, spec: &Arc<HostSpec>) -> bool {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return false,
                changed = self.fault.changed() => return changed.is_ok(),
                accepted = self.port.accept() => accepted,
            };
            match accepted {
                Ok(stream) => self.greet(stream, spec),
                // Out of descriptors, most likely: others will be closed in a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn greet(&self, mut stream: TcpStream, spec: &Arc<HostSpec>) {
        let stop = self.stop.clone();
        match spec.fault {
            // A host that stands still or is cut off looks so through loopback, where the kernel always answers.
            Some(Fault::Silent | Fault::Freeze | Fault::CutOff) => {
                self.tasks.spawn(async move {
                    let mut nobody = tokio::io::sink();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        // Until the client hangs up; what it says until then is heard by nobody.
                        _ = tokio::io::copy(&mut stream, &mut nobody) => {}
                    }
                });
            }
            Some(Fault::NotSsh) => {
                self.tasks.spawn(async move {
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                });
            }
            _ => {
                let Some((stream, line)) = with_cutter(stream) else { return };
                let session =
                    Session::new(spec, &self.sweep_key, &self.programs, line, stop, self.tasks.clone());
                let [known, other] = &self.config;
                let config = if spec.fault == Some(Fault::WrongHostKey) { other } else { known };
                self.tasks.spawn(talk(config.clone(), stream, session, self.stop.clone()));
            }
        }
    }
}

/// Speaks SSH with one client until either hangs up.
async fn talk(config: Arc<server::Config>, stream: TcpStream, session: Session, stop: CancellationToken) {
    let line = session.line();
    let conversation = async {
        if let Ok(running) = server::run_stream(config, stream, session).await {
            // How it ended is the client's to tell.
            let _ = running.await;
        }
    };
    tokio::pin!(conversation);
    tokio::select! {
        () = &mut conversation => return,
        () = stop.cancelled() => {}
    }
    let _ = line.shutdown(Shutdown::Both);
    conversation.await;
}

/// Whether the kernel is to refuse connections for it.
pub(super) fn is_closed(fault: Option<Fault>) -> bool {
    matches!(fault, Some(Fault::Refuse | Fault::Kill))
}

/// A second handle on the connection, with which it can be cut from anywhere.
fn with_cutter(stream: TcpStream) -> Option<(TcpStream, Arc<Line>)> {
    stream.set_nodelay(true).ok()?;
    let stream = stream.into_std().ok()?;
    let line = stream.try_clone().ok()?;
    Some((TcpStream::from_std(stream).ok()?, Arc::new(line)))
}

fn config(key: PrivateKey) -> Arc<server::Config> {
    Arc::new(server::Config {
        keys: vec![key],
        // Clients begin with a method that is always refused; a real sshd does not make them wait for it.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..server::Config::default()
    })
}

//! One simulated host: its port, its key, and who gets past the door.

use super::session::Session;
use super::{Endpoint, HostSpec, ServeError, keys};
use crate::fault::Fault;
use russh::keys::{PrivateKey, PublicKey};
use russh::server;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream as Line};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 128;

/// Where a host answers, or does not.
enum Port {
    Open(TcpListener),
    /// Bound, so that nobody else gets it, and closed: the kernel refuses for it.
    Closed(TcpSocket),
}

/// A host, ready to answer.
pub(super) struct Server {
    spec: Arc<HostSpec>,
    port: Port,
    address: SocketAddr,
    known: PublicKey,
    config: Arc<server::Config>,
    sweep_key: Arc<PublicKey>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    pub(super) fn open(
        spec: HostSpec,
        sweep_key: &PublicKey,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Result<Self, ServeError> {
        let key = keys::new(&spec.name)?;
        let known = match spec.fault {
            Some(Fault::WrongHostKey) => keys::new(&spec.name)?.public_key().clone(),
            _ => key.public_key().clone(),
        };
        let (port, address) =
            open_port(spec.fault).map_err(|cause| ServeError::Port { host: spec.name.clone(), cause })?;
        let sweep_key = Arc::new(sweep_key.clone());
        Ok(Self { spec: Arc::new(spec), port, address, known, config: config(key), sweep_key, stop, tasks })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { name: self.spec.name.clone(), address: self.address, key: self.known.clone() }
    }

    /// Answers until it is told to stop.
    pub(super) async fn run(self) {
        let listener = match &self.port {
            Port::Open(listener) => listener,
            Port::Closed(_bound) => {
                self.stop.cancelled().await;
                return;
            }
        };
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.greet(stream),
                // Out of descriptors, most likely: others will be closed in a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn greet(&self, mut stream: TcpStream) {
        let stop = self.stop.clone();
        match self.spec.fault {
            Some(Fault::Silent) => {
                self.tasks.spawn(async move {
                    stop.cancelled().await;
                    drop(stream);
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
                let session = Session::new(&self.spec, &self.sweep_key, line, stop, self.tasks.clone());
                self.tasks.spawn(talk(self.config.clone(), stream, session, self.stop.clone()));
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

fn open_port(fault: Option<Fault>) -> std::io::Result<(Port, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let address = socket.local_addr()?;
    let port = match fault {
        Some(Fault::Refuse) => Port::Closed(socket),
        _ => Port::Open(socket.listen(BACKLOG)?),
    };
    Ok((port, address))
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

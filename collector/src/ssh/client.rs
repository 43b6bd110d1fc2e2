//! What we answer to a server: we judge its key, and open nothing that it wants opened.

use super::failure::Failure;
use super::trust::Trust;
use crate::engine::Text;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// What the task of the connection and the visit both know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<(Mutex<Seen>, CancellationToken)>);

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The fingerprint of the key that the server presented.
    pub(crate) fingerprint: String,
    /// Why that key is not accepted.
    pub(crate) rejected: Option<Failure>,
    /// How the connection ended. russh makes an end during the login look as a refusal.
    pub(crate) ended: Option<String>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancelled once the connection has ended: what goes through it has, too.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.0.1
    }
}

/// The handler of one connection.
pub(crate) struct Client {
    pub(crate) trust: Trust,
    pub(crate) shared: Shared,
}

/// No channel that a server opens is wanted; each accepted one would cost memory.
async fn refuse(reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key = presented.public_key();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let rejected = self.trust.judge(presented).await.err();
        let accepted = rejected.is_none();
        let mut seen = self.shared.lock();
        seen.fingerprint = fingerprint;
        seen.rejected = rejected;
        Ok(accepted)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let (ended, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let Text(message) = Text::of(info.message.as_bytes());
                (format!("the server said {message:?}"), Ok(()))
            }
            DisconnectReason::Error(error) => {
                let closed = matches!(&error, russh::Error::IO(io) if io.kind() == ErrorKind::UnexpectedEof);
                (if closed { "the other side closed it".to_owned() } else { error.to_string() }, Err(error))
            }
        };
        self.shared.lock().ended = Some(ended);
        self.shared.gone().cancel();
        result
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_unknown(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host_to_connect: &str,
        _port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse(reply).await
    }
}

//! What we answer to a server: we judge its key, and open nothing that it wants opened.

use super::HostKeyPolicy;
use super::failure::Failure;
use super::known_hosts::{HostKeys, Verdict};
use crate::engine::Text;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the task of the connection and the visit both know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Seen>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handler of one connection.
pub(crate) struct Client {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) keys: HostKeys,
    pub(crate) policy: HostKeyPolicy,
    pub(crate) shared: Shared,
}

impl Client {
    /// Why the key is not accepted; `None` when it is.
    fn judge(&self, key: &russh::keys::PublicKey, fingerprint: &str) -> Option<Failure> {
        let algorithm = key.algorithm();
        let fail = |kind, detail| Some(Failure::new(kind, Phase::Handshake, detail));
        match self.keys.check(key) {
            Verdict::Known => None,
            // A revoked key is refused even where any other would do.
            Verdict::Revoked { place } => fail(
                HostOutcomeKind::HostKeyRevoked,
                format!("the {algorithm} key {fingerprint} is marked as revoked in {place}"),
            ),
            _ if self.policy == HostKeyPolicy::AcceptAny => None,
            Verdict::Changed { expected, place } => fail(
                HostOutcomeKind::HostKeyChanged,
                format!(
                    "the server has the {algorithm} key {fingerprint}, but {place} has {expected}: the host was \
                     set up again, or someone is in between"
                ),
            ),
            Verdict::Unknown { other_types, authority } => {
                let mut detail = format!("the {algorithm} key {fingerprint} is not in known_hosts");
                if !other_types.is_empty() {
                    detail += &format!(", which has {} for it", other_types.join(" and "));
                }
                if authority {
                    detail += "; an authority is trusted there, but host certificates are not supported yet";
                }
                let port = if self.port == 22 { String::new() } else { format!("-p {} ", self.port) };
                detail += &format!(
                    "; compare the fingerprint by another way, then: ssh-keyscan {port}{}",
                    self.host
                );
                fail(HostOutcomeKind::HostKeyUnknown, detail)
            }
        }
    }
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
        let rejected = self.judge(&key, &fingerprint);
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

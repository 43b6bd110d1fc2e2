//! What a client can ask of a simulated host: log in with the key, run commands, nothing else.

use super::HostSpec;
use super::command::{self, Conversation};
use super::programs::Programs;
use crate::fault::Fault;
use russh::keys::PublicKey;
use russh::server::{Auth, Handler, Msg, PublicKeyOffer, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use std::collections::HashMap;
use std::net::TcpStream as Line;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is shown to somebody who asks for a shell.
const NO_SHELL: &[u8] = b"echo 'This simulated host runs commands only, as in: ssh HOST COMMAND' >&2; exit 1";

/// One connection.
pub(super) struct Session {
    spec: Arc<HostSpec>,
    sweep_key: Arc<PublicKey>,
    programs: Arc<Programs>,
    /// Channels on which nothing runs yet.
    waiting: HashMap<ChannelId, Channel<Msg>>,
    line: Arc<Line>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Session {
    pub(super) fn new(
        spec: &Arc<HostSpec>,
        sweep_key: &Arc<PublicKey>,
        programs: &Arc<Programs>,
        line: Arc<Line>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let (spec, sweep_key, programs) = (spec.clone(), sweep_key.clone(), programs.clone());
        Self { spec, sweep_key, programs, waiting: HashMap::new(), line, stop, tasks }
    }

    pub(super) fn line(&self) -> Arc<Line> {
        self.line.clone()
    }

    fn judge(&self, key: &PublicKey) -> Auth {
        let welcome =
            self.spec.fault != Some(Fault::RejectKey) && key.key_data() == self.sweep_key.key_data();
        if welcome { Auth::Accept } else { Auth::reject() }
    }

    fn run(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), russh::Error> {
        let Some(channel) = self.waiting.remove(&id) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        let conversation = Conversation {
            channel,
            handle: session.handle(),
            spec: self.spec.clone(),
            programs: self.programs.clone(),
            line: self.line.clone(),
            stop: self.stop.clone(),
        };
        self.tasks.spawn(command::run(conversation, command.to_vec()));
        Ok(())
    }
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.judge(offer.public_key))
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: russh::server::ChannelOpenHandle,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.waiting.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.run(id, command, session)
    }

    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.run(id, NO_SHELL, session)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn channel_close(
        &mut self,
        id: ChannelId,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.waiting.remove(&id);
        Ok(())
    }
}

//! The hosts: one SSH server for all, where the user's name says how it behaves, and ports for what happens before SSH.

use crate::{answers, rogue};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::server::{self, Auth, Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Set in the environment of the process that serves.
pub(crate) const SERVE: &str = "HERDIFF_TEST_SERVE";

/// The names of the ports, in the order in which they are printed.
pub(crate) const PORTS: [&str; 5] = ["ssh", "wrong-key", "silent", "chatter", "rogue"];

/// A key that both processes know.
pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
}

fn listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(4096).unwrap()
}

/// Serves until standard input ends, which it does with the process that started this one.
pub(crate) async fn serve() {
    let listeners = PORTS.map(|_| listener());
    let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port().to_string());
    let [ssh, wrong_key, silent, chatter, rogue] = listeners;
    tokio::spawn(answer(ssh, 1));
    tokio::spawn(answer(wrong_key, 2));
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            kept.push(stream);
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = chatter.accept().await {
            tokio::spawn(
                async move { while stream.write_all(&b"welcome\r\n".repeat(1000)).await.is_ok() {} },
            );
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = rogue.accept().await {
            tokio::spawn(rogue::serve(stream));
        }
    });
    println!("ports {}", ports.join(" "));
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    // Reading from hosts that never end would not stop by itself.
    std::process::abort();
}

async fn answer(listener: TcpListener, seed: u8) {
    let config = server::Config {
        keys: vec![key(seed)],
        auth_rejection_time: Duration::ZERO,
        nodelay: true,
        ..server::Config::default()
    };
    let config = Arc::new(config);
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(session(Arc::clone(&config), stream));
    }
}

async fn session(config: Arc<server::Config>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    if let Ok(session) = server::run_stream(config, stream, Host::default()).await {
        let _ = session.await;
    }
}

#[derive(Default)]
struct Host {
    user: String,
    channel: Option<Channel<Msg>>,
}

impl server::Handler for Host {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        _: server::VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), russh::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut server::Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        if let Some(channel) = self.channel.take() {
            let (reader, writer) = channel.split();
            tokio::spawn(behave(self.user.clone(), reader, writer, session.handle()));
        }
        Ok(())
    }
}

/// Takes what the client sends, up to its end; false where the client has gone.
async fn take_all(reader: &mut ChannelReadHalf) -> bool {
    loop {
        match reader.wait().await {
            Some(ChannelMsg::Eof) => return true,
            None | Some(ChannelMsg::Close) => return false,
            Some(_) => {}
        }
    }
}

async fn behave(kind: String, mut reader: ChannelReadHalf, writer: ChannelWriteHalf<Msg>, handle: Handle) {
    let say = async |bytes: &[u8]| writer.data_bytes(bytes.to_vec()).await.is_ok();
    match kind.as_str() {
        "hang" => {
            take_all(&mut reader).await;
            return;
        }
        "greeting" => while say(&b"Welcome to this host!\n".repeat(1000)).await {},
        // As long as there is somebody to refuse them.
        "channels" => {
            while let Err(russh::Error::ChannelOpenFailure(_)) = handle.channel_open_agent().await {}
            return;
        }
        _ => {}
    }
    if !say(answers::HELLO).await {
        return;
    }
    if kind == "stderr" {
        while writer.extended_data_bytes(1, b"it does not work\n".repeat(1000)).await.is_ok() {}
        return;
    }
    if !take_all(&mut reader).await || !say(answers::PLACED).await || !say(answers::FIRST).await {
        return;
    }
    match kind.as_str() {
        "endless" => while say(&b"{\"query\":\"first\"}\n".repeat(1000)).await {},
        "oneline" => while say(&b"{\"query\":\"first\",\"rows\":[".repeat(1000)).await {},
        "packed" => while say(&answers::packed()).await {},
        "packed-rows" => while say(&answers::packed_rows()).await {},
        "drip" => {
            while say(b"\n").await {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        kind => {
            for piece in answers::of(kind) {
                if !say(&piece).await {
                    return;
                }
            }
            say(answers::END).await;
            let _ = writer.exit_status(0).await;
            let _ = writer.eof().await;
            let _ = writer.close().await;
        }
    }
}

//! A server that breaks SSH's own rules, which no library lets a server do: just enough of the protocol to come to the point where
//! it can. The user's name says which rule.

use crate::answers;
use crate::farm::key;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What it does, by the user's name.
pub(crate) const KINDS: &[&str] =
    &["refusals", "banners", "requests", "opens", "nothings", "past-window", "large-packets"];

const SERVER: &[u8] = b"SSH-2.0-Rogue";

/// One direction of the connection, once keys are agreed on.
struct Sealed {
    key: LessSafeKey,
    iv: [u8; 12],
}

impl Sealed {
    fn nonce(&mut self) -> Nonce {
        let nonce = Nonce::assume_unique_for_key(self.iv);
        let counter = u64::from_be_bytes(self.iv[4..].try_into().unwrap()) + 1;
        self.iv[4..].copy_from_slice(&counter.to_be_bytes());
        nonce
    }
}

struct Rogue {
    stream: TcpStream,
    from: Option<Sealed>,
    to: Option<Sealed>,
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Takes a string from the front.
fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
    let (string, tail) = rest[4..].split_at(length);
    *rest = tail;
    string
}

/// A positive number, as SSH writes it.
fn number(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        string(&[&[0], bytes].concat())
    } else {
        string(bytes)
    }
}

impl Rogue {
    /// One packet, or as many bytes of packets as there are.
    fn packet(&mut self, payload: &[u8]) -> Vec<u8> {
        let block = if self.to.is_some() { 16 } else { 8 };
        let counted = if self.to.is_some() { 1 } else { 5 } + payload.len();
        let mut padding = block - counted % block;
        if padding < 4 {
            padding += block;
        }
        let length = u32::try_from(1 + payload.len() + padding).unwrap().to_be_bytes();
        let mut body = [&[u8::try_from(padding).unwrap()], payload, &vec![0; padding]].concat();
        if let Some(to) = &mut self.to {
            let nonce = to.nonce();
            to.key.seal_in_place_append_tag(nonce, Aad::from(length), &mut body).unwrap();
        }
        [&length[..], &body].concat()
    }

    async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let packet = self.packet(payload);
        self.stream.write_all(&packet).await
    }

    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        let tag = if self.from.is_some() { 16 } else { 0 };
        let mut body = vec![0; u32::from_be_bytes(length) as usize + tag];
        self.stream.read_exact(&mut body).await?;
        if let Some(from) = &mut self.from {
            let nonce = from.nonce();
            let opened = from.key.open_in_place(nonce, Aad::from(length), &mut body);
            let opened = opened.map_err(|_| io::Error::other("not sealed"))?.len();
            body.truncate(opened);
        }
        let padding = usize::from(body[0]);
        Ok(body[1..body.len() - padding].to_vec())
    }

    /// The next message of this number; what comes before it is passed over.
    async fn wait_for(&mut self, number: u8) -> io::Result<Vec<u8>> {
        loop {
            let message = self.receive().await?;
            if message[0] == number {
                return Ok(message);
            }
        }
    }

    async fn agree(&mut self, seed: u8) -> io::Result<()> {
        self.stream.write_all(&[SERVER, b"\r\n"].concat()).await?;
        let mut client = Vec::new();
        while !client.ends_with(b"\r\n") {
            client.push(self.stream.read_u8().await?);
        }
        client.truncate(client.len() - 2);
        let lists = [
            "curve25519-sha256",
            "ssh-ed25519",
            "aes128-gcm@openssh.com",
            "aes128-gcm@openssh.com",
            "hmac-sha2-256",
            "hmac-sha2-256",
            "none",
            "none",
            "",
            "",
        ];
        let lists: Vec<u8> = lists.iter().flat_map(|list| string(list.as_bytes())).collect();
        let ours = [&[20][..], &[7; 16], &lists, &[0; 5]].concat();
        self.send(&ours).await?;
        let theirs = self.wait_for(20).await?;
        let init = self.wait_for(30).await?;
        let their_point = take(&mut &init[1..]).to_vec();
        let random = SystemRandom::new();
        let secret = EphemeralPrivateKey::generate(&X25519, &random).unwrap();
        let our_point = secret.compute_public_key().unwrap();
        let shared = UnparsedPublicKey::new(&X25519, their_point.clone());
        let shared = agree_ephemeral(secret, &shared, number).unwrap();
        let host = key(seed).public_key().to_bytes().unwrap();
        let parts = [&client[..], SERVER, &theirs, &ours, &host, &their_point, our_point.as_ref()];
        let mut hashed: Vec<u8> = parts.iter().flat_map(|part| string(part)).collect();
        hashed.extend(&shared);
        let hash = digest(&SHA256, &hashed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let signature = [string(b"ssh-ed25519"), string(pair.sign(hash.as_ref()).as_ref())].concat();
        let reply = [&[31][..], &string(&host), &string(our_point.as_ref()), &string(&signature)].concat();
        self.send(&reply).await?;
        self.send(&[21]).await?;
        self.wait_for(21).await?;
        let derive =
            |letter: u8| digest(&SHA256, &[&shared[..], hash.as_ref(), &[letter], hash.as_ref()].concat());
        let sealed = |iv: u8, key: u8| Sealed {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &derive(key).as_ref()[..16]).unwrap()),
            iv: derive(iv).as_ref()[..12].try_into().unwrap(),
        };
        (self.from, self.to) = (Some(sealed(b'A', b'C')), Some(sealed(b'B', b'D')));
        Ok(())
    }

    /// Sends this for ever, and reads nothing.
    async fn flood(&mut self, payload: &[u8]) -> io::Result<()> {
        loop {
            let mut packets = Vec::new();
            while packets.len() < 64 << 10 {
                packets.extend(self.packet(payload));
            }
            self.stream.write_all(&packets).await?;
        }
    }

    async fn behave(&mut self) -> io::Result<()> {
        self.agree(1).await?;
        self.wait_for(5).await?;
        self.send(&[&[6][..], &string(b"ssh-userauth")].concat()).await?;
        let kind = loop {
            let request = self.wait_for(50).await?;
            let mut rest = &request[1..];
            let user = String::from_utf8(take(&mut rest).to_vec()).unwrap();
            match user.as_str() {
                "refusals" => self.flood(&[&[51][..], &string(b"publickey"), &[0]].concat()).await?,
                "banners" => {
                    let banner = string(&b"Authorized users only.\n".repeat(1000));
                    self.flood(&[&[53][..], &banner, &string(b"")].concat()).await?;
                }
                _ => {}
            }
            let (_, method) = (take(&mut rest), take(&mut rest));
            if method == b"publickey" && rest[0] == 0 {
                rest = &rest[1..];
                let (algorithm, blob) = (take(&mut rest), take(&mut rest));
                self.send(&[&[60][..], &string(algorithm), &string(blob)].concat()).await?;
            } else {
                self.send(&[52]).await?;
                break user;
            }
        };
        let open = self.wait_for(90).await?;
        let mut rest = &open[1..];
        take(&mut rest);
        let channel = rest[..4].to_vec();
        let sizes = [0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 128, 0];
        self.send(&[&[91][..], &channel, &sizes].concat()).await?;
        self.wait_for(98).await?;
        self.send(&[&[99][..], &channel].concat()).await?;
        let data = |bytes: &[u8]| [&[94][..], &channel, &string(bytes)].concat();
        match kind.as_str() {
            "requests" => {
                self.flood(&[&[80][..], &string(b"keepalive@openssh.com"), &[1]].concat()).await?;
            }
            "opens" => {
                let forwarded = [&[0, 0, 0, 9][..], &[0, 0, 1, 0], &[0, 0, 1, 0]].concat();
                self.flood(&[&[90][..], &string(b"x11"), &forwarded, &string(b"a"), &[0; 4]].concat())
                    .await?;
            }
            "nothings" => self.flood(&[&[2][..], &string(&[0; 1000])].concat()).await?,
            _ => {}
        }
        self.send(&data(answers::HELLO)).await?;
        self.wait_for(96).await?;
        self.send(&data(answers::PLACED)).await?;
        self.send(&data(answers::FIRST)).await?;
        match kind.as_str() {
            "past-window" => self.flood(&data(&b"{\"query\":\"first\"}\n".repeat(1800))).await,
            // Larger packets than we take, too.
            "large-packets" => self.flood(&data(&b"{\"query\":\"first\"}\n".repeat(10_000))).await,
            kind => panic!("{kind}"),
        }
    }
}

/// Serves one connection.
pub(crate) async fn serve(stream: TcpStream) {
    // That the other side has had enough is what it is for.
    let _ = Rogue { stream, from: None, to: None }.behave().await;
}

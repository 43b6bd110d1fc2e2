//! Keys that live in a security key, through an agent: one that signs as such a key would, as there is none to plug in here.

use crate::harness::*;
use data_encoding::BASE64;
use herdiff_model::outcome::HostOutcomeKind as Kind;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

const TYPE: &[u8] = b"sk-ssh-ed25519@openssh.com";
const APPLICATION: &[u8] = b"ssh:";
/// Somebody has touched it.
const PRESENT: u8 = 1;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The strings of a request, one after the other.
fn strings(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let Some((one, tail)) = tail.split_at_checked(u32::from_be_bytes(*length) as usize) else { break };
        found.push(one);
        rest = tail;
    }
    found
}

fn blob(key: &Ed25519KeyPair) -> Vec<u8> {
    [string(TYPE), string(key.public_key().as_ref()), string(APPLICATION)].concat()
}

/// What the key signs is not the data alone, but also that somebody was there, and how often it has signed.
fn sign(key: &Ed25519KeyPair, data: &[u8]) -> Vec<u8> {
    let tail = [&[PRESENT][..], &7u32.to_be_bytes()].concat();
    let signed = [digest(&SHA256, APPLICATION).as_ref(), &tail, digest(&SHA256, data).as_ref()].concat();
    [string(TYPE), string(key.sign(&signed).as_ref()), tail].concat()
}

fn serve(mut stream: UnixStream, key: &Ed25519KeyPair) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request)?;
        let answer = match request[0] {
            11 => [&[12][..], &1u32.to_be_bytes(), &string(&blob(key)), &string(b"a token")].concat(),
            13 => [&[14][..], &string(&sign(key, strings(&request[1..])[1]))].concat(),
            _ => vec![5],
        };
        stream.write_all(&string(&answer))?;
    }
}

/// An agent for the time of the test.
fn agent(socket: &Path, seed: [u8; 32]) -> Vec<u8> {
    let key = move || Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream, &key()));
        }
    });
    blob(&key())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_key_behind_an_agent() {
    if !sshd_is_there() {
        return;
    }
    let keys = Keys::new();
    let blob = agent(&keys.path("token"), [42; 32]);
    let accepted = keys.path("accepted");
    let line = format!("{} {}\n", String::from_utf8_lossy(TYPE), BASE64.encode(&blob));
    fs::write(&accepted, line).unwrap();
    let sshd = keys.sshd(&format!("AuthorizedKeysFile {}", accepted.display()));
    let mut config = keys.config(&[sshd.port]);
    config.ssh.identities.clear();
    config.ssh.agent = Some(keys.path("token"));
    let swept = sweep(vec![target("a", sshd.port)], config.clone()).await;
    assert_eq!(swept.kind("a"), Kind::Ok, "{:?} {}", swept.visit("a").outcome, sshd.log());

    agent(&keys.path("other"), [43; 32]);
    config.ssh.agent = Some(keys.path("other"));
    assert_eq!(sweep(vec![target("a", sshd.port)], config).await.kind("a"), Kind::AuthFailed);
}

//! The keys of an ssh-agent.

use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PublicKey};
use std::io;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The keys of an agent. russh's own list fails as a whole where one key is of a kind that it does not know.
pub(crate) async fn list(socket: &Path) -> io::Result<(Vec<AgentIdentity>, Vec<String>)> {
    const REQUEST_IDENTITIES: u8 = 11;
    const IDENTITIES_ANSWER: u8 = 12;
    const MOST_BYTES: u32 = 1 << 20;
    let mut agent = UnixStream::connect(socket).await?;
    agent.write_all(&[0, 0, 0, 1, REQUEST_IDENTITIES]).await?;
    let length = agent.read_u32().await?;
    if length > MOST_BYTES {
        return Err(io::Error::other("its answer is too long"));
    }
    let mut answer = vec![0; length as usize];
    agent.read_exact(&mut answer).await?;
    let (Some(&IDENTITIES_ANSWER), Some(mut rest)) = (answer.first(), answer.get(5..)) else {
        return Err(io::Error::other("it does not list its keys"));
    };
    let (mut keys, mut notes) = (Vec::new(), Vec::new());
    while let (Some(blob), Some(comment)) = (string(&mut rest), string(&mut rest)) {
        let comment = String::from_utf8_lossy(comment).into_owned();
        match identity(blob, comment.clone()) {
            Some(identity) => keys.push(identity),
            None => notes.push(format!("the agent's key {comment:?} is of a kind that is not known here")),
        }
    }
    Ok((keys, notes))
}

fn identity(blob: &[u8], comment: String) -> Option<AgentIdentity> {
    let kind = string(&mut { blob })?;
    if kind.ends_with(b"-cert-v01@openssh.com") {
        let certificate = Certificate::from_bytes(blob).ok()?;
        return Some(AgentIdentity::Certificate { certificate, comment });
    }
    let key = PublicKey::from_bytes(blob).ok()?;
    Some(AgentIdentity::PublicKey { key, comment })
}

/// Takes a string as SSH writes it, its length before it, from the front.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let (string, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = tail;
    Some(string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn framed(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// An agent that answers with this, whatever it is asked.
    async fn ask(answer: Vec<u8>) -> io::Result<(Vec<AgentIdentity>, Vec<String>)> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 5]).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        });
        list(&socket).await
    }

    #[tokio::test]
    async fn a_key_of_an_unknown_kind_costs_only_itself() {
        let good = PublicKey::from_openssh(ED25519).unwrap().to_bytes().unwrap();
        let odd = framed(b"ssh-of-the-future");
        let list = [framed(&odd), framed(b"odd"), framed(&good), framed(b"good")].concat();
        let answer = framed(&[&[12, 0, 0, 0, 2], list.as_slice()].concat());
        let (keys, notes) = ask(answer).await.unwrap();
        assert_eq!(keys.iter().map(|key| key.comment()).collect::<Vec<_>>(), ["good"]);
        assert_eq!(notes, ["the agent's key \"odd\" is of a kind that is not known here"]);
    }

    #[tokio::test]
    async fn an_agent_that_answers_nonsense_is_no_agent() {
        assert!(ask(framed(&[5])).await.is_err());
        assert!(ask(vec![0xff; 4]).await.unwrap_err().to_string().contains("too long"));
        let (keys, _) = ask(framed(&[12, 0, 0, 0, 9, 0, 0, 0, 99, 1])).await.unwrap();
        assert!(keys.is_empty());
    }
}

//! The keys that we log in with: files and the agent, read once before the first connection.

use super::SshConfig;
use crate::sweep::SweepError;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Keys that are offered to one host; sshd ends the connection after six.
const MOST_TRIES: usize = 6;

/// An agent that does not answer must not hold up the sweep.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// All keys of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    /// Keys by file, or why there is none.
    files: HashMap<PathBuf, Result<Arc<PrivateKey>, String>>,
    identities: Vec<PathBuf>,
    defaults: Vec<PathBuf>,
    home: Option<PathBuf>,
    agent: Option<PathBuf>,
    agent_keys: Vec<AgentIdentity>,
    pub(crate) notes: Vec<String>,
}

/// A key to try.
#[derive(Clone, Debug)]
pub(crate) enum Candidate {
    File(PathBuf, Arc<PrivateKey>),
    Agent(Box<AgentIdentity>),
}

impl Keyring {
    /// Reads the keys that the configuration and the inventory name.
    pub(crate) async fn load(config: &SshConfig, of_targets: Vec<PathBuf>) -> Result<Self, SweepError> {
        let mut ring = Self {
            identities: config.identities.clone(),
            defaults: config.default_identities.clone(),
            home: config.home.clone(),
            agent: config.agent.clone(),
            ..Self::default()
        };
        if let Some(socket) = &config.agent {
            match tokio::time::timeout(AGENT_PATIENCE, list(socket)).await {
                Ok(Ok((keys, notes))) => {
                    ring.agent_keys = keys;
                    ring.notes.extend(notes);
                }
                Ok(Err(error)) => ring.notes.push(format!("no ssh-agent at {}: {error}", socket.display())),
                Err(_) => ring.notes.push(format!("the ssh-agent at {} does not answer", socket.display())),
            }
        }
        // Deriving the key of an encrypted file takes a second, and asking for the passphrase may take longer.
        let config = config.clone();
        let loading = tokio::task::spawn_blocking(move || {
            ring.read_files(&config, of_targets)?;
            Ok(ring)
        });
        loading.await.unwrap_or_else(|error| {
            Err(SweepError::Identity { path: "(all)".into(), why: format!("reading keys failed: {error}") })
        })
    }

    fn read_files(&mut self, config: &SshConfig, of_targets: Vec<PathBuf>) -> Result<(), SweepError> {
        for path in &config.identities {
            if let Err(why) = self.read(path, config)
                && (self.agent_keys.is_empty() || !path.exists())
            {
                return Err(SweepError::Identity { path: path.display().to_string(), why });
            }
        }
        for path in of_targets {
            let path = self.resolve(&path);
            if let Err(why) = self.read(&path, config) {
                self.notes.push(format!("private key {} of the inventory: {why}", path.display()));
            }
        }
        for path in config.default_identities.iter().filter(|path| path.exists()) {
            if let Err(why) = self.read(path, config) {
                self.notes.push(format!("private key {} was passed over: {why}", path.display()));
            }
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, config: &SshConfig) -> Result<(), String> {
        let entry = self.files.entry(path.to_owned()).or_insert_with(|| read_key(path, config).map(Arc::new));
        entry.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// `~/` in a path of the inventory.
    fn resolve(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    /// What to offer to a host, best first, each key once. `own` is the key file that the inventory names for it.
    pub(crate) fn candidates(&self, own: Option<&Path>) -> Vec<Candidate> {
        let own = own.map(|path| self.resolve(path));
        let file = |path: &PathBuf| {
            let key = self.files.get(path)?.as_ref().ok()?;
            Some(Candidate::File(path.clone(), Arc::clone(key)))
        };
        let mut candidates: Vec<_> = own.iter().chain(&self.identities).filter_map(file).collect();
        candidates.extend(self.agent_keys.iter().cloned().map(Box::new).map(Candidate::Agent));
        candidates.extend(self.defaults.iter().filter_map(file));
        let mut seen: Vec<Vec<u8>> = Vec::new();
        candidates.retain(|candidate| {
            let blob = candidate.blob();
            let new = !seen.contains(&blob);
            seen.push(blob);
            new
        });
        candidates.truncate(MOST_TRIES);
        candidates
    }

    /// Why a key file that should have been offered to a host was not.
    pub(crate) fn problems(&self, own: Option<&Path>) -> Option<String> {
        let path = self.resolve(own?);
        let why = self.files.get(&path)?.as_ref().err()?;
        Some(format!("{}: {why}", path.display()))
    }

    /// The socket of the agent.
    pub(crate) fn agent(&self) -> Option<&Path> {
        self.agent.as_deref()
    }
}

impl Candidate {
    fn blob(&self) -> Vec<u8> {
        let blob = match self {
            Self::File(_, key) => key.public_key().to_bytes(),
            Self::Agent(identity) => match &**identity {
                AgentIdentity::PublicKey { key, .. } => key.to_bytes(),
                AgentIdentity::Certificate { certificate, .. } => certificate.to_bytes(),
            },
        };
        blob.unwrap_or_default()
    }

    /// How it is called in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path, _) => path.display().to_string(),
            Self::Agent(identity) => format!("{} (agent)", identity.comment()),
        }
    }
}

fn read_key(path: &Path, config: &SshConfig) -> Result<PrivateKey, String> {
    let text =
        std::fs::read_to_string(path).map(zeroize::Zeroizing::new).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => "it is not a private key in a form that is known here".to_owned(),
            _ => error.to_string(),
        })?;
    let plain = match decode_secret_key(&text, None) {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    // Of the encrypted forms only OpenSSH's own says that it is one.
    let encrypted = matches!(plain, russh::keys::Error::KeyIsEncrypted)
        || text.contains("ENCRYPTED")
        || text.contains("Encryption: aes");
    if !encrypted {
        return Err(format!("it cannot be read as a private key ({plain})"));
    }
    let passphrase = config.passphrase.as_ref().and_then(|ask| ask(path));
    let passphrase =
        passphrase.ok_or("it is encrypted, and no passphrase was given; ssh-add it to an agent")?;
    decode_secret_key(&text, Some(&passphrase))
        .map_err(|error| format!("it is encrypted, and the passphrase does not open it ({error})"))
}

/// The keys of an agent. russh's own list fails as a whole where one key is of a kind that it does not know.
async fn list(socket: &Path) -> io::Result<(Vec<AgentIdentity>, Vec<String>)> {
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

    #[test]
    fn what_is_no_key_is_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let why = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_key(&path, &SshConfig::default()).unwrap_err()
        };
        assert!(why(b"hello").contains("cannot be read as a private key"));
        assert!(why(b"\xff\xfe").contains("not a private key"));
        assert!(why(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n").contains("is encrypted"));
    }
}

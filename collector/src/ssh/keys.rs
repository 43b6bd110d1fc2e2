//! The keys that we log in with: files and agents, read once before the first connection.

use super::SshConfig;
use super::agent::list;
use super::config::Settings;
use crate::sweep::SweepError;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Keys that are offered to one host; sshd ends the connection after six.
const MOST_TRIES: usize = 6;

/// An agent that does not answer must not hold up the sweep.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// All keys of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    /// Private keys by file, or why there is none.
    files: HashMap<PathBuf, Result<Arc<PrivateKey>, String>>,
    /// Public keys by the file of the private one, also where that stays closed.
    public: HashMap<PathBuf, PublicKey>,
    /// Certificates by file.
    certificates: HashMap<PathBuf, Certificate>,
    /// Keys of agents by their sockets.
    agents: HashMap<PathBuf, Vec<AgentIdentity>>,
    pub(crate) notes: Vec<String>,
}

/// A key to try.
#[derive(Clone, Debug)]
pub(crate) enum Candidate {
    File(PathBuf, Arc<PrivateKey>),
    Certificate(PathBuf, Arc<PrivateKey>, Box<Certificate>),
    Agent(Box<AgentIdentity>),
}

impl Keyring {
    /// Reads the keys that flags, inventory and configuration name for these hosts.
    pub(crate) async fn load(config: &SshConfig, hosts: &[Arc<Settings>]) -> Result<Self, SweepError> {
        let mut ring = Self::default();
        let agents: BTreeSet<&PathBuf> = hosts.iter().filter_map(|host| host.agent.as_ref()).collect();
        for socket in agents {
            match tokio::time::timeout(AGENT_PATIENCE, list(socket)).await {
                Ok(Ok((keys, notes))) => {
                    ring.agents.insert(socket.clone(), keys);
                    ring.notes.extend(notes);
                }
                Ok(Err(error)) => ring.notes.push(format!("no ssh-agent at {}: {error}", socket.display())),
                Err(_) => ring.notes.push(format!("the ssh-agent at {} does not answer", socket.display())),
            }
        }
        // Deriving the key of an encrypted file takes a second, and asking for the passphrase may take longer.
        let (config, hosts) = (config.clone(), hosts.to_vec());
        let loading = tokio::task::spawn_blocking(move || {
            ring.read_files(&config, &hosts)?;
            Ok(ring)
        });
        loading.await.unwrap_or_else(|error| {
            Err(SweepError::Identity { path: "(all)".into(), why: format!("reading keys failed: {error}") })
        })
    }

    fn read_files(&mut self, config: &SshConfig, hosts: &[Arc<Settings>]) -> Result<(), SweepError> {
        for path in &config.identities {
            if let Err(why) = self.read(path, config)
                && !(path.exists() && self.in_an_agent(path))
            {
                return Err(SweepError::Identity { path: path.display().to_string(), why });
            }
        }
        let of_inventory: BTreeSet<&PathBuf> =
            hosts.iter().filter_map(|host| host.own_identity.as_ref()).collect();
        for path in of_inventory {
            if let Err(why) = self.read(path, config) {
                self.notes.push(format!("private key {} of the inventory: {why}", path.display()));
            }
        }
        let configured: BTreeSet<&PathBuf> = hosts.iter().flat_map(|host| &host.identities).collect();
        for path in configured.into_iter().filter(|path| path.exists()) {
            if let Err(why) = self.read(path, config)
                && !self.in_an_agent(path)
            {
                self.notes.push(format!("private key {} was passed over: {why}", path.display()));
            }
        }
        let named: BTreeSet<&PathBuf> = hosts.iter().flat_map(|host| &host.certificates).collect();
        let beside: Vec<PathBuf> = self.files.keys().map(|path| with_suffix(path, "-cert.pub")).collect();
        for path in named.into_iter().chain(beside.iter().filter(|path| path.exists())) {
            self.read_certificate(path);
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, config: &SshConfig) -> Result<(), String> {
        if !self.files.contains_key(path) {
            let public = std::fs::read_to_string(with_suffix(path, ".pub")).ok();
            if let Some(public) = public.and_then(|text| PublicKey::from_openssh(&text).ok()) {
                self.public.insert(path.to_owned(), public);
            }
            // The agent has it open already: there is no need to ask for its passphrase.
            let ask = !self.in_an_agent(path);
            let key = read_key(path, config, ask).map(Arc::new);
            if let Ok(key) = &key {
                self.public.insert(path.to_owned(), key.public_key().clone());
            }
            self.files.insert(path.to_owned(), key);
        }
        self.files.get(path).map_or(Ok(()), |key| key.as_ref().map(|_| ()).map_err(Clone::clone))
    }

    fn read_certificate(&mut self, path: &Path) {
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let read =
            read.and_then(|text| Certificate::from_openssh(text.trim()).map_err(|error| error.to_string()));
        match read {
            Ok(certificate) => {
                self.certificates.insert(path.to_owned(), certificate);
            }
            Err(why) => self.notes.push(format!("the certificate {} was passed over: {why}", path.display())),
        }
    }

    fn in_an_agent(&self, path: &Path) -> bool {
        let Some(public) = self.public.get(path) else { return false };
        self.agents.values().flatten().any(|identity| is_of(identity, public))
    }

    /// What to offer to a host, best first, each key once: what was named for it, with the certificates before the keys; then
    /// what an agent holds, unless only what is named counts; then what is there by default.
    pub(crate) fn candidates(&self, host: &Settings) -> Vec<Candidate> {
        let named: Vec<&PathBuf> = host.own_identity.iter().chain(&host.identities).collect();
        let agent = host.agent.as_ref().and_then(|socket| self.agents.get(socket));
        let agent = || agent.into_iter().flatten();
        let mut candidates: Vec<Candidate> = Vec::new();
        for &path in &named {
            candidates.extend(self.certified(path, host));
            if let Some(public) = self.public.get(path) {
                let held = agent().filter(|identity| is_of(identity, public)).cloned();
                candidates.extend(held.map(Box::new).map(Candidate::Agent));
            }
            if host.own_identity.as_ref() == Some(path) || host.names_identities() {
                candidates.extend(self.file(path));
            }
        }
        if !host.answer.identities_only {
            candidates.extend(agent().cloned().map(Box::new).map(Candidate::Agent));
        }
        candidates.extend(named.iter().filter_map(|path| self.file(path)));
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

    fn file(&self, path: &PathBuf) -> Option<Candidate> {
        let key = self.files.get(path)?.as_ref().ok()?;
        Some(Candidate::File(path.clone(), Arc::clone(key)))
    }

    /// The certificates for a key: beside its file, and those that are configured.
    fn certified(&self, path: &PathBuf, host: &Settings) -> Vec<Candidate> {
        let Some(Ok(key)) = self.files.get(path) else { return Vec::new() };
        let beside = with_suffix(path, "-cert.pub");
        let certificates = host.certificates.iter().chain([&beside]).filter_map(|path| {
            let certificate = self.certificates.get(path)?;
            let fits = certificate.public_key() == key.public_key().key_data();
            fits.then(|| Candidate::Certificate(path.clone(), Arc::clone(key), Box::new(certificate.clone())))
        });
        certificates.collect()
    }

    /// Why a key that should have been offered to a host was not, or will not do.
    pub(crate) fn problems(&self, host: &Settings) -> Vec<String> {
        let own = host.own_identity.as_ref().and_then(|path| {
            let why = self.files.get(path)?.as_ref().err()?;
            Some(format!("{}: {why}", path.display()))
        });
        let now = SystemTime::now();
        let named = host.own_identity.iter().chain(&host.identities);
        let certified = named.flat_map(|path| self.certified(path, host));
        let expired = certified.filter_map(|candidate| match candidate {
            Candidate::Certificate(path, _, certificate) => {
                let over = certificate.valid_before_time().is_some_and(|end| end < now);
                over.then(|| format!("the certificate {} has expired", path.display()))
            }
            _ => None,
        });
        own.into_iter().chain(expired).collect()
    }
}

/// Whether an agent's key is this one, with or without a certificate.
fn is_of(identity: &AgentIdentity, public: &PublicKey) -> bool {
    match identity {
        AgentIdentity::PublicKey { key, .. } => key.key_data() == public.key_data(),
        AgentIdentity::Certificate { certificate, .. } => certificate.public_key() == public.key_data(),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Candidate {
    fn blob(&self) -> Vec<u8> {
        let blob = match self {
            Self::File(_, key) => key.public_key().to_bytes(),
            Self::Certificate(_, _, certificate) => certificate.to_bytes(),
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
            Self::File(path, _) | Self::Certificate(path, ..) => path.display().to_string(),
            Self::Agent(identity) => format!("{} (agent)", identity.comment()),
        }
    }
}

fn read_key(path: &Path, config: &SshConfig, ask: bool) -> Result<PrivateKey, String> {
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
    let passphrase = config.passphrase.as_ref().filter(|_| ask).and_then(|ask| ask(path));
    let passphrase =
        passphrase.ok_or("it is encrypted, and no passphrase was given; ssh-add it to an agent")?;
    decode_secret_key(&text, Some(&passphrase))
        .map_err(|error| format!("it is encrypted, and the passphrase does not open it ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let why = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_key(&path, &SshConfig::default(), true).unwrap_err()
        };
        assert!(why(b"hello").contains("cannot be read as a private key"));
        assert!(why(b"\xff\xfe").contains("not a private key"));
        assert!(why(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n").contains("is encrypted"));
    }
}

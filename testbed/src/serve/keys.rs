//! Keys: of hosts, and of the one who sweeps them.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{self, LineEnding};
use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] rustix::io::Errno),
    /// The key could not be written down.
    #[error(transparent)]
    Format(#[from] ssh_key::Error),
}

/// A new Ed25519 key.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn new(comment: &str) -> Result<PrivateKey, KeyError> {
    let mut seed = [0; 32];
    let got = getrandom(&mut seed, GetRandomFlags::empty())?;
    if got != seed.len() {
        return Err(KeyError::Random(rustix::io::Errno::IO));
    }
    Ok(PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&seed)), comment)?)
}

/// As OpenSSH keeps it in a file.
///
/// # Errors
/// Where it cannot be written down.
pub fn file(key: &PrivateKey) -> Result<String, KeyError> {
    Ok(key.to_openssh(LineEnding::LF)?.to_string())
}

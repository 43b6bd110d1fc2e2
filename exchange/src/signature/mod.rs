//! Detached signatures of whole files, in the form of OpenSSH (`ssh-keygen -Y sign` and `-Y verify`).
//!
//! What is signed is every byte of the file, as its SHA-512, in a namespace of our own: so a signature that somebody
//! made for another purpose is never one of a bundle, and the other way round.

mod agent;
mod allowed;

pub use agent::{Agent, AgentError};
pub use allowed::{AllowedSigners, AllowedSignersError, NotAllowed};

use sha2::{Digest, Sha256, Sha512};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, Fingerprint, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use std::io::Read;

/// What `ssh-keygen -n` has to say.
pub const NAMESPACE: &str = "herdiff@bundle";

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";

/// No signature file is longer.
const MOST_SIGNATURE: usize = 64 << 10;

/// Why nothing was signed, or a signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The file that is signed.
    #[error("it cannot be read: {0}")]
    Read(std::io::Error),
    /// The library refuses the key.
    #[error("the key cannot sign: {0}")]
    Sign(ssh_key::Error),
    /// The agent refuses.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// No signature at all.
    #[error("this is not an SSH signature: it does not start with {BEGIN}")]
    NotASignature,
    /// Something that should be one.
    #[error("the SSH signature cannot be read: {0}")]
    Malformed(ssh_key::Error),
    /// A signature for something else.
    #[error("the signature is for {0:?}, and not for {NAMESPACE:?}")]
    Namespace(String),
    /// SHA-1, or an algorithm that is not known.
    #[error("signatures by {0} are not believed")]
    Algorithm(String),
    /// Not of these bytes.
    #[error("the signature does not belong to this file: one of the two was changed")]
    Wrong,
    /// Nobody who is trusted.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
}

/// A private key that may still be locked.
#[derive(Debug)]
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// Understands a key file in OpenSSH's form.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, ssh_key::Error> {
        PrivateKey::from_openssh(text).map(Self)
    }

    /// Whether it needs a passphrase.
    pub fn is_locked(&self) -> bool {
        self.0.is_encrypted()
    }

    /// Opens it with a passphrase.
    ///
    /// # Errors
    /// When it is the wrong one.
    pub fn unlock(&self, passphrase: &str) -> Result<Self, ssh_key::Error> {
        self.0.decrypt(passphrase).map(Self)
    }
}

/// A public key, as in a file `*.pub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey(KeyData);

impl VerifyingKey {
    /// Understands a line of a `*.pub` file.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(line: &str) -> Result<Self, ssh_key::Error> {
        PublicKey::from_openssh(line.trim()).map(|key| Self(key.key_data().clone()))
    }

    /// As OpenSSH shows it: kind and fingerprint.
    pub fn shown(&self) -> String {
        let kind = match self.0.algorithm() {
            Algorithm::Ed25519 => "ED25519".to_owned(),
            Algorithm::Rsa { .. } => "RSA".to_owned(),
            Algorithm::Ecdsa { .. } => "ECDSA".to_owned(),
            other => other.as_str().to_owned(),
        };
        format!("{kind} key {}", self.0.fingerprint(HashAlg::Sha256))
    }

    /// Its SHA-256 fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint(HashAlg::Sha256)
    }
}

fn digest(mut file: impl Read, hash: HashAlg) -> Result<Vec<u8>, SignatureError> {
    fn all<D: Digest>(file: &mut impl Read) -> std::io::Result<Vec<u8>> {
        let mut digest = D::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(digest.finalize().to_vec()),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            digest.update(buffer.get(..read).unwrap_or_default());
        }
    }
    match hash {
        HashAlg::Sha256 => all::<Sha256>(&mut file),
        HashAlg::Sha512 => all::<Sha512>(&mut file),
        other => return Err(SignatureError::Algorithm(other.to_string())),
    }
    .map_err(SignatureError::Read)
}

/// Signs all bytes of a file with a key; gives the text of a `.sig` file.
///
/// # Errors
/// When the file cannot be read, or the key cannot sign.
pub fn sign(file: impl Read, key: &SigningKey) -> Result<String, SignatureError> {
    let digest = digest(file, HashAlg::Sha512)?;
    let signature = SshSig::sign_prehash(&key.0, NAMESPACE, HashAlg::Sha512, &digest);
    signature.and_then(|signature| signature.to_pem(LineEnding::LF)).map_err(SignatureError::Sign)
}

/// As [`sign`], with a key that an agent keeps.
///
/// # Errors
/// When the file cannot be read, or the agent does not sign.
pub fn sign_with_agent(
    file: impl Read,
    agent: &mut Agent,
    key: &VerifyingKey,
) -> Result<String, SignatureError> {
    let digest = digest(file, HashAlg::Sha512)?;
    let data =
        SshSig::signed_data_for_prehash(NAMESPACE, HashAlg::Sha512, &digest).map_err(SignatureError::Sign)?;
    let signature = SshSig::new(key.0.clone(), NAMESPACE, HashAlg::Sha512, agent.sign(&key.0, &data)?)
        .map_err(SignatureError::Sign)?;
    // An agent may be anything: what it signed is looked at before it is given away.
    holds(&key.0, &digest, &signature)?;
    signature.to_pem(LineEnding::LF).map_err(SignatureError::Sign)
}

/// Checks a signature of a file, and that its key is one that `allowed` has for an identity at a time (in seconds since
/// 1970). Gives the key.
///
/// # Errors
/// When it does not hold.
pub fn verify(
    file: impl Read,
    signature: &str,
    allowed: &AllowedSigners,
    identity: &str,
    now: u64,
) -> Result<VerifyingKey, SignatureError> {
    let signature = signature.trim_start();
    if signature.len() > MOST_SIGNATURE || !signature.starts_with(BEGIN) {
        return Err(SignatureError::NotASignature);
    }
    let signature = SshSig::from_pem(signature).map_err(SignatureError::Malformed)?;
    if signature.namespace() != NAMESPACE {
        return Err(SignatureError::Namespace(signature.namespace().to_owned()));
    }
    let key = VerifyingKey(signature.public_key().clone());
    // Who it is comes first: nothing of a stranger's key is calculated with.
    allowed.allows(&key, identity, now)?;
    let digest = digest(file, signature.hash_alg())?;
    holds(&key.0, &digest, &signature)?;
    Ok(key)
}

fn holds(key: &KeyData, digest: &[u8], signature: &SshSig) -> Result<(), SignatureError> {
    // As OpenSSH does it: no SHA-1.
    if let Algorithm::Rsa { hash: None } | Algorithm::Dsa = signature.algorithm() {
        return Err(SignatureError::Algorithm(signature.algorithm().as_str().to_owned()));
    }
    let key = PublicKey::from(key.clone());
    key.verify_prehash(NAMESPACE, digest, signature).map_err(|_| SignatureError::Wrong)
}

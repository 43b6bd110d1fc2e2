//! Signs with a key of a file for a certificate: by itself russh signs RSA certificates in a way that sshd refuses.

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_key::encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};
use std::sync::Arc;

/// A private key that signs.
pub(super) struct FileSigner(pub(super) Arc<PrivateKey>);

/// A signature that could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    #[error("the connection is gone")]
    Gone(#[from] russh::SendError),
    #[error("the key cannot sign: {0}")]
    Key(#[from] russh::keys::ssh_key::Error),
    #[error("the key cannot sign: {0}")]
    Sign(#[from] russh::keys::signature::Error),
    #[error("the signature cannot be written: {0}")]
    Encoding(#[from] russh::keys::ssh_key::encoding::Error),
}

impl russh::Signer for FileSigner {
    type Error = SignError;

    /// The data, and after it the signature as a string.
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let signature = match self.0.key_data() {
            KeypairData::Rsa(pair) => (pair, hash).try_sign(&data)?,
            pair => pair.try_sign(&data)?,
        };
        signature.encode_prefixed(&mut data)?;
        Ok(data)
    }
}

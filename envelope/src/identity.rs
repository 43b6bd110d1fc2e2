//! Whose private keys open a file: of age, and of SSH.

use age::ssh::Identity as SshIdentity;
use zeroize::Zeroizing;

/// Private keys, any of which may open a file.
#[derive(Default)]
pub struct Identities(pub(crate) Vec<Box<dyn age::Identity + Send + Sync>>);

/// A private key that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Something else.
    #[error("it has no private key of age or SSH on line {0}")]
    NoKey(usize),
    /// A public key in the place of a private one.
    #[error("it is a public key, and the private one is needed")]
    Public,
    /// A key that opens nothing: one that only signs, one in hardware, or of an older form.
    #[error("it is an SSH key of a kind that cannot decrypt, or in an older form")]
    Unsupported,
    /// A file of age's that is itself encrypted.
    #[error("it is itself encrypted")]
    Encrypted,
    /// It has a passphrase, and none was given.
    #[error("it is locked with a passphrase, and none was given")]
    Locked,
    /// The passphrase was given, and does not fit.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
}

impl Identities {
    /// Adds the private keys of a file: those of `age-keygen`, or one of OpenSSH. `passphrase` is asked where that one is locked.
    ///
    /// # Errors
    /// When it has none, or one that cannot be used.
    pub fn add(
        &mut self,
        text: &str,
        passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
    ) -> Result<(), IdentityError> {
        let start = text.trim_start();
        if start.starts_with("ssh-") || start.starts_with("age1") || start.starts_with("ecdsa-") {
            return Err(IdentityError::Public);
        }
        if start.starts_with("age-encryption.org/") || start.starts_with("-----BEGIN AGE") {
            return Err(IdentityError::Encrypted);
        }
        if start.starts_with("-----BEGIN") {
            let key = SshIdentity::from_buffer(start.as_bytes(), None);
            return self.add_ssh(key.map_err(|_| IdentityError::NoKey(1))?, passphrase);
        }
        let mut found = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key: age::x25519::Identity = line.parse().map_err(|_| IdentityError::NoKey(number + 1))?;
            found.push(key);
        }
        if found.is_empty() {
            return Err(IdentityError::NoKey(text.lines().count().max(1)));
        }
        self.0.extend(found.into_iter().map(|key| Box::new(key) as Box<dyn age::Identity + Send + Sync>));
        Ok(())
    }

    fn add_ssh(
        &mut self,
        key: SshIdentity,
        passphrase: impl FnOnce() -> Option<Zeroizing<String>>,
    ) -> Result<(), IdentityError> {
        let key = match key {
            SshIdentity::Unencrypted(key) => key,
            SshIdentity::Unsupported(_) => return Err(IdentityError::Unsupported),
            SshIdentity::Encrypted(key) => {
                let passphrase = passphrase().ok_or(IdentityError::Locked)?;
                key.decrypt(passphrase.as_str().to_owned().into())
                    .map_err(|_| IdentityError::WrongPassphrase)?
            }
        };
        self.0.push(Box::new(SshIdentity::from(key)));
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_nothing_is_told_apart() {
        let mut identities = Identities::default();
        let mut add = |text: &str| identities.add(text, || None);
        assert_eq!(add("ssh-ed25519 AAAA ada"), Err(IdentityError::Public));
        assert_eq!(add("age1xyz"), Err(IdentityError::Public));
        assert_eq!(add("# only a remark\n"), Err(IdentityError::NoKey(1)));
        assert_eq!(add("# one\n\nnonsense"), Err(IdentityError::NoKey(3)));
        assert_eq!(add("age-encryption.org/v1\n"), Err(IdentityError::Encrypted));
        assert_eq!(add("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"), Err(IdentityError::NoKey(1)));
        assert!(identities.is_empty());
    }
}

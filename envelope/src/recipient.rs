//! Who may read a file: public keys of age, and of SSH as everybody has them.

use age::ssh::ParseRecipientKeyError;

/// Those who may read a file. Each of them can, alone.
#[derive(Default)]
pub struct Recipients(pub(crate) Vec<Box<dyn age::Recipient + Send>>);

/// A public key that nothing can be encrypted to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// Something else.
    #[error("{0:?} is no public key: age1…, ssh-ed25519 … and ssh-rsa … are")]
    NoKey(String),
    /// A private key in the place of a public one. It is not repeated.
    #[error("this is a private key: whoever sees it can read what is encrypted to it; give the public one")]
    Private,
    /// A key of SSH that can only sign.
    #[error("an SSH key of type {0} can sign, and nothing can be encrypted to it")]
    OnlySigns(String),
    /// An RSA key with too few or too many bits.
    #[error("an RSA key must have 2048 to 4096 bits")]
    RsaBits,
}

impl Recipients {
    /// Adds one public key, as age or OpenSSH writes it.
    ///
    /// # Errors
    /// When it is none that can be encrypted to.
    pub fn add(&mut self, key: &str) -> Result<(), RecipientError> {
        let key = key.trim();
        if key.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || key.contains("PRIVATE KEY") {
            return Err(RecipientError::Private);
        }
        if let Ok(recipient) = key.parse::<age::x25519::Recipient>() {
            self.0.push(Box::new(recipient));
            return Ok(());
        }
        match key.parse::<age::ssh::Recipient>() {
            Ok(recipient) => {
                self.0.push(Box::new(recipient));
                Ok(())
            }
            Err(ParseRecipientKeyError::RsaModulusTooLarge | ParseRecipientKeyError::RsaModulusTooSmall) => {
                Err(RecipientError::RsaBits)
            }
            Err(ParseRecipientKeyError::Unsupported(kind)) => Err(RecipientError::OnlySigns(kind)),
            Err(_) => Err(RecipientError::NoKey(shortened(key))),
        }
    }

    /// Adds the keys of a file: one a line; empty lines and those that start with `#` are none. As of age's files of recipients,
    /// and of `.pub`.
    ///
    /// # Errors
    /// The number of the first line, from 1, that is no key.
    pub fn add_lines(&mut self, text: &str) -> Result<(), (usize, RecipientError)> {
        for (number, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                self.add(line).map_err(|error| (number + 1, error))?;
            }
        }
        Ok(())
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn shortened(key: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = key.chars().take(MOST).collect();
    if short.len() < key.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN ada@example.org";

    #[test]
    fn keys_of_age_and_ssh_are_recipients() {
        let mut recipients = Recipients::default();
        let own = age::x25519::Identity::generate().to_public().to_string();
        recipients.add_lines(&format!("# ours\n{own}\n\n  {ED25519}\n")).unwrap();
        assert_eq!(recipients.0.len(), 2);
    }

    #[test]
    fn what_is_no_recipient_is_said_to_be_none() {
        let mut recipients = Recipients::default();
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBI8jOz3nXlPXqdDjRvg\
                     oXn0mBNGeZlMhVkpXMzHfXLz8lRFFrFOhSsYXPtdN2gT2p4fyN9sjEPVF4qgq7YWUSpI= x";
        assert!(matches!(recipients.add("age1nonsense"), Err(RecipientError::NoKey(_))));
        assert!(
            matches!(recipients.add(ecdsa), Err(RecipientError::OnlySigns(_))),
            "{:?}",
            recipients.add(ecdsa)
        );
        assert_eq!(recipients.add("AGE-SECRET-KEY-1ABC"), Err(RecipientError::Private));
        assert_eq!(recipients.add("-----BEGIN OPENSSH PRIVATE KEY-----"), Err(RecipientError::Private));
        let (line, error) = recipients.add_lines("# one\nnonsense\n").unwrap_err();
        assert_eq!((line, error), (2, RecipientError::NoKey("nonsense".into())));
        assert!(recipients.is_empty());
    }
}

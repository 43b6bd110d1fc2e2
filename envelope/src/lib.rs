//! Files encrypted to those who may read them, in the format of age (<https://age-encryption.org/v1>): written as a stream, read
//! from any place of them without a decrypted copy on disk.
//!
//! A crate of its own because of what the `age` crate brings along. Nothing outside it names that crate.

mod identity;
mod opened;
mod recipient;
mod salvage;
mod sealing;

pub use identity::{Identities, IdentityError};
pub use opened::{Opened, is_damage, is_encrypted, open};
pub use recipient::{RecipientError, Recipients};
pub use salvage::salvage;
pub use sealing::Sealing;

/// Why an encrypted file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// None of the private keys is of somebody that it is encrypted to.
    #[error("it is encrypted to others: none of the private keys that were given opens it")]
    NotForUs,
    /// It takes a passphrase, and no key opens it.
    #[error("it is encrypted with a passphrase and not to recipients")]
    Passphrase,
    /// As text; only the binary form can be read from any place of it.
    #[error("it is in age's text form (armored)")]
    Armored,
    /// Of a later version of age.
    #[error("it is of a version of age that is not known")]
    Unknown,
    /// Cut, or changed since it was written.
    #[error("the encrypted file is damaged: {0}")]
    Damaged(&'static str),
    /// The system could not read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

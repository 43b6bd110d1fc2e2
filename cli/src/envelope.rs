//! Encrypted bundles: to whom they are encrypted, and whose keys open them.

use crate::environment;
use crate::error::Failure;
use crate::exit::Exit;
use herdiff_envelope::{EnvelopeError, Identities, IdentityError, Recipients};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// No file of keys is longer.
const MOST: u64 = 1 << 20;

/// Whose keys open what is encrypted.
#[derive(clap::Args, Default)]
pub(crate) struct IdentityArgs {
    /// Open an encrypted bundle with this private key, of age or SSH
    #[arg(long, value_name = "FILE")]
    age_identity: Vec<PathBuf>,
}

/// To whom what is written is encrypted.
#[derive(clap::Args)]
pub(crate) struct RecipientArgs {
    /// Encrypt the bundle to this public key (age1…, ssh-ed25519 …, ssh-rsa …), as age does; may be given several times
    #[arg(long, value_name = "KEY")]
    recipient: Vec<String>,
    /// The same to every public key in this file, one a line (`id_ed25519.pub` is one)
    #[arg(long, value_name = "FILE")]
    recipients_file: Vec<PathBuf>,
}

impl RecipientArgs {
    /// Those who may read it; `None` where it is not to be encrypted.
    pub(crate) fn read(&self) -> Result<Option<Recipients>, Failure> {
        let mut recipients = Recipients::default();
        for key in &self.recipient {
            recipients.add(key).map_err(|error| {
                Failure::usage("cannot encrypt to this recipient")
                    .why(error)
                    .next("age-keygen -y FILE or ~/.ssh/id_ed25519.pub gives one; --recipients-file reads a file of them")
            })?;
        }
        for path in &self.recipients_file {
            let unusable =
                || Failure::usage(format!("cannot encrypt to the recipients in {}", path.display()));
            let text = read(path).map_err(|error| Failure::file("read the recipients in", path, &error))?;
            recipients
                .add_lines(&text)
                .map_err(|(line, error)| unusable().why(format!("line {line}: {error}")))?;
            if recipients.is_empty() {
                return Err(unusable().why("it names nobody"));
            }
        }
        Ok((!recipients.is_empty()).then_some(recipients))
    }
}

impl IdentityArgs {
    /// The private keys. Files are read only where something is encrypted.
    pub(crate) fn read(&self, bundle: &Path) -> Result<Identities, Failure> {
        let mut identities = Identities::default();
        for path in &self.age_identity {
            let unusable = |error: &IdentityError| {
                Failure::usage(format!("cannot use the key {}", path.display())).why(error)
            };
            let text = read(path)
                .map(Zeroizing::new)
                .map_err(|error| Failure::file("read the key", path, &error))?;
            identities.add(&text, || environment::ask_passphrase(path)).map_err(|error| match &error {
                IdentityError::Locked => unusable(&error).next("run this on a terminal"),
                IdentityError::Encrypted => {
                    unusable(&error).next("age -d -o PLAIN KEY, and remove it afterwards")
                }
                IdentityError::Unsupported => unusable(&error)
                    .next("ssh-ed25519 and ssh-rsa can; ssh-keygen -p -f FILE rewrites an older form"),
                _ => unusable(&error),
            })?;
        }
        if identities.is_empty() {
            return Err(unreadable(bundle)
                .why("it is encrypted, and no private key was given")
                .next("--age-identity FILE"));
        }
        Ok(identities)
    }
}

fn unreadable(bundle: &Path) -> Failure {
    Failure::usage(format!("cannot read the bundle {}", bundle.display()))
}

/// An encrypted bundle that cannot be opened.
pub(crate) fn failure(bundle: &Path, error: &EnvelopeError) -> Failure {
    let failure = unreadable(bundle).why(error);
    match error {
        EnvelopeError::NotForUs => failure.next("--age-identity FILE with the key of one of its recipients"),
        EnvelopeError::Passphrase | EnvelopeError::Armored => {
            failure.next("age -d -o PLAIN.herd FILE, and go on with that")
        }
        EnvelopeError::Damaged(_) => damaged(failure),
        EnvelopeError::Unknown | EnvelopeError::Io(_) => failure,
    }
}

/// What to do where the encrypted bytes are not what was written.
pub(crate) fn damaged(failure: Failure) -> Failure {
    failure
        .next("go back to a copy of it, or save what is intact: herdiff verify FILE --age-identity KEY --recover OUT")
        .exit(Exit::Integrity)
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

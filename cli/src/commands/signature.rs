//! The flags and the check of a bundle's signature, for the verb that verifies.

use super::sign::beside;
use crate::bundle_origin::Origin;
use crate::environment;
use crate::error::Failure;
use crate::exit::Exit;
use herdiff_exchange::signature::{AllowedSigners, SignatureError, verify};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Which signature, by whom.
#[derive(clap::Args)]
pub(crate) struct SignatureArgs {
    /// The signature that `herdiff sign` or `ssh-keygen -Y sign` made [default: BUNDLE.sig]
    #[arg(long, value_name = "FILE", requires = "allowed_signers", conflicts_with_all = ["host", "recover"])]
    signature: Option<PathBuf>,
    /// Check the signature against the keys in this file (ssh-keygen(1), ALLOWED SIGNERS)
    #[arg(long, value_name = "FILE", requires = "signer", conflicts_with_all = ["host", "recover"])]
    allowed_signers: Option<PathBuf>,
    /// Who must have signed, as the file of allowed signers calls them
    #[arg(short = 'I', long = "signer", value_name = "NAME", requires = "allowed_signers")]
    signer: Option<String>,
}

/// No file of allowed signers or signature is longer.
const MOST: u64 = 16 << 20;

/// Checks the signature of a file, where that was asked for; gives what is to be said of it.
pub(crate) fn check(bundle: &Path, args: &SignatureArgs) -> Result<Option<String>, Failure> {
    let (Some(allowed), Some(signer)) = (&args.allowed_signers, &args.signer) else { return Ok(None) };
    let signature = args.signature.clone().unwrap_or_else(|| beside(bundle));
    let text = read(allowed).map_err(|error| Failure::file("read the allowed signers", allowed, &error))?;
    let signers = AllowedSigners::parse(&text).map_err(|error| {
        Failure::usage(format!("cannot use the allowed signers {}", allowed.display()))
            .why(error)
            .next("a line is `NAME ssh-ed25519 AAAA…`; see ssh-keygen(1), ALLOWED SIGNERS")
    })?;
    let text = read(&signature).map_err(|error| Failure::file("read the signature", &signature, &error))?;
    let file = Origin::open(bundle)?;
    match verify(file, &text, &signers, signer, environment::now().0 / 1000) {
        Ok(key) => Ok(Some(format!("good, of {signer} with {}", key.shown()))),
        Err(SignatureError::Read(error)) => Err(Failure::file("read the bundle", bundle, &error)),
        Err(error) => Err(Failure::usage(format!("the signature {} does not hold", signature.display()))
            .why(error)
            .next("do not trust the bundle; go back to where it came from")
            .exit(Exit::Integrity)),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

//! Passwords and passphrases: asked for on the terminal, or read from a descriptor; never from arguments or the environment.

use crate::environment;
use crate::error::Failure;
use herdiff_collector::ssh::{AskPassphrase, Secret};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longer first lines are no passwords.
const LONGEST: u64 = 4096;

/// A password, where one is wanted.
pub(super) fn password(ask: bool, descriptor: Option<u32>, what: &str) -> Result<Option<Secret>, Failure> {
    match descriptor {
        Some(number) => from_descriptor(number, what).map(|secret| Some(Secret::new(secret))),
        None if ask => {
            let secret = environment::ask_secret(&format!("{what}: ")).map_err(|error| {
                Failure::usage("cannot ask for the password")
                    .why(error)
                    .next("give it with a file descriptor")
            })?;
            Ok(Some(Secret::new(secret)))
        }
        None => Ok(None),
    }
}

/// How passphrases of keys are found: read once, or asked for each key.
pub(super) fn passphrase(descriptor: Option<u32>) -> Result<AskPassphrase, Failure> {
    let Some(number) = descriptor else { return Ok(Arc::new(environment::ask_passphrase)) };
    let passphrase = from_descriptor(number, "passphrase")?;
    Ok(Arc::new(move |_| Some(passphrase.clone())))
}

fn from_descriptor(number: u32, what: &str) -> Result<Zeroizing<String>, Failure> {
    let failure =
        || Failure::usage(format!("cannot read the {} from file descriptor {number}", what.to_lowercase()));
    let file = File::open(format!("/proc/self/fd/{number}")).map_err(|error| {
        failure().why(error).next(format!("open it, as in: herdiff collect … {number}< <(pass show fleet)"))
    })?;
    let mut line = Zeroizing::new(String::with_capacity(256));
    BufReader::with_capacity(64, file.take(LONGEST))
        .read_line(&mut line)
        .map_err(|error| failure().why(error))?;
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    if line.is_empty() { Err(failure().why("its first line is empty")) } else { Ok(line) }
}

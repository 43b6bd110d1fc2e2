//! `herdiff sign`: a detached signature that stands for every byte of a bundle.

use crate::bundle_origin::{Origin, is_remote};
use crate::envelope::IdentityArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{print, say};
use crate::screen::escape::escape;
use crate::{bundle_file, environment};
use herdiff_exchange::signature::{Agent, NAMESPACE, SigningKey, VerifyingKey, sign, sign_with_agent};
use herdiff_model::bundle::Ending;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Signs all bytes of the file with an SSH key, in the form and the namespace that
/// `ssh-keygen -Y verify -n herdiff@bundle -f ALLOWED -I NAME -s BUNDLE.sig < BUNDLE` checks; `herdiff verify` does, too.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff sign sweep.herd --key ~/.ssh/id_ed25519\n  herdiff sign sweep.herd --agent\n  \
                        herdiff sign sweep.herd --agent --key ~/.ssh/id_ed25519.pub"
)]
pub(crate) struct Args {
    /// The bundle to sign
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The private key, or a public key whose private half the agent keeps
    #[arg(long, value_name = "FILE", required_unless_present = "agent")]
    key: Option<PathBuf>,
    /// Let the ssh-agent sign; where it has several keys, --key names the public one
    #[arg(long)]
    agent: bool,
    /// Where the signature goes [default: BUNDLE.sig]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityArgs,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // What is damaged is not vouched for.
    if args.output.is_none() && is_remote(&args.bundle) {
        return Err(Failure::usage("nowhere to write the signature").next("name a file here with -o"));
    }
    let bundle = bundle_file::read(&args.bundle, &args.identity)?;
    let output = args.output.clone().unwrap_or_else(|| beside(&args.bundle));
    let file = Origin::open(&args.bundle)?;
    let cannot = |error: &dyn std::fmt::Display| Failure::usage("cannot sign").why(error);
    let text = match &args.key {
        Some(path) => {
            let key =
                std::fs::read_to_string(path).map_err(|error| Failure::file("read the key", path, &error))?;
            match VerifyingKey::parse(&key) {
                Ok(key) => sign_with_agent(file, &mut agent()?, &key),
                Err(_) if args.agent => {
                    return Err(Failure::usage(format!("{} is not a public key", path.display()))
                        .next("with --agent, --key names the file that ends in .pub"));
                }
                Err(_) => sign(file, &private(path, &key)?),
            }
        }
        None => {
            let mut agent = agent()?;
            let key = only_key(&mut agent)?;
            sign_with_agent(file, &mut agent, &key)
        }
    }
    .map_err(|error| cannot(&error))?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&output);
    let written = created.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let failure = Failure::file("write the signature", &output, &error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                failure.next("signatures are never overwritten: choose another name with -o")
            }
            _ => failure,
        }
    })?;
    let bundle_name = escape(args.bundle.as_os_str().as_encoded_bytes());
    let name = escape(output.as_os_str().as_encoded_bytes());
    print(format!("signature  {name} (all bytes of {bundle_name}, namespace {NAMESPACE})\n"))
        .map_err(|error| Failure::usage("cannot write the result").why(error))?;
    if matches!(bundle.ending, Ending::Open { .. }) {
        say(&format!("{bundle_name} ends early; when it is resumed, this signature no longer holds"));
    }
    Ok(Exit::Clean)
}

/// `sweep.herd.sig`, as ssh-keygen names it.
pub(crate) fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn private(path: &Path, text: &str) -> Result<SigningKey, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot use the key {}", path.display())).why(why)
    };
    let key = SigningKey::parse(text).map_err(|_| {
        unusable(&"it is no private key in OpenSSH's form")
            .next("ssh-keygen -p -f FILE rewrites an older form")
    })?;
    if !key.is_locked() {
        return Ok(key);
    }
    let passphrase = environment::ask_passphrase(path).ok_or_else(|| {
        unusable(&"it is locked with a passphrase, and none was given")
            .next("run this on a terminal, or ssh-add the key and use --agent")
    })?;
    key.unlock(&passphrase).map_err(|_| unusable(&"the passphrase is wrong"))
}

fn agent() -> Result<Agent, Failure> {
    let socket = environment::agent().ok_or_else(|| {
        Failure::usage("there is no ssh-agent: SSH_AUTH_SOCK is not set").next("--key FILE")
    })?;
    Agent::connect(&socket).map_err(|error| Failure::usage("cannot use the ssh-agent").why(error))
}

fn only_key(agent: &mut Agent) -> Result<VerifyingKey, Failure> {
    let mut keys = agent.keys().map_err(|error| Failure::usage("cannot use the ssh-agent").why(error))?;
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (None, _) => Err(Failure::usage("the ssh-agent has no key").next("ssh-add, or --key FILE")),
        (Some(last), _) => {
            let all: Vec<_> = keys.iter().chain([&last]).map(VerifyingKey::shown).collect();
            Err(Failure::usage("the ssh-agent has several keys")
                .why(all.join(", "))
                .next("--key FILE.pub says which"))
        }
    }
}

//! `herdiff verify`: whether a bundle is what was written, and what to do when it is not.

use super::signature::{self, SignatureArgs};
use crate::envelope::{IdentityArgs, RecipientArgs};
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{Format, count, json, print};
use crate::screen::escape::escape;
use crate::{bundle_file, bundle_output, environment};
use herdiff_exchange::Source;
use herdiff_model::bundle::{
    Archive, BundleError, Ending, Lost, Proof, Recovered, Verified, prove, recover, verify, verify_content,
};
use herdiff_model::sweep::SweepFacts;
use serde_json::json;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Checks every byte of a bundle: each frame by its digest, and that together they are what its seal stands for.
///
/// The first damage is named by frame and byte, and the exit code is 5. A bundle that ends early (its sweep was killed) is
/// in order as far as it goes; the exit code is 3.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  herdiff verify sweep.herd\n  herdiff verify sweep.herd --host web-07\n  \
                        herdiff verify damaged.herd --recover saved.herd\n  \
                        herdiff verify sweep.herd --allowed-signers signers -I ada@example.org"
)]
pub(crate) struct Args {
    /// The bundle to check
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Also compute from the rows of every host what the seal stands for
    #[arg(long, conflicts_with_all = ["host", "recover"])]
    content: bool,
    /// Prove one host alone: what its content comes to, and the way from there to the seal
    #[arg(long, value_name = "HOST", conflicts_with = "recover")]
    host: Option<String>,
    /// Save what is intact as a new bundle; what is lost is unknown in it
    #[arg(long, value_name = "FILE.herd")]
    recover: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    recipients: RecipientArgs,
    #[command(flatten)]
    signature: SignatureArgs,
    /// How to write the result
    #[arg(long, value_enum, default_value = "table", conflicts_with = "recover")]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if matches!(args.format, Format::Csv) {
        return Err(Failure::usage("a check cannot be written as CSV").next("--format json"));
    }
    let path = args.bundle.as_path();
    match (&args.recover, &args.host) {
        (Some(output), _) => save(path, output, args),
        (None, Some(host)) => one(path, host, args),
        (None, None) => all(path, args),
    }
}

fn open(path: &Path, identity: &IdentityArgs) -> Result<BufReader<Box<dyn Source>>, Failure> {
    Ok(BufReader::with_capacity(1 << 20, bundle_file::source(path, identity)?))
}

fn show(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    print(text).map_err(|error| Failure::usage("cannot write the result").why(error))
}

fn all(path: &Path, args: &Args) -> Result<Exit, Failure> {
    let unreadable = |error: BundleError| Failure::bundle(path, &error);
    let verified = verify(open(path, &args.identity)?).map_err(unreadable)?;
    if args.content {
        let others = verify_content(open(path, &args.identity)?).map_err(unreadable)?;
        if !others.is_empty() {
            let hosts = others.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("{} does not hold what its seal stands for", path.display()))
                .why(format!("the rows of {} are others: {hosts}", count(others.len(), "host")))
                .next("whoever wrote this file lied: do not use it as evidence")
                .exit(Exit::Integrity));
        }
    }
    let signature = signature::check(path, &args.signature)?;
    let whole = matches!(verified.ending, Ending::Whole { .. });
    match args.format {
        Format::Table => {
            let signed = signature.map_or(String::new(), |said| format!("signed  {}\n", escape(said)));
            show(report(path, &verified, args.content) + &signed)?;
        }
        _ => show(document(args.format, &facts(&verified, signature))?)?,
    }
    Ok(if whole { Exit::Clean } else { Exit::Partial })
}

fn document(format: Format, value: &serde_json::Value) -> Result<Vec<u8>, Failure> {
    let written = match format {
        Format::Ndjson => json::line(value),
        _ => json::document(value),
    };
    written.map_err(|error| Failure::usage("cannot write the result").why(error))
}

fn facts(verified: &Verified, signature: Option<String>) -> serde_json::Value {
    let (seal, ends_at) = match verified.ending {
        Ending::Whole { seal, .. } => (Some(seal.to_string()), None),
        Ending::Open { offset } => (None, Some(offset)),
    };
    json!({
        "format": verified.version.to_string(),
        "sealed": verified.sealed,
        "frames": verified.frames,
        "bytes": verified.bytes,
        "snapshots": verified.hosts,
        "complete": seal.is_some(),
        "ends_at": ends_at,
        "seal": seal,
        "file": verified.file.map(|digest| digest.to_string()),
        "signature": signature,
    })
}

fn report(path: &Path, verified: &Verified, content: bool) -> String {
    let form = if verified.sealed { "sealed" } else { "a journal" };
    let mut out = format!(
        "{}: in order\nformat  {}, {form}\nframes  {} in {} bytes\nhosts   {}{}\n",
        escape(path.as_os_str().as_encoded_bytes()),
        verified.version,
        verified.frames,
        verified.bytes,
        count(verified.hosts as usize, "snapshot"),
        if content { ", each with the rows that the seal stands for" } else { "" },
    );
    match verified.ending {
        Ending::Whole { seal, .. } => out += &format!("seal    {seal}\n"),
        Ending::Open { offset } => {
            out += &format!("ends    early, at byte {offset}: the sweep was stopped or the file cut\n");
        }
    }
    if let Some(file) = verified.file {
        out += &format!("file    {file}\n");
    }
    out
}

fn one(path: &Path, host: &str, args: &Args) -> Result<Exit, Failure> {
    let unreadable = |error: BundleError| Failure::bundle(path, &error);
    let proofs = match Archive::open(open(path, &args.identity)?).map_err(unreadable)? {
        Some(mut archive) => {
            let places: Vec<usize> =
                archive.names().enumerate().filter(|(_, name)| *name == host).map(|(place, _)| place).collect();
            let proofs = places.into_iter().filter_map(|place| archive.prove(place).transpose());
            proofs.collect::<Result<Vec<_>, _>>().map_err(unreadable)?
        }
        None => prove(&bundle_file::read(path, &args.identity)?, host).map_err(unreadable)?.ok_or_else(|| {
            Failure::usage(format!("{} has no seal that a host could be proven by", path.display())).next(
                "a sweep that ended and was written by this version has one; `herdiff merge` writes old bundles anew",
            )
        })?,
    };
    if proofs.is_empty() {
        return Err(Failure::usage(format!("the bundle has no host {host}"))
            .next("herdiff show BUNDLE --hosts lists them"));
    }
    let all_hold = proofs.iter().all(Proof::holds);
    for proof in &proofs {
        match args.format {
            Format::Table => show(told(proof))?,
            _ => show(document(args.format, &proof_facts(proof))?)?,
        }
    }
    if all_hold {
        return Ok(Exit::Clean);
    }
    Err(Failure::usage(format!("the rows of {host} are not those that the seal stands for"))
        .next("whoever wrote this file lied: do not use it as evidence")
        .exit(Exit::Integrity))
}

fn told(proof: &Proof) -> String {
    let mut out = format!(
        "{}: {}\nleaf    {}  (snapshot {} of {})\n",
        escape(proof.host.as_str()),
        if proof.holds() { "proven" } else { "NOT what the seal stands for" },
        proof.leaf,
        proof.number + 1,
        proof.end.hosts,
    );
    for beside in &proof.path {
        out += &format!("beside  {beside}\n");
    }
    out += &format!("sweep   {}\nseal    {}\n", proof.sweep, proof.seal);
    out
}

fn proof_facts(proof: &Proof) -> serde_json::Value {
    json!({
        "host": proof.host.as_str(),
        "holds": proof.holds(),
        "number": proof.number,
        "hosts": proof.end.hosts,
        "finished_ms": proof.end.finished.0,
        "interrupted": proof.end.interrupted,
        "leaf": proof.leaf.to_string(),
        "path": proof.path.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sweep": proof.sweep.to_string(),
        "seal": proof.seal.to_string(),
    })
}

fn save(path: &Path, output: &Path, args: &Args) -> Result<Exit, Failure> {
    let recipients = args.recipients.read()?;
    let source = BufReader::with_capacity(1 << 20, bundle_file::remains(path, &args.identity)?);
    let facts = |was: &SweepFacts| SweepFacts {
        tool: concat!("herdiff ", env!("CARGO_PKG_VERSION")).to_owned(),
        operator: environment::operator(),
        transport: "recovery".to_owned(),
        ..was.clone()
    };
    let saved = bundle_output::write_sealed(output, recipients.as_ref(), |file| {
        recover(source, file, facts).map(|(_, saved)| saved).map_err(|error| Failure::bundle(path, &error))
    })?;
    let saved = saved.what;
    show(saved_report(path, output, &saved))?;
    let whole = saved.damage.is_empty() && saved.lost.is_empty() && saved.nameless == 0;
    Ok(if whole { Exit::Clean } else { Exit::Integrity })
}

fn saved_report(path: &Path, output: &Path, saved: &Recovered) -> String {
    /// More are counted: they are in the bundle.
    const MOST: usize = 20;
    let mut out = String::new();
    for damage in &saved.damage {
        out += &format!(
            "damage  frame {}, bytes {} to {}: {}\n",
            damage.frame,
            damage.offset,
            damage.end,
            escape(&damage.why)
        );
    }
    if saved.damage.is_empty() {
        out += &format!("{}: nothing is damaged\n", escape(path.as_os_str().as_encoded_bytes()));
    }
    // Hosts that follow each other have often lost the same: what is damaged was of all of them.
    let alike: Vec<&[Lost]> =
        saved.lost.chunk_by(|a, b| (&a.queries, &a.partly) == (&b.queries, &b.partly)).collect();
    for lost in alike.iter().take(MOST) {
        let Some(first) = lost.first() else { continue };
        let queries = [("lost", &first.queries), ("partly lost", &first.partly)];
        let queries = queries.into_iter().filter(|(_, queries)| !queries.is_empty());
        let told: Vec<String> =
            queries.map(|(how, queries)| format!("{how}: {}", queries.join(", "))).collect();
        let hosts = match lost.len() {
            1 => escape(&first.host),
            hosts => format!("{} and {}", escape(&first.host), count(hosts - 1, "more host")),
        };
        out += &format!("{hosts}  {}\n", escape(told.join("; ")));
    }
    if let Some(more) = alike
        .get(MOST..)
        .map(|more| more.iter().map(|lost| lost.len()).sum::<usize>())
        .filter(|&more| more > 0)
    {
        out += &format!("and {}\n", count(more, "more host"));
    }
    if saved.nameless > 0 {
        out += &format!("{} lost with the name\n", count(saved.nameless as usize, "host"));
    }
    let path = escape(output.as_os_str().as_encoded_bytes());
    out += &format!(
        "saved   {path}: {} of {} whole\nseal    {}\n",
        saved.intact,
        count(saved.hosts as usize, "snapshot"),
        saved.sealed.seal
    );
    out
}

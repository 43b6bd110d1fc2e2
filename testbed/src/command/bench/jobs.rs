//! What is measured: the sweep, and the same job done with OpenSSH.

use super::fleet::Served;
use super::measure::Measured;
use crate::command::CommandError;
use crate::command::herdiff::{self, Herdiff};
use herdiff_testbed::generate::triage_pack;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The key exchange without post-quantum cryptography, which would add some 50 ms of CPU to every connection of ssh.
pub(super) const KEX: &str = "KexAlgorithms=curve25519-sha256";
/// What a host says that was done.
pub(super) const MARK: &str = "herdiff-bench-was-here";

/// How many at a time, and how long to wait, in seconds.
pub(super) struct Limits {
    pub(super) forks: u32,
    pub(super) connect: u32,
    pub(super) host: u32,
}

/// One thing to measure.
pub(super) struct Job {
    name: &'static str,
    words: Vec<String>,
    /// The bundle that is written: away before each run, and read afterwards.
    bundle: Option<PathBuf>,
}

/// What came of a run.
pub(super) struct Run {
    pub(super) measured: Measured,
    /// How many hosts were done.
    pub(super) done: usize,
}

impl Job {
    pub(super) fn of(name: &'static str, words: Vec<String>) -> Self {
        Self { name, words, bundle: None }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The whole job: connect, push, run, fetch, parse, keep, remove.
    pub(super) fn herdiff(herdiff: &Herdiff, served: &Served, limits: &Limits) -> Self {
        let bundle = served.scratch().join("bench.herd");
        let mut words = vec![text(herdiff.path())];
        words.extend(herdiff::collect(served.site(), &bundle));
        for (flag, limit) in [
            ("--forks", limits.forks),
            ("--connect-timeout", limits.connect),
            ("--host-timeout", limits.host),
        ] {
            words.extend([flag.to_owned(), limit.to_string()]);
        }
        Self { name: "herdiff collect", words, bundle: Some(bundle) }
    }

    /// The same without parsing and keeping: push the probe over standard input, run it, remove it.
    pub(super) fn push(served: &Served, limits: &Limits, probe: &Path) -> Result<Self, CommandError> {
        // Real hosts have no part of this machine's /tmp: the request goes with the script.
        let pack = triage_pack().map_err(|error| CommandError::Generate(error.into()))?;
        let script = format!(
            "umask 077; d=$(mktemp -d) && cat >$d/probe && chmod 700 $d/probe && cat >$d/request <<\"EOF\"\n{pack}EOF\n\
             $d/probe --sweep <$d/request && echo {MARK}; rm -rf $d",
        );
        let script = served.write("push.sh", &script)?;
        let each = format!(
            "timeout {} ssh -F {} -o {KEX} -o BatchMode=yes -o ConnectTimeout={} \"$1\" \"$(cat {script})\" <{} || exit 1",
            limits.host,
            text(&served.site().ssh_config()),
            limits.connect,
            text(probe)
        );
        xargs("xargs -P ssh: push, run, remove", served, limits, &each)
    }

    /// Measures it once, in a fresh process.
    pub(super) fn measure(&self, herdiff: &Herdiff, served: &Served) -> Result<Run, CommandError> {
        if let Some(bundle) = &self.bundle {
            let _ = fs::remove_file(bundle);
        }
        let said = served.scratch().join("said");
        let mut measure = Command::new(std::env::current_exe()?);
        measure.arg("measure").arg("--output").arg(&said).arg("--").args(&self.words);
        let output = measure.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        let measured: Measured = serde_json::from_slice(&output.stdout).map_err(|error| {
            CommandError::NotAsExpected(format!("{} could not be measured: {error}", self.name))
        })?;
        let done = match &self.bundle {
            // A line of its own, behind the host's name with some: processes have it in their command line, too.
            None => String::from_utf8_lossy(&fs::read(&said)?)
                .lines()
                .filter(|line| line.trim().ends_with(MARK))
                .count(),
            Some(bundle) => {
                let mut show = Command::new(herdiff.path());
                let shown = show.arg("show").arg(bundle).args(["--hosts", "--format", "ndjson"]).output()?;
                String::from_utf8_lossy(&shown.stdout).matches("\"outcome\":\"ok\"").count()
            }
        };
        Ok(Run { measured, done })
    }
}

/// Runs a line of shell for each host, so many at a time. It has to end with 1 where it fails: at 255, which is what ssh says,
/// xargs gives up.
pub(super) fn xargs(
    name: &'static str,
    served: &Served,
    limits: &Limits,
    each: &str,
) -> Result<Job, CommandError> {
    let names = served.write("names", &served.names()?)?;
    let words = ["xargs", "-a", &names, "-P", &limits.forks.to_string(), "-n", "1", "sh", "-c", each, "sh"];
    Ok(Job::of(name, words.iter().map(|&word| word.to_owned()).collect()))
}

pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The probe that the build of `herdiff` has left: `target/probe-build/TARGET/probe/herdiff-probe`.
pub(super) fn built_probe() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let builds = own.parent()?.parent()?.join("probe-build");
    let candidates =
        fs::read_dir(builds).ok()?.flatten().map(|entry| entry.path().join("probe/herdiff-probe"));
    candidates.filter(|path| path.is_file()).max()
}

//! What is measured: the sweep, and what one would do with OpenSSH instead.

use super::fleet::Served;
use super::measure::Measured;
use crate::command::CommandError;
use crate::command::herdiff::Herdiff;
use herdiff_testbed::generate::triage_pack;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The key exchange without post-quantum cryptography, which would add some 50 ms of CPU to every connection of ssh.
const KEX: &str = "KexAlgorithms=curve25519-sha256";

/// One thing to measure.
pub(super) struct Job {
    name: &'static str,
    words: Vec<String>,
    /// What has to be away before each run.
    leftover: Option<PathBuf>,
}

impl Job {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The whole job: connect, push, run, fetch, parse, keep, remove.
    pub(super) fn herdiff(herdiff: &Herdiff, served: &Served, forks: u32) -> Self {
        let site = served.site();
        let bundle = served.scratch().join("bench.herd");
        let words = [
            text(herdiff.path()),
            "collect".to_owned(),
            "-i".to_owned(),
            text(&site.inventory()),
            "--identity".to_owned(),
            text(&site.identity()),
            "--known-hosts".to_owned(),
            text(&site.known_hosts()),
            "--forks".to_owned(),
            forks.to_string(),
            "-o".to_owned(),
            text(&bundle),
        ];
        Self { name: "herdiff collect", words: words.to_vec(), leftover: Some(bundle) }
    }

    /// The same without parsing and keeping: push the probe over standard input, run it, remove it.
    pub(super) fn push(served: &Served, forks: u32, probe: &Path) -> Result<Self, CommandError> {
        let pack = triage_pack().map_err(|error| CommandError::Generate(error.into()))?;
        let request = served.scratch().join("request.json");
        fs::write(&request, pack)?;
        let script = format!(
            "umask 077; f=$(mktemp) && cat >$f && chmod 700 $f && $f --sweep <{}; rm -f $f",
            request.display()
        );
        let each = format!(
            "exec ssh -F {} -o {KEX} -o BatchMode=yes \"$1\" '{script}' <{}",
            text(&served.site().ssh_config()),
            text(probe)
        );
        let first = served.names().lines().next().unwrap_or_default().to_owned();
        let trial = Command::new("sh").args(["-c", &each, "sh", &first]).output()?;
        if !String::from_utf8_lossy(&trial.stdout).contains("{\"end\":") {
            let said = String::from_utf8_lossy(&trial.stderr).into_owned();
            return Err(CommandError::NotAsExpected(format!("ssh could not push and run the probe: {said}")));
        }
        Ok(Self {
            name: "xargs -P ssh: push, run, remove",
            words: xargs(served, forks, &each)?,
            leftover: None,
        })
    }

    /// As little as there is to do.
    pub(super) fn just_log_in(served: &Served, forks: u32) -> Self {
        let each = format!(
            "exec ssh -n -F {} -o {KEX} -o BatchMode=yes \"$1\" true",
            text(&served.site().ssh_config())
        );
        let words = xargs(served, forks, &each).unwrap_or_default();
        Self { name: "xargs -P ssh: true", words, leftover: None }
    }

    /// Measures it several times, each in a fresh process, and gives the run with the median of CPU time.
    pub(super) fn measure(&self, runs: u32) -> Result<Measured, CommandError> {
        let mut all = Vec::new();
        for _ in 0..runs {
            if let Some(leftover) = &self.leftover {
                let _ = fs::remove_file(leftover);
            }
            let mut measure = Command::new(std::env::current_exe()?);
            measure.arg("measure").arg("--").args(&self.words);
            let output = measure.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
            let measured: Measured = serde_json::from_slice(&output.stdout).map_err(|error| {
                CommandError::NotAsExpected(format!("{} could not be measured: {error}", self.name))
            })?;
            all.push(measured);
        }
        all.sort_by_key(|measured| measured.user_us + measured.system_us);
        let middle = all.len() / 2;
        all.into_iter()
            .nth(middle)
            .ok_or_else(|| CommandError::NotAsExpected("nothing was measured".to_owned()))
    }
}

/// Runs a line of shell for each host, so many at a time.
fn xargs(served: &Served, forks: u32, each: &str) -> Result<Vec<String>, CommandError> {
    let names = served.scratch().join("names");
    fs::write(&names, served.names())?;
    let words = ["xargs", "-a", &text(&names), "-P", &forks.to_string(), "-n", "1", "sh", "-c", each, "sh"];
    Ok(words.iter().map(|&word| word.to_owned()).collect())
}

fn text(path: &Path) -> String {
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

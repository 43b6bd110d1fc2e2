//! `bench`: what a sweep costs, with the tools that others use beside it in the same run.
//!
//! Three processes are kept apart: the one that serves the hosts, the one that is measured, and the one that measures. Wall
//! time on one machine says little, since the servers want the same processors; CPU per host is the figure to compare.

pub(super) mod fleet;
mod jobs;
pub(crate) mod measure;
mod peers;

use super::herdiff::Herdiff;
use super::up::Form;
use super::{CommandError, now, raise_descriptor_limit};
use fleet::Served;
use jobs::{Job, Limits, Run};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  herdiff-testbed bench --hosts 100,1000,5000
  herdiff-testbed bench --form sshd --hosts 50 --peers --fault 5%=refuse --fault 5%=hang --record raw.ndjson")]
pub(crate) struct Arguments {
    /// How many hosts to serve; several numbers are measured one after another
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "200", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hosts: Vec<u32>,
    /// What the hosts are made of: simulated, or a real sshd, which needs root
    #[arg(long, value_enum, default_value_t = Form::Simulated)]
    form: Form,
    /// Let hosts misbehave, as `up` does; may be given again and again
    #[arg(long, value_name = "HOST|N|N%=NAME")]
    fault: Vec<String>,
    /// Also measure pssh, clush, pdsh, Ansible and parallel-ssh, where they are installed
    #[arg(long)]
    peers: bool,
    /// A python that has parallel-ssh of PyPI
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// How many hosts to visit at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    forks: u32,
    /// Seconds to reach a host, for all tools
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    connect_timeout: u32,
    /// Seconds for everything on one host, for all tools
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    host_timeout: u32,
    /// How often to measure each; the run with the median of CPU time counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// The probe that OpenSSH pushes; the one that was built with `herdiff`, if not given
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
    /// Add every run to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    raise_descriptor_limit();
    let herdiff = Herdiff::beside_us()?;
    let probe = probe(arguments.probe.as_deref())?;
    let limits =
        Limits { forks: arguments.forks, connect: arguments.connect_timeout, host: arguments.host_timeout };
    println!("{}", setting(arguments, &probe));
    let mut short = Vec::new();
    for &hosts in &arguments.hosts {
        let served = Served::start(arguments.form, hosts, &arguments.fault)?;
        let mut jobs = vec![Job::herdiff(&herdiff, &served, &limits), Job::push(&served, &limits, &probe)?];
        if arguments.peers {
            jobs.extend(peers::jobs(&served, &limits, arguments.python.as_deref())?);
        }
        println!(
            "{:<34}{:>8}{:>8}{:>12}{:>10}{:>10}{:>6}",
            "", "hosts", "done", "CPU ms/host", "wall s", "peak MB", "exit"
        );
        for job in &jobs {
            let run = median(arguments, &herdiff, &served, job, hosts)?;
            // Where hosts misbehave, not all can be done.
            if arguments.fault.is_empty() && run.done != hosts as usize {
                short.push(format!("{} ({} of {hosts})", job.name(), run.done));
            }
            println!("{}", line(job, &run, hosts));
        }
        served.stop()?;
    }
    if !short.is_empty() {
        let what = short.join(", ");
        return Err(CommandError::NotAsExpected(format!(
            "not every host was done by: {what}; the figures do not count"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// The probe to push: this one, or the one that `herdiff` was built with.
pub(super) fn probe(named: Option<&Path>) -> Result<PathBuf, CommandError> {
    named.map(Path::to_owned).or_else(jobs::built_probe).ok_or_else(|| {
        CommandError::NotAsExpected(
            "the probe that `herdiff` was built with is not there; name one with --probe".to_owned(),
        )
    })
}

/// Measures a job several times; the run with the median of CPU time.
fn median(
    arguments: &Arguments,
    herdiff: &Herdiff,
    served: &Served,
    job: &Job,
    hosts: u32,
) -> Result<Run, CommandError> {
    let mut runs = Vec::new();
    for number in 1..=arguments.runs {
        let run = job.measure(herdiff, served)?;
        if let Some(path) = &arguments.record {
            let record = json!({"time": now(), "job": job.name(), "form": arguments.form.name(), "hosts": hosts,
                "faults": arguments.fault, "forks": arguments.forks, "run": number, "done": run.done,
                "measured": run.measured});
            writeln!(OpenOptions::new().append(true).create(true).open(path)?, "{record}")?;
        }
        runs.push(run);
    }
    runs.sort_by_key(|run| run.measured.user_us + run.measured.system_us);
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle).ok_or_else(|| CommandError::NotAsExpected("nothing was measured".to_owned()))
}

fn setting(arguments: &Arguments, probe: &Path) -> String {
    let size = std::fs::metadata(probe).map_or(0, |probe| probe.len());
    format!(
        "{} hosts on loopback, {} at a time, median of {}; {} processors; probe of {:.1} MB; faults: {}\n{}\n",
        arguments.form.name(),
        arguments.forks,
        arguments.runs,
        std::thread::available_parallelism().map_or(1, usize::from),
        size as f64 / 1e6,
        if arguments.fault.is_empty() { "none".to_owned() } else { arguments.fault.join(" ") },
        peers::versions(arguments.python.as_deref()).join("\n"),
    )
}

fn line(job: &Job, run: &Run, hosts: u32) -> String {
    let Run { measured, done } = run;
    let each = (measured.user_us + measured.system_us) as f64 / 1000.0 / f64::from(hosts);
    let (wall, peak) = (measured.wall_us as f64 / 1e6, measured.peak_kb as f64 / 1e3);
    let code = measured.code.map_or("signal".to_owned(), |code| code.to_string());
    format!("{:<34}{hosts:>8}{done:>8}{each:>12.2}{wall:>10.2}{peak:>10.0}{code:>6}", job.name())
}

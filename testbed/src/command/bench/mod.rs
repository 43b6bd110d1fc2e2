//! `bench`: what a sweep costs, with OpenSSH's client beside it in the same run.
//!
//! Three processes are kept apart: the one that serves the hosts, the one that is measured, and the one that measures. Wall
//! time on one machine says little, since the servers want the same processors; CPU per host is the figure to compare.

mod fleet;
mod jobs;
pub(crate) mod measure;

use super::herdiff::Herdiff;
use super::{CommandError, raise_descriptor_limit};
use fleet::Served;
use jobs::Job;
use measure::Measured;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed bench --hosts 200")]
pub(crate) struct Arguments {
    /// How many hosts to serve
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hosts: u32,
    /// How many of them to visit at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    forks: u32,
    /// How often to measure each; the run with the median of CPU time counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// The probe that the peers push; the one that was built with `herdiff`, if not given
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    raise_descriptor_limit();
    let herdiff = Herdiff::beside_us()?;
    let probe = match &arguments.probe {
        Some(probe) => probe.clone(),
        None => jobs::built_probe().ok_or_else(|| {
            CommandError::NotAsExpected(
                "the probe that `herdiff` was built with is not there; name one with --probe".to_owned(),
            )
        })?,
    };
    let served = Served::start(arguments.hosts)?;
    let jobs = [
        Job::herdiff(&herdiff, &served, arguments.forks),
        Job::push(&served, arguments.forks, &probe)?,
        Job::just_log_in(&served, arguments.forks),
    ];
    println!("{}", setting(arguments, &probe));
    println!("{:<34}{:>12}{:>10}{:>10}{:>10}", "", "CPU ms/host", "wall s", "peak MB", "exit");
    let mut failed = Vec::new();
    for job in &jobs {
        let median = job.measure(arguments.runs)?;
        if median.code != Some(0) {
            failed.push(job.name());
        }
        println!("{}", line(job, &median, arguments.hosts));
    }
    served.stop()?;
    if !failed.is_empty() {
        let what = failed.join(", ");
        return Err(CommandError::NotAsExpected(format!(
            "not every host was done by: {what}; the figures do not count"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn setting(arguments: &Arguments, probe: &std::path::Path) -> String {
    let version = Command::new("ssh")
        .arg("-V")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    let size = std::fs::metadata(probe).map_or(0, |probe| probe.len());
    format!(
        "{} simulated hosts on loopback, {} at a time, median of {}; {} processors; probe of {:.1} MB; {}\n",
        arguments.hosts,
        arguments.forks,
        arguments.runs,
        std::thread::available_parallelism().map_or(1, usize::from),
        size as f64 / 1e6,
        version.unwrap_or_else(|_| "no ssh".to_owned()),
    )
}

fn line(job: &Job, measured: &Measured, hosts: u32) -> String {
    let each = (measured.user_us + measured.system_us) as f64 / 1000.0 / f64::from(hosts);
    let (wall, peak) = (measured.wall_us as f64 / 1e6, measured.peak_kb as f64 / 1e3);
    let code = measured.code.map_or("signal".to_owned(), |code| code.to_string());
    format!("{:<34}{each:>12.2}{wall:>10.2}{peak:>10.0}{code:>10}", job.name())
}

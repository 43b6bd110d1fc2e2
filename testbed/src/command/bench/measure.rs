//! Runs one command and says what it has cost. A process of its own, so that nothing else is in the figures.

use crate::command::CommandError;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How often memory is looked at.
const STEP: Duration = Duration::from_millis(25);

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where its standard output goes; nowhere, if not given
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
}

/// What a command and all its children have cost.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) wall_us: u64,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
    /// The most memory that all of them had together at one moment.
    pub(crate) peak_kb: u64,
    pub(crate) code: Option<i32>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let Some((program, rest)) = arguments.command.split_first() else { return Ok(ExitCode::from(2)) };
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null());
    command.stdout(match &arguments.output {
        Some(path) => File::create(path)?.into(),
        None => Stdio::null(),
    });
    let mut child =
        command.spawn().map_err(|cause| CommandError::Start { program: program.clone(), cause })?;
    let first = child.id();
    let mut peak_kb = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kb = peak_kb.max(memory(first));
        std::thread::sleep(STEP);
    };
    let wall_us = micros(start.elapsed());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(std::io::Error::from)?;
    let largest = u64::try_from(usage.max_rss()).unwrap_or(0);
    let measured = Measured {
        wall_us,
        user_us: time(usage.user_time()),
        system_us: time(usage.system_time()),
        peak_kb: peak_kb.max(largest),
        code: status.code(),
    };
    println!("{}", serde_json::json!(measured));
    Ok(ExitCode::SUCCESS)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn time(value: TimeVal) -> u64 {
    u64::try_from(value.tv_sec() * 1_000_000 + value.tv_usec()).unwrap_or(0)
}

/// Resident memory of a process and of all below it, in kB. Pages that are shared count for each that has them.
fn memory(first: u32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let stats = entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    let all: Vec<Process> =
        stats.filter_map(|entry| Process::of(&fs::read_to_string(entry.path().join("stat")).ok()?)).collect();
    let mut family = vec![first];
    let mut known = 0;
    // Parents may come behind their children in the list, so it is gone through for each generation.
    while family.len() > known {
        let generation = family.split_off(known);
        known += generation.len();
        let children = all.iter().filter(|process| generation.contains(&process.parent));
        let children: Vec<u32> = children.map(|process| process.id).collect();
        family.extend(generation);
        family.extend(children);
    }
    all.iter().filter(|process| family.contains(&process.id)).map(|process| process.resident_kb).sum()
}

/// What `/proc/<pid>/stat` says of a process.
struct Process {
    id: u32,
    parent: u32,
    resident_kb: u64,
}

impl Process {
    fn of(stat: &str) -> Option<Self> {
        let (id, rest) = stat.split_once(' ')?;
        let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            id: id.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            resident_kb: fields.get(21)?.parse::<u64>().ok()? * 4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_a_process_and_all_below_it() {
        let mut shell = Command::new("sh").args(["-c", "sleep 600 & wait"]).spawn().unwrap();
        let stat = |id: u32| Process::of(&fs::read_to_string(format!("/proc/{id}/stat")).unwrap()).unwrap();
        let children = || fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.id())).unwrap();
        while children().trim().is_empty() || memory(shell.id()) <= stat(shell.id()).resident_kb {
            std::thread::sleep(STEP);
        }
        let child: u32 = children().trim().parse().unwrap();
        assert_eq!(stat(child).parent, shell.id());
        assert!(memory(shell.id()) < memory(std::process::id()));
        let child = rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
    }
}

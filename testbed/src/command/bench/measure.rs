//! Runs one command and says what it has cost. A process of its own, so that nothing else is in the figures.

use crate::command::CommandError;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How often memory is looked at.
const STEP: Duration = Duration::from_millis(25);

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
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
    command.args(rest).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child =
        command.spawn().map_err(|cause| CommandError::Start { program: program.clone(), cause })?;
    let group = child.id();
    let mut peak_kb = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kb = peak_kb.max(memory(group));
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

/// Resident memory of a process group, in kB. Pages that are shared count for each that has them.
fn memory(group: u32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let stats = entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    stats.filter_map(|entry| resident(&fs::read_to_string(entry.path().join("stat")).ok()?, group)).sum()
}

/// The resident memory in a line of `/proc/<pid>/stat`, where the process is of that group.
fn resident(stat: &str, group: u32) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.get(2)?.parse() == Ok(group)).then_some(())?;
    Some(fields.get(21)?.parse::<u64>().ok()? * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_the_group() {
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        let group: u32 = own.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap().parse().unwrap();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let real: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(resident(&own, group).unwrap().abs_diff(real) < real / 2);
        assert_eq!(resident(&own, group + 1), None);
        assert!(memory(group) >= real / 2);
    }
}

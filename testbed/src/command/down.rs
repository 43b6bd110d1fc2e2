//! `down`: a fleet is taken away, with all that was made for it.

use super::CommandError;
use herdiff_testbed::live::LiveError;
use herdiff_testbed::live::compose::Compose;
use herdiff_testbed::live::state::{Running, State, started};
use herdiff_testbed::site::Site;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a process may take to end all that it has started.
const TO_END: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed down --dir herdiff-fleet")]
pub(crate) struct Arguments {
    /// The directory that the fleet was started from
    #[arg(long, value_name = "DIR", default_value = "herdiff-fleet")]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let state = State::read(&arguments.dir).map_err(LiveError::from)?;
    end(&state, &arguments.dir)?;
    println!("The fleet of {} is gone.", arguments.dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Ends a fleet and forgets it. Inventory and known_hosts stay, as evidence of which hosts there were.
pub(super) fn end(state: &State, directory: &Path) -> Result<(), CommandError> {
    match &state.fleet {
        Running::Simulated { pid, started, .. } | Running::Sshd { pid, started, .. } => {
            end_process(*pid, *started)?;
        }
        Running::Compose { .. } => Compose::of(&Site::open(directory)?).down()?,
    }
    sweep_up(state, directory);
    Ok(())
}

fn end_process(pid: u32, then: u64) -> Result<(), CommandError> {
    let is_there = || started(pid) == Some(then);
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|_| is_there()) else {
        return Ok(());
    };
    kill_process(number, Signal::TERM).map_err(std::io::Error::from)?;
    let start = Instant::now();
    while is_there() {
        if start.elapsed() > TO_END {
            return Err(CommandError::NotAsExpected(format!("process {pid} does not end")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Removes what a fleet has left that is no use without it.
pub(super) fn sweep_up(state: &State, directory: &Path) {
    if let Running::Simulated { trees, .. } = &state.fleet
        && trees.file_name().is_some_and(|name| name.to_string_lossy().starts_with("herdiff-testbed-"))
    {
        // Gone already, unless the process was killed.
        let _ = fs::remove_dir_all(trees);
    }
    if let Running::Simulated { pid, .. } = &state.fleet {
        herdiff_testbed::serve::sweep_up(*pid);
    }
    if let Ok(site) = Site::open(directory) {
        site.forget_identity();
    }
    for form in ["compose", "sshd"] {
        let _ = fs::remove_dir_all(directory.join(form));
    }
    State::forget(directory);
}

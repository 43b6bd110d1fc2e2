//! `status`: which fleet is up, what was planted, who misbehaves.

use super::CommandError;
use herdiff_testbed::live::LiveError;
use herdiff_testbed::live::compose::Compose;
use herdiff_testbed::live::sshd::Held;
use herdiff_testbed::live::state::{Running, State, started};
use herdiff_testbed::site::Site;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed status --dir herdiff-fleet")]
pub(crate) struct Arguments {
    /// The directory that the fleet was started from
    #[arg(long, value_name = "DIR", default_value = "herdiff-fleet")]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let state = State::read(&arguments.dir).map_err(LiveError::from)?;
    let form = state.fleet.form();
    match &state.fleet {
        Running::Simulated { pid, started: then, herds, .. } => {
            if started(*pid) != Some(*then) {
                println!("{form}: process {pid} is gone; herdiff-testbed down removes what it left");
                return Ok(ExitCode::from(1));
            }
            let each: Vec<_> = herds.iter().map(|plan| format!("{} {}", plan.hosts, plan.role)).collect();
            let hosts: u32 = herds.iter().map(|plan| plan.hosts).sum();
            println!("{form}: {hosts} hosts ({}), served by process {pid}", each.join(", "));
        }
        Running::Sshd { pid, started: then, keeper } => {
            if started(*pid) != Some(*then) {
                println!("{form}: process {pid} is gone; herdiff-testbed down removes what it left");
                return Ok(ExitCode::from(1));
            }
            let hosts = Held::of(&Site::open(&arguments.dir)?, *keeper)?.names()?;
            println!("{form}: {} hosts, held by process {pid}: {}", hosts.len(), hosts.join(", "));
        }
        Running::Compose { project } => {
            let hosts = Compose::of(&Site::open(&arguments.dir)?).status()?;
            println!("{form}: {} containers of project {project}", hosts.len());
            for (host, state) in &hosts {
                println!("  {host:<12} {state}");
            }
        }
    }
    for (host, attack) in &state.planted {
        println!("attack  {host:<12} {attack}");
    }
    for (host, fault) in &state.faults {
        println!("fault   {host:<12} {fault}");
    }
    Ok(ExitCode::SUCCESS)
}

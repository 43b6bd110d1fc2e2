//! `attack` and `fault`: something is done to hosts of a fleet that is up.

use super::choice::{self, Choice, on_hosts};
use super::{CommandError, truth};
use herdiff_testbed::attack::{Attack, Planted};
use herdiff_testbed::fault::{Fault, misdirect};
use herdiff_testbed::fleet::{Fleet, FleetPlan};
use herdiff_testbed::live::compose::Compose;
use herdiff_testbed::live::sshd::Held;
use herdiff_testbed::live::state::{Running, State};
use herdiff_testbed::live::{LiveError, attack_script};
use herdiff_testbed::site::Site;
use herdiff_testbed::tree;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed attack web-03=miner 30%=key-for-root")]
pub(crate) struct AttackArguments {
    /// What to plant where; `herdiff-testbed up --help` lists the attacks
    #[arg(required = true, value_name = "HOST|N|N%=NAME", value_parser = on_hosts::<Attack>)]
    attack: Vec<(Choice, Attack)>,
    /// The directory that the fleet was started from
    #[arg(long, value_name = "DIR", default_value = "herdiff-fleet")]
    dir: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed fault web-03=hang 5%=refuse")]
pub(crate) struct FaultArguments {
    /// Who is to misbehave in which way; `herdiff-testbed up --help` lists the faults
    #[arg(required = true, value_name = "HOST|N|N%=NAME", value_parser = on_hosts::<Fault>)]
    fault: Vec<(Choice, Fault)>,
    /// The directory that the fleet was started from
    #[arg(long, value_name = "DIR", default_value = "herdiff-fleet")]
    dir: PathBuf,
}

pub(crate) fn attack(arguments: &AttackArguments) -> Result<ExitCode, CommandError> {
    let mut state = State::read(&arguments.dir).map_err(LiveError::from)?;
    let site = Site::open(&arguments.dir)?;
    for (host, attack) in choice::spread(&arguments.attack, &names(&state, &site)?) {
        plant(&mut state, &site, &host, attack)?;
        println!("{host}: {} ({})", attack.story(), attack.techniques().join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn fault(arguments: &FaultArguments) -> Result<ExitCode, CommandError> {
    let mut state = State::read(&arguments.dir).map_err(LiveError::from)?;
    let site = Site::open(&arguments.dir)?;
    for (host, fault) in choice::spread(&arguments.fault, &names(&state, &site)?) {
        break_host(&mut state, &site, &host, fault)?;
        println!("{host} {}", fault.meaning());
    }
    Ok(ExitCode::SUCCESS)
}

/// The hosts that a share is taken of.
fn names(state: &State, site: &Site) -> Result<Vec<String>, CommandError> {
    Ok(match &state.fleet {
        Running::Simulated { herds, .. } => herds.iter().flat_map(FleetPlan::names).collect(),
        Running::Sshd { keeper, .. } => Held::of(site, *keeper)?.names()?,
        Running::Compose { .. } => {
            Compose::of(site).status()?.into_keys().filter(|name| name.starts_with("web-")).collect()
        }
    })
}

/// Plants an attack on a host, remembers it, and writes down the truth.
pub(super) fn plant(state: &mut State, site: &Site, host: &str, attack: Attack) -> Result<(), CommandError> {
    match &state.fleet {
        Running::Simulated { herds, trees, .. } => {
            let mut fleet = Fleet::of(herds);
            for (host, attack) in &state.planted {
                if let Ok(attack) = attack.parse() {
                    fleet.plant(host, attack)?;
                }
            }
            fleet.plant(host, attack)?;
            replace_tree(&fleet, host, trees)?;
            truth::write(site, &fleet.planted)?;
            state.planted.push((host.to_owned(), attack.name().to_owned()));
        }
        Running::Compose { .. } | Running::Sshd { .. } => {
            match &state.fleet {
                Running::Sshd { keeper, .. } => Held::of(site, *keeper)?.plant(host, attack)?,
                _ => Compose::of(site).plant(host, attack)?,
            };
            state.planted.push((host.to_owned(), attack.name().to_owned()));
            truth::write(site, &scripted(state))?;
        }
    }
    Ok(state.write(site.directory()).map_err(LiveError::from)?)
}

/// Lets a host misbehave, and remembers it.
pub(super) fn break_host(
    state: &mut State,
    site: &Site,
    host: &str,
    fault: Fault,
) -> Result<(), CommandError> {
    match &state.fleet {
        Running::Simulated { .. } => {
            let names = names(state, site)?;
            if !names.iter().any(|name| name == host) {
                let known =
                    format!("{} to {}", names.first().map_or("", |n| n), names.last().map_or("", |n| n));
                return Err(LiveError::NoSuchHost { host: host.to_owned(), known }.into());
            }
        }
        _ if fault.is_in_files() => {}
        Running::Compose { .. } => Compose::of(site).break_host(host, fault)?,
        Running::Sshd { keeper, .. } => Held::of(site, *keeper)?.break_host(host, fault)?,
    }
    misdirect(site, host, fault).map_err(LiveError::from)?;
    state.faults.insert(host.to_owned(), fault.name().to_owned());
    Ok(state.write(site.directory()).map_err(LiveError::from)?)
}

/// The truth of a fleet that is changed by scripts.
fn scripted(state: &State) -> Vec<Planted> {
    let each = |(host, attack): &(String, String)| {
        let attack: Attack = attack.parse().ok()?;
        Some(Planted { host: host.clone(), attack, traces: attack_script(attack).1 })
    };
    state.planted.iter().filter_map(each).collect()
}

/// Puts the new tree of a host into the place of the old one.
fn replace_tree(fleet: &Fleet, name: &str, trees: &Path) -> Result<(), CommandError> {
    let Some(host) = fleet.host(name) else { return Ok(()) };
    let (place, new, old) = (trees.join(name), trees.join(".new"), trees.join(".old"));
    tree::write(host, &new).map_err(herdiff_testbed::ground::GroundError::from)?;
    std::fs::rename(&place, &old)?;
    std::fs::rename(&new, &place)?;
    Ok(std::fs::remove_dir_all(&old)?)
}

//! Containers, which go on by themselves.

use super::{Arguments, tell};
use crate::command::{CommandError, change, choice, runtime, told_to_end};
use herdiff_testbed::live::LiveError;
use herdiff_testbed::live::compose::Compose;
use herdiff_testbed::live::state::{Running, State};
use herdiff_testbed::site::Site;
use std::process::ExitCode;

const USUAL_WEB_SERVERS: u32 = 3;

pub(super) fn run(arguments: &Arguments, site: &Site) -> Result<ExitCode, CommandError> {
    let fleet = Compose::of(site);
    Compose::is_possible()?;
    let mut state = State::new(Running::Compose { project: fleet.project().to_owned() });
    // Before the first container, so that `down` finds what a killed `up` has left.
    state.write(site.directory()).map_err(LiveError::from)?;
    let started = start(arguments, site, &fleet, &mut state);
    if started.is_err() {
        // Half a fleet is of no use to anybody; why there is only half of it is said.
        let _ = crate::command::down::end(&state, site.directory());
    }
    let names = started?;
    println!("{} containers answer over SSH: {}.", names.len(), names.join(", "));
    println!("All but the bastion are reached through it only.\n");
    println!(
        "  herdiff collect -i {} -F {} -o fleet.herd",
        site.inventory().display(),
        site.ssh_config().display()
    );
    tell(site, names.last().map_or("web-1", String::as_str));
    if arguments.detach {
        println!("\nherdiff-testbed down --dir {} ends them.", site.directory().display());
    } else {
        println!("\nCtrl-C ends them.");
        runtime()?.block_on(told_to_end());
        crate::command::down::end(&state, site.directory())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn start(
    arguments: &Arguments,
    site: &Site,
    fleet: &Compose,
    state: &mut State,
) -> Result<Vec<String>, CommandError> {
    let web = arguments.hosts.unwrap_or(USUAL_WEB_SERVERS);
    let names = fleet.up(site, web, arguments.base.as_deref())?;
    let tier: Vec<String> = names.iter().filter(|name| name.starts_with("web-")).cloned().collect();
    for (host, attack) in choice::spread(&arguments.attack, &tier) {
        change::plant(state, site, &host, attack)?;
    }
    for (host, fault) in choice::spread(&arguments.fault, &tier) {
        change::break_host(state, site, &host, fault)?;
    }
    Ok(names)
}

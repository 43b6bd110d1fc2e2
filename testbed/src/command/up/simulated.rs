//! Simulated hosts, served by this process until it is told to end.

use super::{Arguments, follow, tell};
use crate::command::{
    CommandError, choice, herds, now, place_for_trees, raise_descriptor_limit, runtime, told_to_end,
};
use herdiff_testbed::fleet::{Fleet, FleetPlan};
use herdiff_testbed::ground::{self, Trees};
use herdiff_testbed::live::LiveError;
use herdiff_testbed::live::state::{Running, State, started};
use herdiff_testbed::site::Site;
use std::collections::BTreeMap;
use std::process::ExitCode;

const USUAL_HOSTS: u32 = 24;

pub(super) fn run(arguments: &Arguments, site: &Site) -> Result<ExitCode, CommandError> {
    raise_descriptor_limit();
    let common =
        FleetPlan { seed: arguments.seed, now: now(), noise: arguments.noise, ..FleetPlan::default() };
    let plans = herds::plans(&arguments.roles, arguments.hosts.unwrap_or(USUAL_HOSTS), &common)
        .map_err(CommandError::NotStarted)?;
    let mut fleet = Fleet::of(&plans);
    let names = fleet.names();
    for (host, attack) in choice::spread(&arguments.attack, &names) {
        fleet.plant(&host, attack)?;
    }
    let faults: BTreeMap<_, _> = choice::spread(&arguments.fault, &names).into_iter().collect();
    let trees = Trees::write(&fleet, &place_for_trees(plans.iter().map(|plan| plan.hosts).sum()))?;
    runtime()?.block_on(async {
        let farm = ground::serve_through(&fleet, &trees, &faults, site, arguments.shape()).await?;
        let pid = std::process::id();
        let mut state = State::new(Running::Simulated {
            pid,
            started: started(pid).unwrap_or(0),
            trees: trees.directory().to_owned(),
            herds: plans.clone(),
        });
        state.planted = fleet.planted.iter().map(|p| (p.host.clone(), p.attack.name().to_owned())).collect();
        state.faults = faults.iter().map(|(host, fault)| (host.clone(), fault.name().to_owned())).collect();
        crate::command::truth::write(site, &fleet.planted)?;
        state.write(site.directory()).map_err(LiveError::from)?;
        introduce(&fleet, site);
        tokio::select! {
            () = told_to_end() => {}
            () = follow(site, &names, |name, fault| _ = farm.set_fault(name, fault)) => {}
        }
        farm.stop().await;
        site.forget_identity();
        State::forget(site.directory());
        Ok(ExitCode::SUCCESS)
    })
}

fn introduce(fleet: &Fleet, site: &Site) {
    let name = |host: Option<&herdiff_testbed::fleet::host::Host>| {
        host.map(|host| host.name.clone()).unwrap_or_default()
    };
    let (first, last) = (name(fleet.hosts.first()), name(fleet.hosts.last()));
    println!("{} hosts answer over SSH on loopback: {first} to {last}.", fleet.hosts.len());
    println!("Commands run on this machine, as you; what is simulated is what Herdiff's probe sees.\n");
    println!(
        "  herdiff collect -i {} --identity {} --known-hosts {} -o fleet.herd",
        site.inventory().display(),
        site.identity().display(),
        site.known_hosts().display()
    );
    tell(site, &first);
    println!("\nCtrl-C ends them.");
}

//! Real sshd in namespaces, held by this process until it is told to end.

use super::{Arguments, follow, tell};
use crate::command::{CommandError, change, choice, runtime, told_to_end};
use herdiff_testbed::live::LiveError;
use herdiff_testbed::live::sshd::SshdFleet;
use herdiff_testbed::live::state::{Running, State, started};
use herdiff_testbed::site::Site;
use std::process::ExitCode;

const USUAL_HOSTS: u32 = 5;

pub(super) fn run(arguments: &Arguments, site: &Site) -> Result<ExitCode, CommandError> {
    runtime()?.block_on(async {
        let mut fleet =
            SshdFleet::up(site, arguments.hosts.unwrap_or(USUAL_HOSTS), arguments.shape()).await?;
        let told = serve(arguments, site, &fleet).await;
        fleet.down().await;
        site.forget_identity();
        if let Ok(state) = State::read(site.directory()) {
            crate::command::down::sweep_up(&state, site.directory());
        }
        told.map(|()| ExitCode::SUCCESS)
    })
}

async fn serve(arguments: &Arguments, site: &Site, fleet: &SshdFleet) -> Result<(), CommandError> {
    let pid = std::process::id();
    let mut state =
        State::new(Running::Sshd { pid, started: started(pid).unwrap_or(0), keeper: fleet.keeper() });
    state.write(site.directory()).map_err(LiveError::from)?;
    for (host, attack) in choice::spread(&arguments.attack, fleet.names()) {
        change::plant(&mut state, site, &host, attack)?;
    }
    for (host, fault) in choice::spread(&arguments.fault, fleet.names()) {
        change::break_host(&mut state, site, &host, fault)?;
    }
    println!(
        "{} hosts with a real sshd answer on loopback: {}.\n",
        fleet.names().len(),
        fleet.names().join(", ")
    );
    println!(
        "  herdiff collect -i {} -F {} -o fleet.herd",
        site.inventory().display(),
        site.ssh_config().display()
    );
    tell(site, fleet.names().first().map_or("web-1", String::as_str));
    println!("\nCtrl-C ends them.");
    tokio::select! {
        () = told_to_end() => {}
        () = follow(site, fleet.names(), |name, fault| fleet.set_fault(name, fault)) => {}
    }
    Ok(())
}

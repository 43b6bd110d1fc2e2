//! `up`: a fleet to sweep by hand.

use super::{CommandError, now, place_for_trees, raise_descriptor_limit, runtime, told_to_end};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use herdiff_testbed::attack::Attack;
use herdiff_testbed::fault::Fault;
use herdiff_testbed::fleet::{Fleet, FleetPlan, Noise};
use herdiff_testbed::ground::{self, Trees};
use herdiff_testbed::site::Site;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Arguments {
    /// How many hosts to serve
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hosts: u32,
    /// Another seed makes another fleet
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Where to leave inventory, keys and configuration
    #[arg(long, value_name = "DIR", default_value = "herdiff-fleet")]
    dir: PathBuf,
    /// Plant an attack on a host; may be given again and again
    #[arg(long, value_name = "HOST=NAME", value_parser = on_host::<Attack>)]
    attack: Vec<(String, Attack)>,
    /// Let a host misbehave; may be given again and again
    #[arg(long, value_name = "HOST=NAME", value_parser = on_host::<Fault>)]
    fault: Vec<(String, Fault)>,
    /// How different life has made the hosts
    #[arg(long, default_value = "usual", value_parser = noise())]
    noise: Noise,
}

/// The levels of noise by their names.
pub(super) fn noise() -> impl TypedValueParser<Value = Noise> {
    PossibleValuesParser::new(["usual", "hard"])
        .map(|name| if name == "hard" { Noise::Hard } else { Noise::Usual })
}

/// `HOST=NAME`.
pub(super) fn on_host<T>(text: &str) -> Result<(String, T), String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let (host, name) = text.split_once('=').ok_or("this has to be HOST=NAME, as in web-03=NAME")?;
    Ok((host.to_owned(), name.parse().map_err(|error: T::Err| error.to_string())?))
}

fn after_help() -> String {
    let mut text = "Attacks:\n".to_owned();
    for attack in Attack::ALL {
        text += &format!("  {:<20}{} ({})\n", attack.name(), attack.story(), attack.techniques().join(", "));
    }
    text += "\nFaults:\n";
    for fault in Fault::ALL {
        text += &format!("  {:<20}the host {}\n", fault.name(), fault.meaning());
    }
    text + "\nExample: herdiff-testbed up --hosts 50 --attack web-03=setuid-shell --fault web-11=hang"
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    raise_descriptor_limit();
    let site = Site::open(&arguments.dir)?;
    let plan = FleetPlan {
        seed: arguments.seed,
        hosts: arguments.hosts,
        now: now(),
        noise: arguments.noise,
        ..FleetPlan::default()
    };
    let mut fleet = Fleet::grow(&plan);
    for (host, attack) in &arguments.attack {
        fleet.plant(host, *attack)?;
    }
    let faults = arguments.fault.iter().cloned().collect();
    let trees = Trees::write(&fleet, &place_for_trees(arguments.hosts))?;
    runtime()?.block_on(async {
        let farm = ground::serve(&fleet, &trees, &faults, &site).await?;
        tell(&fleet, &site);
        told_to_end().await;
        farm.stop().await;
        site.forget_identity();
        Ok(ExitCode::SUCCESS)
    })
}

fn tell(fleet: &Fleet, site: &Site) {
    let (first, last) = (fleet.hosts.first(), fleet.hosts.last());
    let name = |host: Option<&herdiff_testbed::fleet::host::Host>| {
        host.map(|host| host.name.clone()).unwrap_or_default()
    };
    println!("{} hosts answer over SSH on loopback: {} to {}.", fleet.hosts.len(), name(first), name(last));
    println!("Commands run on this machine, as you; what is simulated is what Herdiff's probe sees.\n");
    println!("  inventory    {}", site.inventory().display());
    println!("  key          {}", site.identity().display());
    println!("  known hosts  {}", site.known_hosts().display());
    println!("  ssh config   {}\n", site.ssh_config().display());
    println!(
        "  herdiff collect -i {} --identity {} --known-hosts {} -o fleet.herd",
        site.inventory().display(),
        site.identity().display(),
        site.known_hosts().display()
    );
    println!("  ssh -F {} {} uptime\n\nCtrl-C ends them.", site.ssh_config().display(), name(first));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_a_host_and_a_name() {
        assert_eq!(on_host("web-03=setuid-shell"), Ok(("web-03".to_owned(), Attack::SetuidShell)));
        assert_eq!(on_host::<Fault>("web-03"), Err("this has to be HOST=NAME, as in web-03=NAME".to_owned()));
        assert!(on_host::<Fault>("web-03=x").unwrap_err().starts_with("there is no fault `x`"));
    }
}

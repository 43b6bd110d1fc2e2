//! `up`: a fleet to sweep by hand, in one of its forms, in front or in the background.

mod compose;
mod detach;
mod simulated;
mod sshd;

use super::CommandError;
use super::choice::{Choice, on_hosts};
use super::herds::{Herd, herd};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use herdiff_testbed::attack::Attack;
use herdiff_testbed::fault::Fault;
use herdiff_testbed::fleet::Noise;
use herdiff_testbed::live::state::{Running, State, StateError, started};
use herdiff_testbed::relay::Shape;
use herdiff_testbed::site::Site;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What a fleet is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Described hosts, served by one process; thousands of them
    Simulated,
    /// Containers: a bastion, web servers behind it, a database
    Compose,
    /// Hosts with a real sshd, in namespaces of this machine; needs root
    Sshd,
}

impl Form {
    /// As the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Compose => "compose",
            Self::Sshd => "sshd",
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Arguments {
    /// What the fleet is made of
    #[arg(long, value_enum, default_value_t = Form::Simulated)]
    form: Form,
    /// Go on in the background; `herdiff-testbed down` ends it
    #[arg(short, long)]
    detach: bool,
    /// How many hosts (of the web tier) to serve [default: 24, of containers 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hosts: Option<u32>,
    /// How many hosts of which role, each role a herd: web, db, lb; of simulated hosts only
    #[arg(long, value_name = "ROLE=N", value_delimiter = ',', value_parser = herd, conflicts_with = "hosts")]
    roles: Vec<Herd>,
    /// The image that containers are made from [default: herdiff-testbed-base if it is there, else debian:bookworm-slim]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// Another seed makes another fleet
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Where to leave inventory, keys and configuration
    #[arg(long, value_name = "DIR", default_value = "herdiff-fleet")]
    dir: PathBuf,
    /// Plant an attack on a host, on so many, or on a share of all; may be given again and again
    #[arg(long, value_name = "HOST|N|N%=NAME", value_parser = on_hosts::<Attack>)]
    attack: Vec<(Choice, Attack)>,
    /// Let hosts misbehave; may be given again and again
    #[arg(long, value_name = "HOST|N|N%=NAME", value_parser = on_hosts::<Fault>)]
    fault: Vec<(Choice, Fault)>,
    /// How many milliseconds the way to a host takes, each way; not of containers
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=10_000))]
    latency: u64,
    /// How many kilobytes get through to a host in a second, each way; not of containers
    #[arg(long, value_name = "KB", value_parser = clap::value_parser!(u64).range(1..))]
    bandwidth: Option<u64>,
    /// After how many bytes a connection is cut, both directions together; not of containers
    #[arg(long, value_name = "BYTES")]
    cut_after: Option<u64>,
    /// How different life has made the hosts
    #[arg(long, default_value = "usual", value_parser = noise())]
    noise: Noise,
}

impl Arguments {
    /// What the lines to the hosts are like.
    fn shape(&self) -> Shape {
        Shape {
            latency: Duration::from_millis(self.latency),
            bytes_per_second: self.bandwidth.map(|kilobytes| kilobytes * 1000),
            cut_after: self.cut_after,
            ..Shape::default()
        }
    }
}

/// The levels of noise by their names.
pub(super) fn noise() -> impl TypedValueParser<Value = Noise> {
    PossibleValuesParser::new(["usual", "hard"])
        .map(|name| if name == "hard" { Noise::Hard } else { Noise::Usual })
}

pub(super) fn after_help() -> String {
    let mut text = "Attacks:\n".to_owned();
    for attack in Attack::ALL {
        text += &format!("  {:<25}{} ({})\n", attack.name(), attack.story(), attack.techniques().join(", "));
    }
    text += "\nFaults, and what a sweep records of them:\n";
    for fault in Fault::ALL {
        text += &format!("  {:<25}the host {} ({})\n", fault.name(), fault.meaning(), fault.outcome());
    }
    text + "\nExamples:
  herdiff-testbed up --hosts 50 --attack web-03=setuid-shell --fault 5%=hang
  herdiff-testbed up --roles web=30,db=12,lb=4 --attack db-07=reverse-shell
  herdiff-testbed up --form compose -d --hosts 10 --attack web-3=cron-implant"
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let site = Site::open(&arguments.dir)?;
    make_room(&arguments.dir)?;
    match arguments.form {
        Form::Sshd | Form::Compose if !arguments.roles.is_empty() => Err(CommandError::NotStarted(
            "only simulated hosts have roles to choose: leave out --roles, or --form".to_owned(),
        )),
        Form::Simulated | Form::Sshd if arguments.detach => detach::run(&site),
        Form::Sshd => sshd::run(arguments, &site),
        Form::Simulated => simulated::run(arguments, &site),
        // It would have to be kept going by somebody: containers are left to themselves.
        Form::Compose if arguments.shape() != Shape::default() => Err(CommandError::NotStarted(
            "the lines to containers cannot be shaped: leave out --latency, --bandwidth and --cut-after"
                .to_owned(),
        )),
        Form::Compose => compose::run(arguments, &site),
    }
}

/// Forgets a fleet that is gone; refuses where one is up.
fn make_room(directory: &Path) -> Result<(), CommandError> {
    let state = match State::read(directory) {
        Err(StateError::NoFleet(_)) => return Ok(()),
        state => state.map_err(herdiff_testbed::live::LiveError::from)?,
    };
    if let Running::Simulated { pid, started: then, .. } | Running::Sshd { pid, started: then, .. } =
        state.fleet
        && started(pid) != Some(then)
    {
        super::down::sweep_up(&state, directory);
        return Ok(());
    }
    Err(herdiff_testbed::live::LiveError::from(StateError::StillUp(directory.to_owned())).into())
}

/// Does what `herdiff-testbed fault` has written down, for ever.
async fn follow(site: &Site, names: &[String], set: impl Fn(&str, Option<Fault>)) {
    /// How soon a fault that was asked for begins.
    const STEP: Duration = Duration::from_millis(100);
    let mut known = None;
    loop {
        if let Ok(state) = State::read(site.directory())
            && known.as_ref() != Some(&state)
        {
            for name in names {
                set(name, state.fault(name));
            }
            known = Some(state);
        }
        tokio::time::sleep(STEP).await;
    }
}

/// How to visit it.
fn tell(site: &Site, first: &str) {
    println!("  inventory    {}", site.inventory().display());
    println!("  key          {}", site.identity().display());
    println!("  known hosts  {}", site.known_hosts().display());
    println!("  ssh config   {}\n", site.ssh_config().display());
    println!("  ssh -F {} {first} uptime", site.ssh_config().display());
}

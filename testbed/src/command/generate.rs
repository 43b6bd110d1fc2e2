//! `generate`: saved osquery output of a fleet, for trying out comparisons at size.

use super::choice::on_host;
use super::herds::{self, Herd, herd};
use super::up::noise;
use super::{CommandError, now};
use herdiff_testbed::attack::Attack;
use herdiff_testbed::dice::Dice;
use herdiff_testbed::fleet::{Fleet, FleetPlan, Noise};
use herdiff_testbed::generate;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  herdiff-testbed generate --hosts 500 --rows 3000 --seed 1 --compromise 5 saved\n  \
                        herdiff import saved -o saved.herd && herdiff outliers saved.herd\n  \
                        herdiff-testbed generate --roles web=80,db=20 --compromise 3 mixed"
)]
pub(crate) struct Arguments {
    /// How many hosts
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    hosts: u32,
    /// How many hosts of which role: web, db, lb
    #[arg(long, value_name = "ROLE=N", value_delimiter = ',', value_parser = herd, conflicts_with = "hosts")]
    roles: Vec<Herd>,
    /// About how many rows each
    #[arg(long, value_name = "N", default_value_t = 3000)]
    rows: usize,
    /// Another seed makes another fleet
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// When the hosts are looked at, in seconds since 1970; now, if not given
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// Plant an attack on a host; may be given again and again
    #[arg(long, value_name = "HOST=NAME", value_parser = on_host::<Attack>)]
    attack: Vec<(String, Attack)>,
    /// Plant attacks on so many hosts, chosen by the seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    compromise: u32,
    /// How different life has made the hosts
    #[arg(long, default_value = "hard", value_parser = noise())]
    noise: Noise,
    /// Where to write it: a new or empty directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let start = Instant::now();
    let common = FleetPlan {
        seed: arguments.seed,
        now: arguments.now.unwrap_or_else(now),
        noise: arguments.noise,
        ..FleetPlan::default()
    };
    let plans = herds::plans(&arguments.roles, arguments.hosts, &common).map_err(CommandError::NotStarted)?;
    let mut fleet = Fleet::of(&plans);
    let mut dice = Dice::new(arguments.seed).named("compromise");
    let mut names = fleet.names();
    dice.shuffle(&mut names);
    let by_chance = names.into_iter().zip(Attack::ALL.iter().copied().cycle());
    let by_chance = by_chance.take(arguments.compromise as usize);
    for (host, attack) in arguments.attack.iter().cloned().chain(by_chance) {
        fleet.plant(&host, attack)?;
    }
    let written = generate::write(&fleet, arguments.rows, &arguments.directory)?;
    println!(
        "{} hosts, {} rows, {} MB, {} attacks in {} ({:.1} s). The truth is in truth.json.",
        written.hosts,
        written.rows,
        written.bytes / 1_000_000,
        fleet.planted.len(),
        arguments.directory.display(),
        start.elapsed().as_secs_f64(),
    );
    Ok(ExitCode::SUCCESS)
}

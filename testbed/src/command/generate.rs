//! `generate`: saved osquery output of a fleet, for trying out comparisons at size.

use super::choice::on_host;
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
                        herdiff import saved -o saved.herd && herdiff outliers saved.herd"
)]
pub(crate) struct Arguments {
    /// How many hosts
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    hosts: u32,
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
    let plan = FleetPlan {
        seed: arguments.seed,
        hosts: arguments.hosts,
        now: arguments.now.unwrap_or_else(now),
        noise: arguments.noise,
        ..FleetPlan::default()
    };
    let mut fleet = Fleet::grow(&plan);
    let mut dice = Dice::new(arguments.seed).named("compromise");
    let mut numbers: Vec<u32> = (1..=arguments.hosts).collect();
    dice.shuffle(&mut numbers);
    let by_chance = numbers.into_iter().zip(Attack::ALL.iter().cycle()).take(arguments.compromise as usize);
    let by_chance = by_chance.map(|(number, attack)| (plan.host_name(number), *attack));
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

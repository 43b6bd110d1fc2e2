//! `soak`: many sweeps of one process over a fleet that misbehaves, and what is left of them.
//!
//! Counted after each sweep: what this process, which sweeps, holds; what the process that serves the hosts holds; and what
//! the sweeps have left on the hosts.

mod held;

use super::bench::{self, fleet::Served};
use super::up::Form;
use super::{CommandError, now, raise_descriptor_limit};
use held::Held;
use herdiff_collector::delivery::ProbeBinary;
use herdiff_collector::inventory::Inventory;
use herdiff_collector::ssh::{Deadlines, SshConfig};
use herdiff_collector::sweep::{Event, Sweep, SweepConfig};
use herdiff_model::bundle::BundleWriter;
use herdiff_model::outcome::HostOutcomeKind;
use herdiff_model::pack::Pack;
use herdiff_model::sweep::{SweepFacts, UnixMillis};
use herdiff_testbed::generate::triage_pack;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Some of everything that a sweep has an outcome for.
const MIX: &[&str] = &[
    "2%=refuse",
    "2%=silent",
    "1%=not-ssh",
    "1%=wrong-host-key",
    "2%=reject-key",
    "1%=hang",
    "1%=no-engine",
    "1%=dead-engine",
    "2%=half-blind",
    "1%=garbage",
    "2%=half-answer",
    "1%=endless",
];
/// How long scripts and connections may take to end when a sweep is over.
const TO_SETTLE: Duration = Duration::from_secs(60);
/// What memory may grow by from the first half of the sweeps to the second, in kB, besides a quarter.
const GROWTH_KB: u64 = 24 << 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: herdiff-testbed soak --sweeps 20 --hosts 500")]
pub(crate) struct Arguments {
    /// How many sweeps
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    sweeps: u32,
    /// How many simulated hosts
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    hosts: u32,
    /// Who misbehaves in which way [default: a mix, a sixth of all hosts]
    #[arg(long, value_name = "HOST|N|N%=NAME")]
    fault: Vec<String>,
    /// Seconds for everything on one host
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    host_timeout: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    raise_descriptor_limit();
    let faults: Vec<String> = match arguments.fault.as_slice() {
        [] => MIX.iter().map(|&fault| fault.to_owned()).collect(),
        faults => faults.to_vec(),
    };
    let served = Served::start(Form::Simulated, arguments.hosts, &faults)?;
    let ended = super::runtime()?.block_on(soak(arguments, &served));
    served.stop()?;
    ended.map(|()| ExitCode::SUCCESS)
}

async fn soak(arguments: &Arguments, served: &Served) -> Result<(), CommandError> {
    let config = config(served, Duration::from_secs(arguments.host_timeout))?;
    let idle = Held::now(served.pid(), &[])?;
    println!("{:>5}  {:>7}  {}", "sweep", "s", Held::HEAD);
    println!("{:>5}  {:>7}  {idle}", "none", "");
    let mut all = Vec::new();
    for number in 1..=arguments.sweeps {
        let start = Instant::now();
        let swept = sweep(served, &config).await?;
        if swept.outcomes.values().sum::<u32>() != arguments.hosts {
            return Err(CommandError::NotAsExpected(format!(
                "hosts without an outcome: {:?}",
                swept.outcomes
            )));
        }
        // Nobody knows what may be left on a host that does not say where it was worked on.
        let well = swept.outcomes.get(HostOutcomeKind::Ok.code()).map_or(0, |&hosts| hosts as usize);
        if swept.placed.len() < well {
            let said = swept.placed.len();
            let why = format!("{well} hosts were done, and only {said} say where they were worked on");
            return Err(CommandError::NotAsExpected(why));
        }
        let took = start.elapsed().as_secs_f64();
        let held = settled(served.pid(), &idle, &swept.placed, TO_SETTLE).await?;
        println!("{number:>5}  {took:>7.1}  {held}");
        if number == 1 {
            let outcomes: Vec<_> =
                swept.outcomes.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            println!("{:>5}  {:>7}  {}", "", "", outcomes.join(", "));
        }
        all.push(held);
    }
    judge(&idle, &all)
}

struct Swept {
    outcomes: BTreeMap<&'static str, u32>,
    /// Private directories that were made on the hosts.
    placed: Vec<PathBuf>,
}

/// One sweep, into a bundle that is thrown away.
async fn sweep(served: &Served, config: &SweepConfig) -> Result<Swept, CommandError> {
    let failed = |why: String| CommandError::NotAsExpected(why);
    let inventory = Inventory::open(&served.site().inventory()).map_err(|error| failed(error.to_string()))?;
    let text = triage_pack().map_err(|error| CommandError::Generate(error.into()))?;
    let pack = Arc::new(Pack::parse(&text).map_err(|error| failed(error.to_string()))?);
    let facts = SweepFacts {
        tool: "herdiff-testbed soak".to_owned(),
        started: UnixMillis(now() * 1000),
        operator: String::new(),
        transport: "ssh".to_owned(),
        inventory: Vec::new(),
        targets: inventory.targets.len() as u64,
    };
    let mut bundle = BundleWriter::start(File::create(served.scratch().join("soak.herd"))?, &facts, &pack)?;
    let mut sweep = Sweep::start(inventory.targets, pack, config.clone(), CancellationToken::new())
        .await
        .map_err(|error| failed(error.to_string()))?;
    let mut swept = Swept { outcomes: BTreeMap::new(), placed: Vec::new() };
    while let Some(event) = sweep.next().await {
        if let Event::Done(_, visit) = event {
            bundle.append(&visit)?;
            *swept.outcomes.entry(visit.outcome.kind.code()).or_default() += 1;
            swept
                .placed
                .extend(Some(PathBuf::from(&visit.receipt.placed)).filter(|place| place.is_absolute()));
        }
    }
    bundle.finish(UnixMillis(facts.started.0 + 1), false)?;
    Ok(swept)
}

fn config(served: &Served, host: Duration) -> Result<SweepConfig, CommandError> {
    let probe = bench::probe(None)?;
    let probe = ProbeBinary::from_elf("the built probe", std::fs::read(&probe)?)
        .map_err(|error| CommandError::NotAsExpected(error.to_string()))?;
    let mut config = SweepConfig {
        probes: vec![probe],
        ssh: SshConfig {
            local_user: "root".to_owned(),
            identities: vec![served.site().identity()],
            known_hosts: vec![served.site().known_hosts()],
            ..SshConfig::default()
        },
        deadlines: Deadlines { host, ..Deadlines::default() },
        ..SweepConfig::default()
    };
    config.limits.total_bytes = 2 << 20;
    Ok(config)
}

/// What is held once all that ends by itself has ended; or after a while, where something does not.
async fn settled(
    server: u32,
    idle: &Held,
    placed: &[PathBuf],
    patience: Duration,
) -> Result<Held, CommandError> {
    let start = Instant::now();
    loop {
        let held = Held::now(server, placed)?;
        if !held.has_more_than(idle) || start.elapsed() > patience {
            return Ok(held);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Nothing may be held that was not before, and memory may not grow once the process is warm.
fn judge(idle: &Held, all: &[Held]) -> Result<(), CommandError> {
    if let Some((number, held)) =
        all.iter().zip(1..).map(|(held, n)| (n, held)).find(|(_, held)| held.has_more_than(idle))
    {
        return Err(CommandError::NotAsExpected(format!(
            "sweep {number} has left something:\n{}\n{held}",
            Held::HEAD
        )));
    }
    // What one sweep takes is given back late, if ever; what is lost in each sweep raises the least that is held.
    let warm = all.get(1..).unwrap_or_default();
    let (first, second) = warm.split_at(warm.len() / 2);
    let least = |of: &[Held], memory: fn(&Held) -> u64| of.iter().map(memory).min().unwrap_or(0);
    for (whose, memory) in [
        ("the sweeping process", (|held| held.memory_kb) as fn(&Held) -> u64),
        ("the serving process", |held| held.served_memory_kb),
    ] {
        let (before, after) = (least(first, memory), least(second, memory));
        println!("least memory of {whose}: {before} kB in the first half, {after} kB in the second");
        if after > before + before / 4 + GROWTH_KB {
            return Err(CommandError::NotAsExpected(format!("the memory of {whose} grows")));
        }
    }
    println!("nothing is left of {} sweeps: no task, no descriptor, no process, no file", all.len());
    Ok(())
}

/// Tasks of this process that have not ended.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

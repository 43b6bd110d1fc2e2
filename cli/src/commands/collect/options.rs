//! The options of `herdiff collect`, as users of OpenSSH and Ansible know them, and the plan that they make.

use crate::environment::{self, Home};
use crate::error::Failure;
use clap::ValueEnum;
use herdiff_collector::delivery::{BinaryError, ProbeBinary};
use herdiff_collector::engine::{EngineChoice, Limits};
use herdiff_collector::inventory::{Inventory, InventoryError, Target};
use herdiff_collector::ssh::{Deadlines, HostKeyPolicy, SshConfig};
use herdiff_collector::sweep::SweepConfig;
use herdiff_model::pack::Pack;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Visits every host of an inventory over SSH, many at a time, and writes one bundle.
///
/// Host keys are checked against known_hosts as OpenSSH does. On a host, a private directory is made, the queries are
/// run, and everything is removed again; the bundle has an outcome for every host and every query.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  herdiff collect -i fleet.ini -o today.herd
  herdiff collect -i fleet.ini -l 'web:!web-03' -u audit --identity ~/.ssh/audit -f 100
  herdiff collect web-01 web-02 root@10.0.0.7:2222")]
pub(crate) struct Args {
    /// Hosts to visit, as `[user@]host[:port]`
    #[arg(value_name = "HOST", required_unless_present = "inventory")]
    hosts: Vec<String>,
    /// A list of hosts, or an Ansible inventory in INI form; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    inventory: Vec<PathBuf>,
    /// Visit only these: names and groups with wildcards, as in 'web:!web-03'
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
    /// Log in as this user, where the inventory names none
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Connect to this port, where the inventory names none
    #[arg(short, long, value_name = "PORT", default_value_t = 22)]
    port: u16,
    /// A private key to log in with [default: the agent's keys, then ~/.ssh/id_*]
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// Where host keys are known [default: ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts]
    #[arg(long, value_name = "FILE")]
    known_hosts: Vec<PathBuf>,
    /// Accept any host key: whoever sits in between can read and forge every answer
    #[arg(long)]
    insecure_accept_any_host_key: bool,
    /// Visit this many hosts at a time
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    forks: u16,
    /// Seconds to reach a host
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = seconds())]
    connect_timeout: u64,
    /// Seconds for one query
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    query_timeout: u64,
    /// Seconds for everything on one host
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = seconds())]
    host_timeout: u64,
    /// The queries to run: an osquery pack file, or `triage`
    #[arg(long, value_name = "FILE|NAME", default_value = "triage")]
    pack: String,
    /// What runs the queries
    #[arg(long, value_enum, default_value = "auto")]
    engine: Engine,
    /// A statically linked probe for hosts of another architecture; may be given several times
    #[arg(long, value_name = "FILE")]
    probe: Vec<PathBuf>,
    /// The bundle to write [default: sweep-<time>.herd]
    #[arg(short, long, value_name = "FILE.herd")]
    output: Option<PathBuf>,
    /// Show no progress, only the result
    #[arg(short, long)]
    pub(super) quiet: bool,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    /// The host's own osqueryi where there is one, else the probe
    Auto,
    /// The probe, pushed and removed again
    Probe,
    /// The host's own osqueryi, or nothing
    Osqueryi,
}

/// All that a sweep needs.
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) pack: Arc<Pack>,
    pub(super) config: SweepConfig,
    pub(super) output: PathBuf,
    /// What the hosts were named by.
    pub(super) sources: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// The probe for this machine's architecture, built with this command.
const PROBE: &[u8] = include_bytes!(env!("HERDIFF_PROBE"));

impl Args {
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let (inventory, sources) = self.inventory()?;
        let mut notes = inventory.notes.clone();
        if self.insecure_accept_any_host_key {
            notes.push(
                "host keys are NOT checked: whoever sits in between can read and forge every answer"
                    .to_owned(),
            );
        }
        let seconds = Duration::from_secs;
        let deadlines = Deadlines {
            connect: seconds(self.connect_timeout),
            query: seconds(self.query_timeout),
            host: seconds(self.host_timeout),
            ..Deadlines::default()
        };
        let config = SweepConfig {
            forks: usize::from(self.forks),
            engine: match self.engine {
                Engine::Auto => EngineChoice::Auto,
                Engine::Probe => EngineChoice::Probe,
                Engine::Osqueryi => EngineChoice::Osqueryi,
            },
            probes: self.probes()?,
            ssh: self.ssh(&inventory.targets)?,
            deadlines,
            limits: Limits::default(),
        };
        let output = self.output.clone().unwrap_or_else(environment::output_name);
        Ok(Plan { targets: inventory.targets, pack: Arc::new(self.pack()?), config, output, sources, notes })
    }

    fn inventory(&self) -> Result<(Inventory, Vec<String>), Failure> {
        let unusable = |error: InventoryError| Failure::usage("cannot use the inventory").why(error);
        let mut inventory = Inventory::default();
        let mut sources = Vec::new();
        for path in &self.inventory {
            let (name, text) = environment::read_text(path)
                .map_err(|error| Failure::file("read the inventory", path, &error))?;
            inventory.join(Inventory::parse(&name, &text).map_err(unusable)?);
            sources.push(name);
        }
        if !self.hosts.is_empty() {
            inventory.join(Inventory::parse("the command line", &self.hosts.join("\n")).map_err(unusable)?);
            sources.extend(self.hosts.iter().cloned());
        }
        if let Some(pattern) = &self.limit {
            inventory
                .limit(pattern)
                .map_err(|why| Failure::usage(format!("cannot use the limit {pattern:?}")).why(why))?;
        }
        if inventory.targets.is_empty() {
            return Err(Failure::usage("no host to visit")
                .next("name hosts, or a file with -i; and look at the --limit"));
        }
        Ok((inventory, sources))
    }

    fn pack(&self) -> Result<Pack, Failure> {
        if self.pack == "triage" {
            return Pack::triage()
                .map_err(|error| Failure::usage("the built-in pack cannot be used").why(error));
        }
        let path = Path::new(&self.pack);
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::file("read the pack", path, &error).next("give an osquery pack file, or `triage`")
        })?;
        let pack = Pack::parse(&text)
            .map_err(|error| Failure::usage(format!("cannot use the pack {}", self.pack)).why(error))?;
        match pack.queries().iter().find(|query| query.sql.is_none()) {
            Some(query) => Err(Failure::usage(format!("cannot use the pack {}", self.pack))
                .why(format!("its query {} has no SQL", query.name))),
            None if pack.queries().is_empty() => {
                Err(Failure::usage(format!("the pack {} has no queries", self.pack)))
            }
            None => Ok(pack),
        }
    }

    fn probes(&self) -> Result<Vec<ProbeBinary>, Failure> {
        let unusable = |error: BinaryError| Failure::usage("cannot use the probe").why(error);
        let mut probes = Vec::new();
        for path in &self.probe {
            let bytes = std::fs::read(path).map_err(|error| Failure::file("read the probe", path, &error))?;
            probes.push(ProbeBinary::from_elf(&path.display().to_string(), bytes).map_err(unusable)?);
        }
        let own = ProbeBinary::from_elf("the built-in probe", PROBE).map_err(unusable)?;
        if probes.iter().all(|probe| probe.arch() != own.arch()) {
            probes.push(own);
        }
        Ok(probes)
    }

    fn ssh(&self, targets: &[Target]) -> Result<SshConfig, Failure> {
        let home = Home::of_this_user();
        let user = self.user.clone().or_else(environment::user).unwrap_or_default();
        if user.is_empty() && targets.iter().any(|target| target.user.is_none()) {
            return Err(Failure::usage("no user to log in as").next("name one with -u"));
        }
        Ok(SshConfig {
            user,
            port: self.port,
            identities: self.identity.clone(),
            // A key that was asked for is not followed by others that were not: servers count failed attempts.
            default_identities: if self.identity.is_empty() { home.identities() } else { Vec::new() },
            agent: if self.identity.is_empty() { environment::agent() } else { None },
            known_hosts: if self.known_hosts.is_empty() {
                home.known_hosts()
            } else {
                self.known_hosts.clone()
            },
            host_keys: if self.insecure_accept_any_host_key {
                HostKeyPolicy::AcceptAny
            } else {
                HostKeyPolicy::Verify
            },
            home: home.path(),
            passphrase: Some(Arc::new(environment::ask_passphrase)),
        })
    }
}

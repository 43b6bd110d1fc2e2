//! The options of `herdiff collect`, as users of OpenSSH and Ansible know them, and the plan that they make.

use super::transport::Transport;
use super::{opened, secrets};
use crate::bundle_output::Place;
use crate::commands::inventory::{Named, Sources};
use crate::envelope::{IdentityArgs, RecipientArgs};
use crate::environment::{self, Home};
use crate::error::Failure;
use crate::pack_file;
use clap::ValueEnum;
use herdiff_collector::delivery::{Account, BinaryError, Privilege, ProbeBinary};
use herdiff_collector::engine::{EngineChoice, Limits};
use herdiff_collector::inventory::Target;
use herdiff_collector::ssh::{Deadlines, HostKeyPolicy, SshConfig};
use herdiff_collector::sweep::{Canary, SweepConfig};
use herdiff_envelope::Recipients;
use herdiff_model::pack::Pack;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Visits every host of an inventory over SSH, many at a time, and writes one bundle.
///
/// Hosts are reached as `ssh` would reach them: its configuration counts, jump hosts and known_hosts included. On a host, a private directory is made, the queries are
/// run, and everything is removed again; the bundle has an outcome for every host and every query.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  herdiff collect -i fleet.ini -o today.herd
  herdiff collect -i fleet.ini -l 'web:!web-03' -u audit --identity ~/.ssh/audit -f 100
  herdiff collect web-01 web-02 root@10.0.0.7:2222
  herdiff collect 'web[01-40].lan' -J ops@bastion
  herdiff collect --transport local -b -o this-machine.herd")]
pub(crate) struct Args {
    /// Hosts to visit, as `[user@]host[:port]`; node-sets such as web[1-40] are understood
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,
    /// The bundle to write [default: sweep-<time>.herd]
    #[arg(short, long, value_name = "FILE.herd")]
    output: Option<PathBuf>,
    /// Go on with a sweep that was killed or stopped: visit the hosts that its bundle lacks, and ask what it asked
    #[arg(long, value_name = "FILE.herd", conflicts_with_all = ["output", "pack"])]
    resume: Option<PathBuf>,
    /// Visit only the hosts that were not reached in this bundle; with the same inventory, into a new bundle
    #[arg(long, value_name = "FILE.herd", conflicts_with = "resume")]
    failed_from: Option<PathBuf>,
    #[command(flatten)]
    recipients: RecipientArgs,
    #[command(flatten)]
    identity_of_bundle: IdentityArgs,
    /// Show no progress, only the result
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten, next_help_heading = "Reaching them")]
    reach: ReachArgs,
    #[command(flatten, next_help_heading = "What is asked there")]
    queries: QueryArgs,
    #[command(flatten, next_help_heading = "Pace")]
    pace: PaceArgs,
    #[cfg(feature = "aws")]
    #[command(flatten, next_help_heading = "AWS")]
    aws: crate::aws::CollectArgs,
    #[command(flatten, next_help_heading = "Limits on what hosts send")]
    limits: LimitArgs,
}

/// What is above is recorded as `output-limit`, for the query or for the host.
#[derive(clap::Args)]
struct LimitArgs {
    /// MiB of one host
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_host_output: u32,
    /// MiB of all hosts together that are not stored yet
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    max_output: u32,
    /// Rows of one query on one host
    #[arg(long, value_name = "ROWS", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_rows: u32,
}

/// How hosts are reached, and who we are there.
#[derive(clap::Args)]
struct ReachArgs {
    /// The way to the hosts
    #[arg(long, value_enum, default_value = "ssh")]
    transport: Way,
    /// Log in as this user, where the inventory names none
    #[arg(help_heading = "Logging in", short, long, value_name = "USER")]
    user: Option<String>,
    /// Connect to this port, where the inventory names none
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Go through these hosts, as `[user@]host[:port]` with commas between them; `none` for no one
    #[arg(short = 'J', long, value_name = "HOST")]
    jump: Option<String>,
    /// OpenSSH's configuration [default: ~/.ssh/config and /etc/ssh/ssh_config]; `none` for no file
    #[arg(short = 'F', long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// A private key to log in with, and no other [default: as OpenSSH would]
    #[arg(help_heading = "Logging in", long, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// Ask for a password, for hosts that want one; never given where --insecure-accept-any-host-key is
    #[arg(help_heading = "Logging in", short = 'k', long, conflicts_with = "password_fd")]
    ask_pass: bool,
    /// Read that password from this file descriptor: its first line
    #[arg(help_heading = "Logging in", long, value_name = "N")]
    password_fd: Option<u32>,
    /// Read the passphrase of encrypted keys from this file descriptor [default: ask on the terminal]
    #[arg(help_heading = "Logging in", long, value_name = "N")]
    passphrase_fd: Option<u32>,
    /// Run the queries as root, by sudo: without it much cannot be seen, which is recorded as unknown
    #[arg(help_heading = "Becoming root", short, long)]
    r#become: bool,
    /// Become this user in place of root, where the inventory names none
    #[arg(help_heading = "Becoming root", long, value_name = "USER", value_parser = Account::parse)]
    become_user: Option<Account>,
    /// Another way to become root
    #[arg(help_heading = "Becoming root", long, value_name = "PROGRAM", value_enum, default_value = "sudo")]
    become_method: BecomeMethod,
    /// Ask for the password that sudo wants
    #[arg(help_heading = "Becoming root", short = 'K', long, conflicts_with = "become_password_fd")]
    ask_become_pass: bool,
    /// Read that password from this file descriptor: its first line
    #[arg(help_heading = "Becoming root", long, value_name = "N")]
    become_password_fd: Option<u32>,
    /// Where host keys are known [default: as OpenSSH would]
    #[arg(help_heading = "Host keys", long, value_name = "FILE")]
    known_hosts: Vec<PathBuf>,
    /// Believe hosts of which no key is known, and add theirs to known_hosts; changed keys are refused
    #[arg(help_heading = "Host keys", long, conflicts_with = "insecure_accept_any_host_key")]
    accept_new_host_keys: bool,
    /// Accept any host key: whoever sits in between can read and forge every answer
    #[arg(help_heading = "Host keys", long)]
    insecure_accept_any_host_key: bool,
}

/// The queries, and what runs them.
#[derive(clap::Args)]
struct QueryArgs {
    /// The queries to run: an osquery pack file, or one of ours (`herdiff pack list`); may be given several times
    #[arg(long, value_name = "FILE|NAME", default_value = "triage")]
    pack: Vec<String>,
    /// What runs the queries
    #[arg(long, value_enum, default_value = "auto")]
    engine: Engine,
    /// A statically linked probe for hosts of another architecture; may be given several times
    #[arg(long, value_name = "FILE")]
    probe: Vec<PathBuf>,
    /// An osqueryi to push, in place of the hosts' own: the program or the published tar archive; may be given several times
    #[arg(long, value_name = "FILE", requires = "osquery_sha256")]
    osquery: Vec<PathBuf>,
    /// The SHA-256 that this file must have, in hex; one for each --osquery, in their order
    #[arg(long, value_name = "HEX", requires = "osquery")]
    osquery_sha256: Vec<String>,
    /// Leave what is pushed on the hosts, so that the next visit need not send it; without this, what was left is taken away
    #[arg(long)]
    leave_engine: bool,
}

/// How many at a time, and for how long.
#[derive(clap::Args)]
struct PaceArgs {
    /// Visit this many hosts at a time
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    forks: u16,
    /// Start at most this many hosts a second [default: as many as there can be]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Visit this many hosts first, and the others only if not too many of them fail
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    canary: Option<u16>,
    /// How many of the first hosts may fail, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u8).range(..=100))]
    canary_failures: u8,
    /// Seconds to reach a host [default: OpenSSH's ConnectTimeout, else 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    connect_timeout: Option<u64>,
    /// Seconds for one query
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    query_timeout: u64,
    /// Seconds for everything on one host
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = seconds())]
    host_timeout: u64,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// SSH, as `ssh` would reach them
    Ssh,
    /// None: the host is this machine, under its own name or the one that is given
    Local,
    /// Commands of AWS Systems Manager
    #[cfg(feature = "aws")]
    Ssm,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The host's own osqueryi where there is one, else the probe
    Auto,
    /// The probe, pushed and removed again
    Probe,
    /// The host's own osqueryi, or nothing
    Osqueryi,
}

#[derive(Clone, Copy, ValueEnum)]
enum BecomeMethod {
    /// With a password where -K or --become-password-fd gives one
    Sudo,
    /// Only where doas.conf says `nopass`
    Doas,
}

/// All that a sweep needs.
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) pack: Arc<Pack>,
    pub(super) config: SweepConfig,
    pub(super) transport: Transport,
    pub(super) output: PathBuf,
    /// To whom it is encrypted.
    pub(super) recipients: Option<Recipients>,
    /// Where that belongs in the end.
    pub(super) place: Place,
    /// Whether the bundle is there, and unfinished.
    pub(super) resume: bool,
    /// What the hosts were named by.
    pub(super) sources: Vec<String>,
    pub(super) notes: Vec<String>,
}

#[cfg(feature = "aws")]
impl PaceArgs {
    /// What cannot be kept is not promised: commands go to fifty instances at a time, and agents fetch them when they do.
    fn refuse_over_ssm(&self) -> Result<(), Failure> {
        let given = [("--rate", self.rate.is_some()), ("--canary", self.canary.is_some())];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::usage(format!("{flag} does not go with --transport ssm"))
                .why("Systems Manager hands commands to fifty instances at a time")
                .next("visit some by themselves first (--instance), or limit the calls (--aws-rate)")),
            None => Ok(()),
        }
    }
}

/// The probe for this machine's architecture, built with this command.
const PROBE: &[u8] = include_bytes!(env!("HERDIFF_PROBE"));

impl Args {
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        self.reach.check()?;
        let (hosts, found, transport) = self.look()?;
        let (mut inventory, sources) = self.sources.read(&hosts, found)?;
        if let Some(path) = &self.failed_from {
            let failed = opened::failed_in(path, &self.identity_of_bundle)?;
            inventory.targets.retain(|target| failed.contains(&target.host));
            if inventory.targets.is_empty() {
                return Err(Failure::usage(format!("{} has no host to try again", path.display()))
                    .why("those of this inventory were all reached, or are not in it"));
            }
        }
        let mut notes = inventory.notes.clone();
        if self.reach.insecure_accept_any_host_key {
            notes.push(
                "host keys are NOT checked: whoever sits in between can read and forge every answer"
                    .to_owned(),
            );
        }
        let seconds = Duration::from_secs;
        let deadlines = Deadlines {
            connect: seconds(self.pace.connect_timeout.unwrap_or(10)),
            query: seconds(self.pace.query_timeout),
            host: seconds(self.pace.host_timeout),
            ..Deadlines::default()
        };
        let config = SweepConfig {
            forks: usize::from(self.pace.forks),
            engine: match self.queries.engine {
                Engine::Auto => EngineChoice::Auto,
                Engine::Probe => EngineChoice::Probe,
                Engine::Osqueryi => EngineChoice::Osqueryi,
            },
            probes: self.queries.probes()?,
            osquery: self.queries.osquery()?,
            leave_engine: self.queries.leave_engine,
            ssh: match transport {
                Transport::Ssh => SshConfig {
                    configured_timeout: self.pace.connect_timeout.is_none(),
                    ..self.reach.ssh(&mut notes)?
                },
                Transport::Local => SshConfig::default(),
                #[cfg(feature = "aws")]
                Transport::Ssm(_) => {
                    if self.reach.r#become {
                        notes.push("--become changes nothing: Systems Manager runs as root".to_owned());
                    }
                    SshConfig::default()
                }
            },
            privilege: match (self.reach.r#become, self.reach.become_method) {
                (false, _) => Privilege::AsIs,
                (true, BecomeMethod::Sudo) => Privilege::Sudo,
                (true, BecomeMethod::Doas) => Privilege::Doas,
            },
            become_user: self.reach.become_user.clone(),
            become_password: secrets::password(
                self.reach.ask_become_pass,
                self.reach.become_password_fd,
                "Password for sudo",
            )?,
            deadlines,
            limits: Limits {
                total_bytes: u64::from(self.limits.max_host_output) << 20,
                waiting_bytes: u64::from(self.limits.max_output) << 20,
                rows: self.limits.max_rows as usize,
                ..Limits::default()
            },
            rate: self.pace.rate,
            canary: self
                .pace
                .canary
                .map(|hosts| Canary { hosts: usize::from(hosts), most_failed: self.pace.canary_failures }),
        };
        let output = self.resume.clone().or_else(|| self.output.clone());
        let recipients = self.recipients.read()?;
        let output = output.unwrap_or_else(|| environment::output_name(recipients.is_some()));
        let resume = self.resume.is_some();
        if resume && recipients.is_some() {
            return Err(Failure::usage("a sweep that is gone on with is encrypted to nobody")
                .why("what is in its bundle already stands there in the clear")
                .next("leave --recipient out, and encrypt the whole with `herdiff export --format herd`"));
        }
        let pack = Arc::new(pack_file::to_ask(&self.queries.pack)?);
        let place = if resume { Place::here(&output)? } else { Place::of(&output)? };
        let output = place.local().to_owned();
        Ok(Plan {
            targets: inventory.targets,
            pack,
            config,
            transport,
            output,
            recipients,
            place,
            resume,
            sources,
            notes,
        })
    }
}

impl Args {
    /// Hosts to read of the command line, those that are found elsewhere, and the way to them.
    fn look(&self) -> Result<(Vec<String>, Named, Transport), Failure> {
        match self.reach.transport {
            Way::Ssh => {
                #[cfg(feature = "aws")]
                let found = self.aws.named()?;
                #[cfg(not(feature = "aws"))]
                let found = Named::default();
                Ok((self.hosts.clone(), found, Transport::Ssh))
            }
            Way::Local => {
                let named = !self.hosts.is_empty() || self.sources.names_any();
                let hosts = if named { self.hosts.clone() } else { vec![environment::machine()] };
                Ok((hosts, Named::default(), Transport::Local))
            }
            #[cfg(feature = "aws")]
            Way::Ssm if !self.queries.osquery.is_empty() || self.queries.leave_engine => {
                let what = "over Systems Manager no osqueryi is pushed, and no engine is left";
                Err(Failure::usage(what).next("leave out --osquery and --leave-engine"))
            }
            #[cfg(feature = "aws")]
            Way::Ssm => {
                self.pace.refuse_over_ssm()?;
                self.aws.look(&self.hosts)
            }
        }
    }
}

impl QueryArgs {
    fn osquery(&self) -> Result<Vec<ProbeBinary>, Failure> {
        if self.osquery.len() != self.osquery_sha256.len() {
            return Err(Failure::usage("each --osquery needs its --osquery-sha256, in the same order"));
        }
        if !self.osquery.is_empty() && self.engine == Engine::Probe {
            return Err(Failure::usage("--engine probe and --osquery exclude each other"));
        }
        let files = self.osquery.iter().zip(&self.osquery_sha256).map(|(path, hash)| {
            let bytes = std::fs::read(path).map_err(|error| Failure::file("read osqueryi", path, &error))?;
            ProbeBinary::osquery(&path.display().to_string(), bytes, hash)
                .map_err(|error| Failure::usage("cannot use this osqueryi").why(error))
        });
        files.collect()
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
}

impl ReachArgs {
    fn check(&self) -> Result<(), Failure> {
        let password = self.ask_become_pass || self.become_password_fd.is_some();
        if password && matches!(self.become_method, BecomeMethod::Doas) {
            return Err(Failure::usage("doas is given no password")
                .why("it takes one from a terminal only, and there is none in a sweep")
                .next("let doas.conf say `nopass` for this user, or become root with sudo"));
        }
        Ok(())
    }

    fn ssh(&self, notes: &mut Vec<String>) -> Result<SshConfig, Failure> {
        if self.insecure_accept_any_host_key && (self.ask_pass || self.password_fd.is_some()) {
            return Err(Failure::usage("no password is given to hosts whose keys are not checked")
                .why("whoever sits in between would have it")
                .next("leave out --insecure-accept-any-host-key, or log in with a key"));
        }
        let home = Home::of_this_user();
        let openssh = environment::openssh(self.ssh_config.as_deref());
        match (&openssh, &self.ssh_config) {
            (None, Some(file)) => {
                return Err(Failure::usage(format!("cannot use the configuration {}", file.display()))
                    .why("it is read by `ssh -G`, and there is no ssh on this machine")
                    .next("install OpenSSH's client"));
            }
            (None, None) if home.has_ssh_config() => notes.push(
                "~/.ssh/config is not read: that takes `ssh -G`, and there is no ssh on this machine"
                    .to_owned(),
            ),
            _ => {}
        }
        let local_user = environment::user().unwrap_or_default();
        if local_user.is_empty() && self.user.is_none() {
            return Err(Failure::usage("no user to log in as").next("name one with -u"));
        }
        Ok(SshConfig {
            user: self.user.clone(),
            local_user,
            local_uid: environment::uid(),
            local_host: environment::machine(),
            variable: Some(Arc::new(environment::variable)),
            port: self.port,
            identities: self.identity.clone(),
            default_identities: home.identities(),
            agent: environment::agent(),
            known_hosts: self.known_hosts.clone(),
            default_known_hosts: home.known_hosts(),
            openssh,
            jump: self.jump.clone(),
            host_keys: if self.insecure_accept_any_host_key {
                HostKeyPolicy::AcceptAny
            } else if self.accept_new_host_keys {
                HostKeyPolicy::AcceptNew
            } else {
                HostKeyPolicy::Verify
            },
            home: home.path(),
            password: secrets::password(self.ask_pass, self.password_fd, "Password")?,
            passphrase: Some(secrets::passphrase(self.passphrase_fd)?),
            ..SshConfig::default()
        })
    }
}

//! `herdiff inventory`: which hosts there are, as the verbs that visit them understand it; and the options of both.

use crate::environment;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{Format, count, csv, json, print, say};
use crate::screen::Screen;
use crate::screen::escape::escape;
use crate::screen::table::Table;
use herdiff_collector::delivery::{Account, Privilege};
use herdiff_collector::inventory::{Inventory, InventoryError, Target};
use serde_json::json;
use std::path::PathBuf;

/// Shows the hosts that an inventory names, as `collect` would visit them; nothing is connected to.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  herdiff inventory -i fleet.yml
  herdiff inventory -i production/ -l 'web:!web-03' --format json
  ./cloud-inventory --list | herdiff inventory -i -")]
pub(crate) struct Args {
    /// Hosts, as `[user@]host[:port]`; node-sets such as web[1-40] are understood
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,
    #[command(flatten)]
    sources: Sources,
    #[cfg(feature = "aws")]
    #[command(flatten, next_help_heading = "AWS")]
    aws: crate::aws::TargetArgs,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Where the hosts come from.
#[derive(clap::Args)]
pub(crate) struct Sources {
    /// A list of hosts, a table (CSV), an Ansible inventory (INI, YAML, a program, a directory) or an ssh_config; `-` reads
    /// standard input
    #[arg(short, long, value_name = "FILE")]
    inventory: Vec<PathBuf>,
    /// Only these: names and groups with wildcards, as in 'web:!web-03', 'web[0:9]', '~db\d+'; @FILE reads them from a file
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
}

impl Sources {
    /// Whether there is any file.
    pub(crate) fn names_any(&self) -> bool {
        !self.inventory.is_empty()
    }

    /// All hosts, those on the command line and those that were found elsewhere included, and by what they were named.
    pub(crate) fn read(&self, hosts: &[String], found: Named) -> Result<Named, Failure> {
        let unusable = |error: InventoryError| Failure::usage("cannot use the inventory").why(error);
        let (mut inventory, mut sources) = found;
        for path in &self.inventory {
            let read = if path.as_os_str() == "-" {
                let (name, text) = environment::read_text(path)
                    .map_err(|error| Failure::file("read the inventory", path, &error))?;
                sources.push(name.clone());
                Inventory::parse(&name, &text)
            } else {
                sources.push(path.display().to_string());
                Inventory::open(path)
            };
            inventory.join(read.map_err(unusable)?);
        }
        if !hosts.is_empty() {
            inventory.join(Inventory::parse("the command line", &hosts.join("\n")).map_err(unusable)?);
            sources.extend(hosts.iter().cloned());
        }
        if sources.is_empty() {
            return Err(
                Failure::usage("no host is named").next("name hosts, or a file that does with -i FILE")
            );
        }
        if let Some(pattern) = &self.limit {
            let pattern = in_file(pattern)?;
            inventory
                .limit(&pattern)
                .map_err(|why| Failure::usage(format!("cannot use the limit {pattern:?}")).why(why))?;
        }
        if inventory.targets.is_empty() {
            return Err(Failure::usage(format!("no host in {}", sources.join(", ")))
                .next("name hosts, or another file with -i FILE"));
        }
        Ok((inventory, sources))
    }
}

/// Hosts, and by what they were named.
pub(crate) type Named = (Inventory, Vec<String>);

/// `@FILE` stands for its lines.
fn in_file(pattern: &str) -> Result<String, Failure> {
    let Some(path) = pattern.strip_prefix('@') else { return Ok(pattern.to_owned()) };
    let (_, text) = environment::read_text(PathBuf::from(path).as_path())
        .map_err(|error| Failure::file("read the limit", path.as_ref(), &error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.collect::<Vec<_>>().join(","))
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    #[cfg(feature = "aws")]
    let found = args.aws.named()?;
    #[cfg(not(feature = "aws"))]
    let found = Named::default();
    let (inventory, _) = args.sources.read(&args.hosts, found)?;
    inventory.notes.iter().for_each(|note| say(note));
    let targets = &inventory.targets;
    let written = match args.format {
        Format::Table => Ok(table(targets)),
        Format::Json => json::document(&targets.iter().map(object).collect::<Vec<_>>()),
        Format::Ndjson => targets
            .iter()
            .map(|target| json::line(&object(target)))
            .collect::<Result<Vec<_>, _>>()
            .map(|lines| lines.concat()),
        Format::Csv => csv::document(
            ["host", "herd", "address", "port", "user", "groups"],
            targets.iter().map(|target| cells(target).map(String::into_bytes).into()),
        ),
    };
    written.and_then(print).map_err(|error| Failure::usage("cannot write the result").why(error))?;
    Ok(Exit::Clean)
}

fn cells(target: &Target) -> [String; 6] {
    [
        target.host.to_string(),
        target.herd.to_string(),
        target.address.clone(),
        target.port.map_or(String::new(), |port| port.to_string()),
        target.user.clone().unwrap_or_default(),
        target.groups.join(" "),
    ]
}

fn table(targets: &[Target]) -> Vec<u8> {
    let mut table = Table::new(["HOST", "HERD", "ADDRESS", ">PORT", "USER", "GROUPS"]);
    for target in targets {
        table.row(cells(target).map(escape));
    }
    let herds: std::collections::BTreeSet<_> = targets.iter().map(|target| &target.herd).collect();
    let total = format!("{} in {}", count(targets.len(), "host"), count(herds.len(), "herd"));
    format!("{}\n{total}\n", table.render(Screen::stdout())).into_bytes()
}

fn object(target: &Target) -> serde_json::Value {
    json!({
        "host": target.host.as_str(),
        "herd": target.herd.as_str(),
        "groups": target.groups,
        "address": target.address,
        "port": target.port,
        "user": target.user,
        "identity": target.identity,
        "jump": target.jump,
        "proxy_command": target.proxy_command,
        "become": target.privilege.map(Privilege::program),
        "become_user": target.become_user.as_ref().map(Account::as_str),
    })
}

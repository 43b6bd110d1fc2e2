//! From lines to targets: who is in which group, and whose variable counts.

use super::document::{Document, Place, Var};
use super::host::{check_name, check_user, parse_port};
use super::ini::words;
use super::{Inventory, LineError, Target};
use crate::delivery::{Account, Privilege};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// How a value begins that only Ansible can decrypt.
const VAULT: &str = "$ANSIBLE_VAULT";

/// Variables whose values are secrets: never read, never shown.
const SECRETS: &[&str] = &[
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_become_password",
    "ansible_become_pass",
    "ansible_sudo_pass",
];

/// Where a host is named: its lines, in order.
struct Entry {
    name: String,
    lines: Vec<usize>,
}

pub(super) fn inventory(document: &Document) -> Result<Inventory, LineError> {
    let ancestors = ancestors(document)?;
    let mut notes = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (n, host_line) in document.hosts.iter().enumerate() {
        for name in &host_line.word.names {
            let place = *places.entry(name).or_insert_with(|| {
                entries.push(Entry { name: name.clone(), lines: Vec::new() });
                entries.len() - 1
            });
            let Some(entry) = entries.get_mut(place) else { continue };
            // In several groups is usual; twice in the same one is not.
            let twin = entry
                .lines
                .iter()
                .filter_map(|&n| document.hosts.get(n))
                .find(|l| l.group == host_line.group);
            if let Some(twin) = twin {
                notes.push(format!(
                    "{}: {name} is named again, after {}; it is visited once",
                    document.name(host_line.line),
                    twin.line.line_of(host_line.line, document)
                ));
            }
            entry.lines.push(n);
        }
    }
    let targets = entries.iter().map(|entry| target(document, entry, &ancestors, &mut notes));
    let targets = targets.collect::<Result<_, _>>()?;
    let vars = document.groups.iter().flat_map(|group| &group.vars);
    let vars = vars
        .chain(document.hosts.iter().flat_map(|line| &line.vars))
        .chain(document.host_vars.values().flatten());
    if let Some(secret) = vars.into_iter().find(|var| SECRETS.contains(&var.name.as_str())) {
        notes.push(format!(
            "{}: {} is not read: passwords come from --ask-pass, --ask-become-pass or a descriptor",
            document.name(secret.line),
            secret.name
        ));
    }
    notes.extend(document.notes.iter().cloned());
    Ok(Inventory { targets, notes })
}

/// For each group, the groups that it is part of, nearest first.
fn ancestors(document: &Document) -> Result<Vec<Vec<usize>>, LineError> {
    let places: HashMap<&str, usize> =
        document.groups.iter().enumerate().map(|(n, group)| (group.name.as_str(), n)).collect();
    let mut parents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (parent, group) in document.groups.iter().enumerate() {
        for (child, line) in &group.children {
            let place = places.get(child.as_str()).copied();
            match place.filter(|&place| document.groups.get(place).is_some_and(|group| group.defined)) {
                Some(place) => parents.entry(place).or_default().push(parent),
                None => {
                    let why = format!("group {child:?} is a child here, and has no section [{child}]");
                    return Err(LineError::new(*line, why));
                }
            }
        }
    }
    (0..document.groups.len())
        .map(|group| {
            let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
            let mut front = vec![group];
            while !front.is_empty() {
                front = front.iter().filter_map(|group| parents.get(group)).flatten().copied().collect();
                if front.contains(&group) {
                    let own = document.groups.get(group);
                    let line = own
                        .and_then(|group| group.children.first())
                        .map_or(Place::new(0, 0), |(_, line)| *line);
                    return Err(LineError::new(line, "this group is, by way of others, its own child"));
                }
                front.retain(|&group| seen.insert(group));
                found.extend(&front);
            }
            Ok(found)
        })
        .collect()
}

fn target(
    document: &Document,
    entry: &Entry,
    ancestors: &[Vec<usize>],
    notes: &mut Vec<String>,
) -> Result<Target, LineError> {
    let lines: Vec<_> = entry.lines.iter().filter_map(|&n| document.hosts.get(n)).collect();
    let direct: Vec<usize> = lines.iter().filter_map(|line| line.group).collect();
    let above: BTreeSet<usize> =
        direct.iter().filter_map(|&group| ancestors.get(group)).flatten().copied().collect();
    let name_of = |group: usize| document.groups.get(group).map(|group| group.name.as_str());
    let own = direct.iter().copied().find(|group| !above.contains(group));
    let herd = own.and_then(name_of).filter(|&name| name != "all").unwrap_or("all");
    let groups: BTreeSet<&str> =
        direct.iter().copied().chain(above.iter().copied()).filter_map(name_of).collect();

    // The host's own variables count first, then those of its groups from near to far, then those of all.
    let in_files = document.host_vars.get(&entry.name).into_iter().flatten().rev();
    let host_vars = in_files.chain(lines.iter().rev().flat_map(|line| line.vars.iter().rev()));
    let far = direct.iter().filter_map(|&group| ancestors.get(group)).flatten().copied();
    let all = document.groups.iter().position(|group| group.name == "all");
    let ungrouped = document.groups.iter().position(|group| group.name == "ungrouped" && direct.is_empty());
    let order = direct.iter().copied().filter(|group| !above.contains(group)).chain(direct.iter().copied());
    let order = order.chain(far).chain(ungrouped).chain(all);
    let group_vars =
        order.filter_map(|group| document.groups.get(group)).flat_map(|group| group.vars.iter().rev());
    let vars: Vec<&Var> = host_vars.chain(group_vars).collect();
    let var = |names: &[&str]| -> Result<Option<&Var>, LineError> {
        let found = vars.iter().find(|var| names.contains(&var.name.as_str()));
        match found {
            Some(var) if var.value.contains("{{") => {
                let why =
                    format!("{} is a template, which only Ansible can fill in; give a plain value", var.name);
                Err(LineError::new(var.line, why))
            }
            Some(var) if var.value.starts_with(VAULT) => {
                let why = format!("{} is encrypted with ansible-vault; give a plain value", var.name);
                Err(LineError::new(var.line, why))
            }
            found => Ok(found.copied()),
        }
    };

    let address = match var(&["ansible_host", "ansible_ssh_host"])? {
        Some(var) => {
            check_name(&var.value).map_err(|why| LineError::new(var.line, why))?;
            var.value.clone()
        }
        None => entry.name.clone(),
    };
    let port = match var(&["ansible_port", "ansible_ssh_port"])? {
        Some(var) => Some(parse_port(&var.value).map_err(|why| LineError::new(var.line, why))?),
        None => lines.iter().rev().find_map(|line| line.word.port),
    };
    let user = match var(&["ansible_user", "ansible_ssh_user"])? {
        Some(var) => {
            check_user(&var.value).map_err(|why| LineError::new(var.line, why))?;
            Some(var.value.clone())
        }
        None => lines.iter().rev().find_map(|line| line.word.user.clone()),
    };
    let identity = var(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?;
    let mut way = Way::default();
    for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        if let Some(args) = var(&[name])? {
            let odd = way.read(&args.value);
            if !odd.is_empty() {
                let note = format!("{}: {name}: passed over: {odd}", document.name(args.line));
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    if let Some(local) = var(&["ansible_connection"])?
        .filter(|var| !matches!(var.value.as_str(), "ssh" | "smart" | "paramiko" | "paramiko_ssh"))
    {
        let note = format!(
            "{}: ansible_connection={}: the host is visited over SSH",
            document.name(local.line),
            local.value
        );
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let privilege = match var(&["ansible_become"])? {
        None => None,
        Some(var) if !is_true(var).map_err(|why| LineError::new(var.line, why))? => Some(Privilege::AsIs),
        Some(_) => Some(match var(&["ansible_become_method"])? {
            Some(method) if method.value == "doas" => Privilege::Doas,
            Some(method) if method.value != "sudo" => {
                let why = format!(
                    "{:?} is no way to become somebody else here: there are sudo and doas",
                    method.value
                );
                return Err(LineError::new(method.line, why));
            }
            _ => Privilege::Sudo,
        }),
    };
    let become_user = var(&["ansible_become_user"])?;
    let become_user = become_user
        .map(|var| Account::parse(&var.value).map_err(|why| LineError::new(var.line, why)))
        .transpose()?;
    Ok(Target {
        host: entry.name.as_str().into(),
        herd: herd.into(),
        groups: groups.into_iter().filter(|&name| name != "all").map(str::to_owned).collect(),
        address,
        port,
        user,
        identity: identity.map(|var| PathBuf::from(&var.value)),
        jump: way.jump,
        proxy_command: way.command,
        privilege,
        become_user,
    })
}

/// As Ansible reads it.
fn is_true(var: &Var) -> Result<bool, String> {
    match var.value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
        "false" | "no" | "off" | "0" | "n" | "f" | "" => Ok(false),
        _ => Err(format!("{:?} is neither true nor false", var.value)),
    }
}

/// What the arguments for ssh say about the way to a host. Other arguments belong into ssh's configuration.
#[derive(Default)]
struct Way {
    jump: Option<String>,
    command: Option<String>,
}

impl Way {
    /// Takes what is known, and returns the rest.
    fn read(&mut self, args: &str) -> String {
        let Ok(words) = words(args) else { return args.to_owned() };
        let mut odd = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let option = match word.as_str() {
                "-J" => words.next().map(|host| format!("ProxyJump={host}")),
                "-o" => words.next(),
                _ => word
                    .strip_prefix("-J")
                    .map(|host| format!("ProxyJump={host}"))
                    .or_else(|| word.strip_prefix("-o").map(str::to_owned)),
            };
            let Some(option) = option else {
                odd.push(word);
                continue;
            };
            let (name, value) = option.split_once(['=', ' ']).unwrap_or((&option, ""));
            match name.to_ascii_lowercase().as_str() {
                "proxyjump" => self.jump = Some(value.to_owned()),
                "proxycommand" => self.command = Some(value.to_owned()),
                _ => odd.push(option),
            }
        }
        odd.join(" ")
    }
}

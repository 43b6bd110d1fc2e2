//! From lines to targets: who is in which group, and whose variable counts.

use super::host::{check_name, check_user, parse_port};
use super::parse::{Document, Var};
use super::{Inventory, LineError, Target};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// Where a host is named: its lines, in order.
struct Entry {
    name: String,
    lines: Vec<usize>,
}

pub(super) fn inventory(document: &Document, file: &str) -> Result<Inventory, LineError> {
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
                    "{file}:{}: {name} is named again, after line {}; it is visited once",
                    host_line.line, twin.line
                ));
            }
            entry.lines.push(n);
        }
    }
    let targets = entries.iter().map(|entry| target(document, entry, &ancestors));
    Ok(Inventory { targets: targets.collect::<Result<_, _>>()?, notes })
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
                    let line = own.and_then(|group| group.children.first()).map_or(0, |(_, line)| *line);
                    return Err(LineError::new(line, "this group is, by way of others, its own child"));
                }
                front.retain(|&group| seen.insert(group));
                found.extend(&front);
            }
            Ok(found)
        })
        .collect()
}

fn target(document: &Document, entry: &Entry, ancestors: &[Vec<usize>]) -> Result<Target, LineError> {
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
    let host_vars = lines.iter().rev().flat_map(|line| line.vars.iter().rev());
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
    Ok(Target {
        host: entry.name.as_str().into(),
        herd: herd.into(),
        groups: groups.into_iter().filter(|&name| name != "all").map(str::to_owned).collect(),
        address,
        port,
        user,
        identity: identity.map(|var| PathBuf::from(&var.value)),
    })
}

//! `group_vars` and `host_vars` beside an inventory: variables of groups and hosts in files of their own.

use super::document::{Document, Place, Var};
use super::{LineError, tree, yaml};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Reads what is there for groups and hosts that the inventory names. Files count more than the inventory itself.
pub(super) fn read(document: &mut Document, directory: &Path) -> Result<(), LineError> {
    let of_groups = directory.join("group_vars");
    if of_groups.is_dir() {
        let mut names: Vec<String> = document.groups.iter().map(|group| group.name.clone()).collect();
        if !names.iter().any(|name| name == "all") {
            names.push("all".to_owned());
        }
        for name in names {
            let vars = of_name(document, &of_groups, &name)?;
            if !vars.is_empty() {
                let place = document.group(&name);
                document.group_mut(place, |group| group.vars.extend(vars));
            }
        }
    }
    let of_hosts = directory.join("host_vars");
    if of_hosts.is_dir() {
        let names: BTreeSet<String> =
            document.hosts.iter().flat_map(|line| line.word.names.iter().cloned()).collect();
        // Looked up once: most hosts have none, and there may be ten thousand.
        let there: BTreeSet<String> = entries(&of_hosts).iter().filter_map(|path| stem(path)).collect();
        for name in names.intersection(&there) {
            let vars = of_name(document, &of_hosts, name)?;
            document.host_vars.insert(name.clone(), vars);
        }
    }
    Ok(())
}

/// `NAME`, `NAME.yml`, and all files of a directory `NAME`.
fn of_name(document: &mut Document, directory: &Path, name: &str) -> Result<Vec<Var>, LineError> {
    let mut files = Vec::new();
    for suffix in ["", ".yml", ".yaml", ".json"] {
        let path = directory.join(format!("{name}{suffix}"));
        if path.is_dir() {
            files.extend(entries(&path).into_iter().filter(|path| path.is_file()));
        } else if path.is_file() {
            files.push(path);
        }
    }
    let mut vars = Vec::new();
    for path in files {
        let file = document.file(&path.display().to_string());
        let text = std::fs::read_to_string(&path)
            .map_err(|error| LineError::new(Place::new(file, 0), format!("cannot be read: {error}")))?;
        if text.starts_with("$ANSIBLE_VAULT") {
            document.notes.push(format!("{}: encrypted with ansible-vault, passed over", path.display()));
            continue;
        }
        let root = yaml::read(file, &text)?;
        vars.extend(tree::vars(root.map("a file of variables")?));
    }
    Ok(vars)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| !is_hidden(path)).collect();
    paths.sort();
    paths
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.') || name.to_string_lossy().ends_with('~'))
}

/// The name that a file of variables is for.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let known =
        ["yml", "yaml", "json"].iter().find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'));
    Some(known.unwrap_or(name).to_owned())
}

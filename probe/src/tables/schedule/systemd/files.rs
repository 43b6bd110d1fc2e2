//! Unit files on disk: which there are, whether they are enabled, and the few settings that the table shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::Host;

/// Where unit files are; an earlier place wins.
const PLACES: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const KINDS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// A unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitFile {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) state: &'static str,
}

/// What the table shows of a unit file's content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) description: String,
    pub(super) user: String,
    pub(super) source: String,
    /// It says how it wants to be enabled.
    installable: bool,
}

/// All unit files by name.
pub(super) fn all(host: &Host) -> Vec<UnitFile> {
    let mut found: BTreeMap<String, UnitFile> = BTreeMap::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for place in PLACES {
        for entry in host.list_sorted(place) {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let path = format!("{place}/{name}");
            if name.ends_with(".wants") || name.ends_with(".requires") {
                let links = host.list(&path);
                wanted.extend(links.into_iter().map(|link| String::from_utf8_lossy(&link.name).into_owned()));
                continue;
            }
            let known = name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind));
            if !known || entry.kind.is_dir() || found.contains_key(&name) {
                continue;
            }
            if let Some(state) = state(host, &path, &name, entry.kind.is_symlink()) {
                found.insert(name.clone(), UnitFile { id: name, path, state });
            }
        }
    }
    for unit in found.values_mut() {
        if unit.state == "disabled" && wanted.contains(&unit.id) {
            unit.state = "enabled";
        }
    }
    found.into_values().collect()
}

/// `None` for another name of a unit, which is no unit of its own.
fn state(host: &Host, path: &str, name: &str, is_link: bool) -> Option<&'static str> {
    if is_link {
        let target = host.read_link(path.as_bytes()).unwrap_or_default();
        if target == b"/dev/null" {
            return Some("masked");
        }
        if target.rsplit(|byte| *byte == b'/').next() != Some(name.as_bytes()) {
            return None;
        }
        return Some("linked");
    }
    if path.starts_with("/run/systemd/generator") {
        return Some("generated");
    }
    Some(if settings(host, path).installable { "disabled" } else { "static" })
}

/// The settings of a unit file and of the drop-ins beside it, which win.
pub(super) fn settings(host: &Host, path: &str) -> Settings {
    let mut found = Settings::default();
    let mut files = vec![path.to_owned()];
    let name = path.rsplit('/').next().unwrap_or_default();
    for place in PLACES.iter().rev() {
        let directory = format!("{place}/{name}.d");
        for entry in host.list_sorted(&directory) {
            if entry.name.ends_with(b".conf") {
                files.push(format!("{directory}/{}", String::from_utf8_lossy(&entry.name)));
            }
        }
    }
    let mut content = Vec::new();
    for file in files {
        // A masked unit is a link to a device, which is not worth a count.
        if host.try_read_into(file.as_bytes(), &mut content, 1 << 20).is_ok() {
            read_settings(&String::from_utf8_lossy(&content), &mut found);
        }
    }
    found
}

pub(super) fn read_settings(content: &str, found: &mut Settings) {
    for line in content.lines().map(str::trim) {
        if line.starts_with("[Install]") {
            found.installable = true;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let slot = match key.trim() {
            "Description" => &mut found.description,
            "User" => &mut found.user,
            "SourcePath" => &mut found.source,
            _ => continue,
        };
        *slot = value.trim().to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_wins() {
        let mut found = Settings::default();
        read_settings(
            "[Unit]\nDescription = A b\n[Service]\nUser=x\nUser=y\n#User=z\n[Install]\n",
            &mut found,
        );
        assert_eq!((found.description.as_str(), found.user.as_str(), found.installable), ("A b", "y", true));
    }
}

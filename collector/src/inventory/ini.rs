//! Ansible's INI inventories: groups of hosts with variables, groups of groups, variables of groups.

use super::plain::{LineError, check_name, check_user, port, split_port};
use super::{MOST_HOSTS, Target, range};
use std::collections::{BTreeMap, BTreeSet};

/// A list of hosts becomes an inventory with its first section, or with a variable beside a host.
pub(super) fn is_ini(text: &str) -> bool {
    text.lines().map(code).any(|line| {
        section(line).is_some()
            || line.split_whitespace().skip(1).any(|word| word.starts_with("ansible_") && word.contains('='))
    })
}

/// What a section's header says.
enum Section<'t> {
    Hosts(&'t str),
    Children(&'t str),
    Vars(&'t str),
}

/// `[group]`, `[group:children]`, `[group:vars]`; an address in brackets with something behind it is none.
fn section(line: &str) -> Option<Result<Section<'_>, String>> {
    let inside = line.strip_prefix('[')?.strip_suffix(']')?;
    Some(match inside.split_once(':') {
        None => Ok(Section::Hosts(inside)),
        Some((group, "hosts")) => Ok(Section::Hosts(group)),
        Some((group, "children")) => Ok(Section::Children(group)),
        Some((group, "vars")) => Ok(Section::Vars(group)),
        Some((_, kind)) => Err(format!("[{inside}]: a section is of :children or :vars, not of :{kind}")),
    })
}

type Variables = BTreeMap<String, String>;

#[derive(Default)]
struct Group {
    variables: Variables,
    parents: BTreeSet<String>,
}

#[derive(Default)]
struct Host {
    name: String,
    variables: Variables,
    /// In the order in which they name it.
    groups: Vec<String>,
    line: usize,
}

#[derive(Default)]
struct Document {
    groups: BTreeMap<String, Group>,
    hosts: Vec<Host>,
    places: BTreeMap<String, usize>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Target>, LineError> {
    let mut document = Document::default();
    let mut current = Section::Hosts("ungrouped");
    for (number, line) in (1..).zip(text.lines()) {
        let line = code(line);
        if line.is_empty() {
            continue;
        }
        if let Some(header) = section(line) {
            current = header.map_err(|why| (number, why))?;
            let (Section::Hosts(group) | Section::Children(group) | Section::Vars(group)) = current;
            check_group(group).map_err(|why| (number, why))?;
            document.groups.entry(group.to_owned()).or_default();
            continue;
        }
        match current {
            Section::Hosts(group) => document.hosts(group, line, number),
            Section::Children(group) => document.child(group, line),
            Section::Vars(group) => document.variable(group, line),
        }
        .map_err(|why| (number, why))?;
    }
    document.targets()
}

/// A line without its comment: `#` and `;` start one at the start of a line, `#` also after a space.
fn code(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return "";
    }
    line.split(" #").next().unwrap_or_default().trim_end()
}

fn check_group(group: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if group.is_empty() || !group.chars().all(fits) {
        return Err(format!("{group:?} is not the name of a group"));
    }
    Ok(())
}

impl Document {
    fn hosts(&mut self, group: &str, line: &str, number: usize) -> Result<(), String> {
        let words = words(line)?;
        let Some((pattern, assignments)) = words.split_first() else { return Ok(()) };
        let variables = assignments.iter().map(|word| assignment(word)).collect::<Result<Vec<_>, _>>()?;
        for name in range::expand(pattern)? {
            let (name, port) = split_port(&name)?;
            check_name(&name)?;
            let place = *self.places.entry(name.clone()).or_insert_with(|| {
                self.hosts.push(Host { name, line: number, ..Host::default() });
                self.hosts.len() - 1
            });
            if self.hosts.len() > MOST_HOSTS {
                return Err(format!("there are more than {MOST_HOSTS} hosts"));
            }
            let Some(host) = self.hosts.get_mut(place) else { continue };
            if !host.groups.iter().any(|known| known == group) {
                host.groups.push(group.to_owned());
            }
            host.variables.extend(port.map(|port| ("ansible_port".to_owned(), port.to_string())));
            host.variables.extend(variables.iter().cloned());
        }
        Ok(())
    }

    fn child(&mut self, parent: &str, line: &str) -> Result<(), String> {
        let child = line.split_whitespace().next().unwrap_or_default();
        check_group(child)?;
        self.groups.entry(child.to_owned()).or_default().parents.insert(parent.to_owned());
        Ok(())
    }

    fn variable(&mut self, group: &str, line: &str) -> Result<(), String> {
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("{line:?} is not a variable: name=value"))?;
        let value = unquoted(value.trim()).to_owned();
        self.groups.entry(group.to_owned()).or_default().variables.insert(name.trim().to_owned(), value);
        Ok(())
    }

    /// A group's parents, nearest first. A circle of groups ends where it closes.
    fn ancestors(&self, group: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut front: Vec<&str> = vec![group];
        while !front.is_empty() {
            let parents =
                front.iter().filter_map(|name| self.groups.get(*name)).flat_map(|group| &group.parents);
            let next: BTreeSet<&str> = parents.map(String::as_str).filter(|name| *name != group).collect();
            let next: Vec<&str> =
                next.into_iter().filter(|name| !found.iter().any(|known| known == name)).collect();
            found.extend(next.iter().map(|name| (*name).to_owned()));
            front = next;
        }
        found
    }

    fn targets(&self) -> Result<Vec<Target>, LineError> {
        self.hosts.iter().map(|host| self.target(host).map_err(|why| (host.line, why))).collect()
    }

    fn target(&self, host: &Host) -> Result<Target, String> {
        let lines: Vec<(&String, Vec<String>)> =
            host.groups.iter().map(|group| (group, self.ancestors(group))).collect();
        // What is nearer beats what is farther: `all`, then parents, then the group, then the host.
        let mut variables = Variables::new();
        let mut lay = |name: &str| {
            variables.extend(self.groups.get(name).into_iter().flat_map(|group| group.variables.clone()))
        };
        lay("all");
        lines.iter().for_each(|(_, ancestors)| ancestors.iter().rev().for_each(|name| lay(name)));
        lines.iter().for_each(|(group, _)| lay(group));
        variables.extend(host.variables.clone());

        // The group that most others contain says most about a host; of equals, the one that names it first.
        let most_specific =
            lines.iter().rev().max_by_key(|(_, ancestors)| ancestors.len()).map(|(group, _)| group.as_str());
        let herd = most_specific.filter(|group| *group != "ungrouped").unwrap_or("all");
        let all = lines.iter().flat_map(|(group, ancestors)| ancestors.iter().chain([*group]));
        let groups: BTreeSet<&String> =
            all.filter(|name| !matches!(name.as_str(), "all" | "ungrouped")).collect();

        let get = |names: [&str; 2]| {
            names.iter().find_map(|name| variables.get(*name)).filter(|value| !value.is_empty())
        };
        let address = get(["ansible_host", "ansible_ssh_host"]).map_or(host.name.as_str(), String::as_str);
        check_name(address)?;
        let user = get(["ansible_user", "ansible_ssh_user"]).cloned();
        user.as_deref().map_or(Ok(()), check_user)?;
        Ok(Target {
            host: host.name.as_str().into(),
            herd: herd.into(),
            groups: groups.into_iter().cloned().collect(),
            address: address.to_owned(),
            port: get(["ansible_port", "ansible_ssh_port"]).map(|digits| port(digits)).transpose()?,
            user,
            identity: get(["ansible_ssh_private_key_file", "ansible_private_key_file"]).map(Into::into),
        })
    }
}

/// Words as a shell sees them: quotes keep spaces together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut started = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => (quote, started) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (_, c) => {
                word.push(c);
                started = true;
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    if started {
        words.push(word);
    }
    Ok(words)
}

fn assignment(word: &str) -> Result<(String, String), String> {
    let (name, value) =
        word.split_once('=').ok_or_else(|| format!("{word:?} is not a variable: name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = "\
lonely

[web]
web[01:02] ansible_user=deploy   # two of them
web03.example.org:2222 ansible_host=10.0.0.3 ansible_ssh_private_key_file='~/.ssh/the key'

[db]
db1
web01

[site:children]
web
db

[site:vars]
ansible_user=root
ansible_port = 22022
monitoring=\"yes\"

[all:vars]
ansible_user=nobody
";

    fn target(name: &str) -> Target {
        parse(FLEET).unwrap().into_iter().find(|target| target.host.as_str() == name).unwrap()
    }

    #[test]
    fn hosts_groups_and_variables() {
        let names: Vec<_> = parse(FLEET).unwrap().iter().map(|target| target.host.to_string()).collect();
        assert_eq!(names, ["lonely", "web01", "web02", "web03.example.org", "db1"]);
        let web02 = target("web02");
        assert_eq!(
            (web02.herd.as_str(), web02.user.as_deref(), web02.port),
            ("web", Some("deploy"), Some(22022))
        );
        assert_eq!(web02.groups, ["site", "web"]);
        let web03 = target("web03.example.org");
        assert_eq!(
            (web03.address.as_str(), web03.port, web03.user.as_deref()),
            ("10.0.0.3", Some(2222), Some("root"))
        );
        assert_eq!(web03.identity.unwrap().to_str(), Some("~/.ssh/the key"));
    }

    #[test]
    fn a_host_is_of_the_herd_that_names_it_first() {
        assert_eq!(target("web01").herd.as_str(), "web");
        assert_eq!(target("web01").groups, ["db", "site", "web"]);
        let lonely = target("lonely");
        assert_eq!(
            (lonely.herd.as_str(), lonely.user.as_deref(), lonely.groups.len()),
            ("all", Some("nobody"), 0)
        );
    }

    #[test]
    fn the_most_specific_group_is_the_herd() {
        let targets = parse("[site]\nx\n[edge]\nx\n[site:children]\nedge\n").unwrap();
        assert_eq!(targets[0].herd.as_str(), "edge");
    }

    #[test]
    fn circles_of_groups_end() {
        let targets = parse("[a]\nx\n[b:children]\na\n[a:children]\nb\n").unwrap();
        assert_eq!(targets[0].groups, ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, why) in [
            ("[web]\nx ansible_port=99999", 2, "not a port"),
            ("[web]\nx ansible_host=-oX", 2, "not the name or address"),
            ("[web]\nx novalue", 2, "name=value"),
            ("[web]\nx a='b", 2, "quote"),
            ("[web:friends]\nx", 1, ":friends"),
            ("[we b]\nx", 1, "name of a group"),
        ] {
            let (at, said) = parse(text).unwrap_err();
            assert!(at == line && said.contains(why), "{text}: {at} {said}");
        }
    }

    #[test]
    fn lists_and_inventories_are_told_apart() {
        assert!(is_ini("[web]\nx"));
        assert!(is_ini("x ansible_port=22"));
        assert!(!is_ini("web[1:3]\n[::1]:22\nx # [web]"));
    }
}

//! Ansible's YAML inventories, and what its inventory programs print: groups as a tree of maps.

use super::LineError;
use super::document::{Document, HostLine, Place, Var, check_group};
use super::host::parse as parse_host;
use super::yaml::{Node, Value};
use std::collections::HashMap;

/// `all: {hosts: {…}, vars: {…}, children: {…}}`, and other groups beside `all`.
pub(super) fn read(document: &mut Document, root: &Node) -> Result<(), LineError> {
    for (name, node) in root.map("an inventory in YAML")? {
        group(document, name, node)?;
    }
    Ok(())
}

fn group(document: &mut Document, name: &str, node: &Node) -> Result<usize, LineError> {
    check_group(name).map_err(|why| LineError::new(node.place, why))?;
    let place = document.group(name);
    document.group_mut(place, |group| group.defined = true);
    let of = if matches!(name, "all" | "ungrouped") { None } else { Some(place) };
    for (key, node) in node.map(&format!("the group {name}"))? {
        match key.as_str() {
            "hosts" => {
                for (host, node) in hosts(node)? {
                    let vars = vars(node.map(&format!("the variables of {host}"))?);
                    host_line(document, &host, of, node.place, vars)?;
                }
            }
            "vars" => {
                let vars = vars(node.map(&format!("the variables of {name}"))?);
                document.group_mut(place, |group| group.vars.extend(vars));
            }
            "children" => {
                for (child, node) in node.map(&format!("the children of {name}"))? {
                    group(document, child, node)?;
                    // Everybody is a child of all.
                    if name != "all" {
                        document.group_mut(place, |group| group.children.push((child.clone(), node.place)));
                    }
                }
            }
            other => document.notes.push(format!(
                "{}: {other} of the group {name} is none of hosts, vars and children, passed over",
                document.name(node.place)
            )),
        }
    }
    Ok(place)
}

/// Hosts as a map, or, as some write them, as a list.
fn hosts(node: &Node) -> Result<Vec<(String, Node)>, LineError> {
    let Value::List(list) = &node.value else { return Ok(node.map("hosts")?.to_vec()) };
    let name = |node: &Node| match node.text() {
        Some(name) => Ok((name.to_owned(), Node { place: node.place, value: Value::Text(None) })),
        None => Err(LineError::new(node.place, "a list of hosts has names only")),
    };
    list.iter().map(name).collect()
}

fn host_line(
    document: &mut Document,
    host: &str,
    group: Option<usize>,
    line: Place,
    vars: Vec<Var>,
) -> Result<(), LineError> {
    let word = parse_host(host).map_err(|why| LineError::new(line, why))?;
    document.hosts.push(HostLine { line, group, word, vars });
    Ok(())
}

/// Scalars become variables; lists and maps are none that matter here.
pub(super) fn vars(map: &[(String, Node)]) -> Vec<Var> {
    let var = |(name, node): &(String, Node)| {
        let value = node.text()?.to_owned();
        Some(Var { line: node.place, name: name.clone(), value })
    };
    map.iter().filter_map(var).collect()
}

/// `{"web": {"hosts": […], "vars": {…}, "children": […]}, "_meta": {"hostvars": {…}}}`, as inventory programs print it.
pub(super) fn read_list(document: &mut Document, root: &Node) -> Result<(), LineError> {
    let groups = root.map("what an inventory program prints")?;
    let meta = groups.iter().find(|(name, _)| name == "_meta").map(|(_, node)| node);
    let mut of_hosts: HashMap<&str, &Node> = HashMap::new();
    for (key, node) in meta.map_or(Ok(&[][..]), |node| node.map("_meta"))? {
        if key == "hostvars" {
            of_hosts.extend(node.map("hostvars")?.iter().map(|(host, node)| (host.as_str(), node)));
        }
    }
    for (name, node) in groups.iter().filter(|(name, _)| name != "_meta") {
        check_group(name).map_err(|why| LineError::new(node.place, why))?;
        let place = document.group(name);
        document.group_mut(place, |group| group.defined = true);
        let of = if matches!(name.as_str(), "all" | "ungrouped") { None } else { Some(place) };
        let whole = [("hosts".to_owned(), node.clone())];
        let keys = if matches!(node.value, Value::List(_)) { &whole[..] } else { node.map("a group")? };
        for (key, node) in keys {
            match (key.as_str(), &node.value) {
                ("hosts", _) => {
                    for (host, node) in hosts(node)? {
                        let own = of_hosts.get(host.as_str());
                        let own = own.map_or(Ok(&[][..]), |node| node.map("a host's variables"))?;
                        host_line(document, &host, of, node.place, vars(own))?;
                    }
                }
                ("vars", _) => {
                    let vars = vars(node.map("vars")?);
                    document.group_mut(place, |group| group.vars.extend(vars));
                }
                ("children", Value::List(children)) => {
                    for child in children.iter() {
                        let Some(name_of_child) = child.text() else { continue };
                        let line = child.place;
                        // Programs name `ungrouped` as a child of `all`, and leave it out where it is empty.
                        let known = groups.iter().any(|(group, _)| group == name_of_child);
                        if name != "all" && known {
                            document.group_mut(place, |group| {
                                group.children.push((name_of_child.to_owned(), line))
                            });
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

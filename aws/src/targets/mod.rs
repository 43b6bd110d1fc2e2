//! Which instances there are: of Auto Scaling groups, with a tag, by their ids; in every place of a session.

mod asg;
mod ec2;

use crate::error::AwsError;
use crate::session::{Place, Session};
use futures::future::try_join_all;
use herdiff_collector::inventory::{Inventory, Target};
use herdiff_model::name::{HerdName, HostName};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What an operator asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Auto Scaling groups, by name.
    pub groups: Vec<String>,
    /// Tags of instances, as key and value.
    pub tags: Vec<(String, String)>,
    /// Ids of instances.
    pub instances: Vec<String>,
    /// Instances of a group that are in standby as well, not only those in service.
    pub standby: bool,
    /// Whether addresses are needed, for SSH. That takes the right to describe instances.
    pub addresses: bool,
}

impl Wanted {
    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.tags.is_empty() && self.instances.is_empty()
    }
}

/// Instances as targets, and where each is.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// As any other inventory.
    pub inventory: Inventory,
    /// The account and region of each.
    pub places: HashMap<HostName, Place>,
}

/// Whether a word is the id of an instance: of EC2 (`i-`) or of a machine elsewhere that is managed (`mi-`).
pub fn is_instance_id(word: &str) -> bool {
    let digits = word.strip_prefix("i-").or_else(|| word.strip_prefix("mi-"));
    digits.is_some_and(|rest| {
        (8..=17).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// An instance, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Instance {
    id: String,
    /// The Auto Scaling group that it belongs to.
    group: Option<String>,
    /// Its private address.
    address: Option<String>,
    /// What it was found by besides its group.
    labels: BTreeSet<String>,
}

/// What one place has.
#[derive(Debug, Default)]
struct Sighting {
    instances: BTreeMap<String, Instance>,
    groups: BTreeSet<String>,
    notes: Vec<String>,
}

impl Sighting {
    fn see(&mut self, seen: Instance) {
        let known = self.instances.entry(seen.id.clone()).or_insert_with(|| seen.clone());
        known.group = known.group.take().or(seen.group);
        known.address = known.address.take().or(seen.address);
        known.labels.extend(seen.labels);
    }
}

/// Asks every place. What is in none of them is an error: a sweep that silently misses a group is worse than none.
pub async fn find(session: &Session, wanted: &Wanted) -> Result<Found, AwsError> {
    let looks = session.clients.iter().map(|client| async move {
        let mut sighting = Sighting::default();
        asg::look(client, wanted, &mut sighting).await?;
        ec2::look(client, wanted, &mut sighting).await?;
        Ok::<_, AwsError>((client.place().clone(), sighting))
    });
    let sightings = try_join_all(looks).await?;
    let places: Vec<_> = session.clients.iter().map(|client| client.place().to_string()).collect();
    for name in &wanted.groups {
        if !sightings.iter().any(|(_, sighting)| sighting.groups.contains(name)) {
            return Err(AwsError::Unusable(format!(
                "there is no Auto Scaling group {name:?} in {}",
                places.join(", ")
            )));
        }
    }
    let mut found = Found::default();
    for (place, sighting) in sightings {
        found.inventory.notes.extend(sighting.notes);
        for instance in sighting.instances.into_values() {
            let host = HostName::from(instance.id.as_str());
            if found.places.insert(host, place.clone()).is_none() {
                found.inventory.targets.push(target(instance));
            }
        }
    }
    for id in &wanted.instances {
        if !found.places.contains_key(id.as_str()) {
            // Who may not describe instances, or has only one place, still reaches them by id.
            match (session.clients.as_slice(), wanted.addresses) {
                ([only], false) => {
                    found.places.insert(HostName::from(id.as_str()), only.place().clone());
                    let instance = Instance { id: id.clone(), ..Instance::default() };
                    found.inventory.targets.push(target(instance));
                }
                _ => {
                    let places = places.join(", ");
                    return Err(AwsError::Unusable(format!("there is no instance {id} in {places}")));
                }
            }
        }
    }
    Ok(found)
}

/// The herd is the Auto Scaling group, whatever the instance was found by: its members were made alike.
fn target(instance: Instance) -> Target {
    let Instance { id, group, address, labels } = instance;
    let herd = group.clone().or_else(|| labels.first().cloned()).unwrap_or_else(|| "all".to_owned());
    let groups: BTreeSet<_> = labels.into_iter().chain(group).collect();
    Target {
        address: address.unwrap_or_else(|| id.clone()),
        host: HostName::from(id),
        herd: HerdName::from(herd),
        groups: groups.into_iter().collect(),
        port: None,
        user: None,
        identity: None,
        jump: None,
        proxy_command: None,
        privilege: None,
        become_user: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_by_their_form() {
        for id in ["i-0123456789abcdef0", "mi-0123456789abcdef0", "i-1a2b3c4d"] {
            assert!(is_instance_id(id), "{id}");
        }
        for id in
            ["i-", "web-01", "i-0123456789ABCDEF0", "i-0123456789abcdef01", "i-web", "x-0123456789abcdef0"]
        {
            assert!(!is_instance_id(id), "{id}");
        }
    }

    #[test]
    fn the_group_is_the_herd() {
        let instance = Instance {
            id: "i-1".to_owned(),
            group: Some("web".to_owned()),
            labels: BTreeSet::from(["Env=prod".to_owned()]),
            address: None,
        };
        let found = target(instance);
        assert_eq!((found.herd.as_str(), found.address.as_str()), ("web", "i-1"));
        assert_eq!(found.groups, ["Env=prod", "web"]);
    }
}

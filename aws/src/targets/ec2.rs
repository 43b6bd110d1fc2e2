//! Instances by tag or id, and their private addresses.

use super::{Instance, Sighting, Wanted};
use crate::client::Client;
use crate::error::AwsError;
use crate::xml::Element;
use std::collections::BTreeSet;

const VERSION: &str = "2016-11-15";
/// Values of one filter.
const VALUES: usize = 150;
/// The tag that Auto Scaling puts on the members of a group.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// Adds the instances that are wanted and here, and the addresses where these are wanted.
pub(super) async fn look(client: &Client, wanted: &Wanted, sighting: &mut Sighting) -> Result<(), AwsError> {
    for (key, value) in &wanted.tags {
        let filter = [(format!("tag:{key}"), vec![value.clone()])];
        for mut instance in describe(client, &filter).await? {
            instance.labels.insert(format!("{key}={value}"));
            sighting.see(instance);
        }
    }
    // Which place an id is in has to be asked only where there are several, or where its address is wanted.
    let mut ids: BTreeSet<String> = wanted.instances.iter().cloned().collect();
    if wanted.addresses {
        ids.extend(sighting.instances.keys().cloned());
    }
    let ids: Vec<_> = ids.into_iter().collect();
    for ids in ids.chunks(VALUES) {
        // A filter passes over ids that are elsewhere, where naming them would be an error.
        match describe(client, &[("instance-id".to_owned(), ids.to_vec())]).await {
            Ok(instances) => instances.into_iter().for_each(|instance| sighting.see(instance)),
            Err(error) if !wanted.addresses && error.code().is_some_and(|code| code.is_denied()) => {
                sighting.notes.push(format!("{error}; the instances that were named are taken as they are"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn describe(client: &Client, filters: &[(String, Vec<String>)]) -> Result<Vec<Instance>, AwsError> {
    let running = ("instance-state-name".to_owned(), vec!["running".to_owned()]);
    let mut parameters = vec![("MaxResults".to_owned(), "1000".to_owned())];
    for (n, (name, values)) in filters.iter().chain([&running]).enumerate() {
        parameters.push((format!("Filter.{}.Name", n + 1), name.clone()));
        for (m, value) in values.iter().enumerate() {
            parameters.push((format!("Filter.{}.Value.{}", n + 1, m + 1), value.clone()));
        }
    }
    let mut instances = Vec::new();
    let mut token = String::new();
    loop {
        let mut page = parameters.clone();
        if !token.is_empty() {
            page.push(("NextToken".to_owned(), token));
        }
        let answer = client.query("ec2", VERSION, "DescribeInstances", &page).await?;
        for reservation in answer.list("reservationSet") {
            instances.extend(reservation.list("instancesSet").map(instance));
        }
        token = answer.text("nextToken").to_owned();
        if token.is_empty() {
            return Ok(instances);
        }
    }
}

fn instance(element: &Element) -> Instance {
    let tags = element.list("tagSet").find(|tag| tag.text("key") == GROUP_TAG);
    let some = |text: &str| if text.is_empty() { None } else { Some(text.to_owned()) };
    Instance {
        id: element.text("instanceId").to_owned(),
        group: tags.and_then(|tag| some(tag.text("value"))),
        address: some(element.text("privateIpAddress")),
        labels: BTreeSet::new(),
    }
}

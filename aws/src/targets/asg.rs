//! The members of Auto Scaling groups.

use super::{Instance, Sighting, Wanted};
use crate::client::Client;
use crate::error::AwsError;

const VERSION: &str = "2011-01-01";
/// Names in one call.
const NAMES: usize = 50;

/// Adds the members of the groups that are wanted, as far as they are here.
pub(super) async fn look(client: &Client, wanted: &Wanted, sighting: &mut Sighting) -> Result<(), AwsError> {
    for names in wanted.groups.chunks(NAMES) {
        let mut token = String::new();
        loop {
            let mut parameters: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(n, name)| (format!("AutoScalingGroupNames.member.{}", n + 1), name.clone()))
                .collect();
            if !token.is_empty() {
                parameters.push(("NextToken".to_owned(), token));
            }
            let answer =
                client.query("autoscaling", VERSION, "DescribeAutoScalingGroups", &parameters).await?;
            let result = answer.child("DescribeAutoScalingGroupsResult").cloned().unwrap_or_default();
            for group in result.list("AutoScalingGroups") {
                let name = group.text("AutoScalingGroupName").to_owned();
                let mut left_out = 0;
                for member in group.list("Instances") {
                    let state = member.text("LifecycleState");
                    if state == "InService" || (state == "Standby" && wanted.standby) {
                        let id = member.text("InstanceId").to_owned();
                        sighting.see(Instance { id, group: Some(name.clone()), ..Instance::default() });
                    } else {
                        left_out += 1;
                    }
                }
                if left_out > 0 {
                    sighting.notes.push(format!(
                        "{name}: {left_out} of its instances are not in service and are left out{}",
                        if wanted.standby { "" } else { " (--include-standby takes those in standby)" }
                    ));
                }
                sighting.groups.insert(name);
            }
            token = result.text("NextToken").to_owned();
            if token.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

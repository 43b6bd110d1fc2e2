//! What was planted, for those who measure how much of it is found.

use crate::attack::Planted;
use crate::fleet::Fleet;
use serde_json::json;
use std::collections::BTreeMap;

/// The truth as JSON: for each planted attack the host, the attack, and the rows it made odd.
pub(super) fn document(fleet: &Fleet) -> String {
    let planted: Vec<_> = fleet.planted.iter().map(Planted::told).collect();
    let mut herds = BTreeMap::new();
    for host in &fleet.hosts {
        *herds.entry(host.role.name()).or_insert(0_usize) += 1;
    }
    let document = json!({"herds": herds, "hosts": fleet.hosts.len(), "planted": planted});
    format!("{document:#}\n")
}

//! What was planted, for those who measure how much of it is found.

use crate::fleet::Fleet;
use serde_json::json;

/// The truth as JSON: for each planted attack the host, the attack, and the rows it made odd.
pub(super) fn document(fleet: &Fleet) -> String {
    let planted = fleet.planted.iter().map(|planted| {
        json!({
            "host": planted.host,
            "attack": planted.attack.name(),
            "techniques": planted.attack.techniques(),
            "story": planted.attack.story(),
            "traces": planted.traces,
        })
    });
    let document =
        json!({"herd": fleet.herd, "hosts": fleet.hosts.len(), "planted": planted.collect::<Vec<_>>()});
    format!("{document:#}\n")
}

//! What was planted, for those who measure how much of it is found: `truth.json` beside the inventory.

use super::CommandError;
use herdiff_testbed::attack::Planted;
use herdiff_testbed::site::Site;
use serde_json::json;

pub(super) fn write(site: &Site, planted: &[Planted]) -> Result<(), CommandError> {
    let planted = planted.iter().map(|planted| {
        json!({
            "host": planted.host,
            "attack": planted.attack.name(),
            "techniques": planted.attack.techniques(),
            "story": planted.attack.story(),
            "traces": planted.traces,
        })
    });
    let document = json!({"planted": planted.collect::<Vec<_>>()});
    site.keep("truth.json", 0o644, &format!("{document:#}\n"))?;
    Ok(())
}

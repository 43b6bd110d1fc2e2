//! What was planted, for those who measure how much of it is found: `truth.json` beside the inventory.

use super::CommandError;
use herdiff_testbed::attack::Planted;
use herdiff_testbed::site::Site;
use serde_json::json;

pub(super) fn write(site: &Site, planted: &[Planted]) -> Result<(), CommandError> {
    let planted: Vec<_> = planted.iter().map(Planted::told).collect();
    let document = json!({"planted": planted});
    site.keep("truth.json", 0o644, &format!("{document:#}\n"))?;
    Ok(())
}

//! The pack behind the names: the triage pack and the additional queries of a survey, in one document.

use serde_json::{Map, Value, json};
use thiserror::Error;

const TRIAGE: &str = include_str!("../../../model/packs/triage.conf");
const SURVEY: &str = include_str!("../../data/survey.conf");

/// One of our own packs cannot be read.
#[derive(Debug, Error)]
#[error("the {name} pack is not JSON: {cause}")]
pub struct PackError {
    name: &'static str,
    #[source]
    cause: serde_json::Error,
}

/// Both packs as one document.
///
/// # Errors
/// Where one of them is not JSON.
pub fn merged() -> Result<String, PackError> {
    let mut queries = queries("triage", TRIAGE)?;
    queries.extend(self::queries("survey", SURVEY)?);
    Ok(format!("{:#}\n", json!({"queries": queries})))
}

/// The triage pack as one line, as the probe takes it.
///
/// # Errors
/// Where it is not JSON.
pub fn triage() -> Result<String, PackError> {
    Ok(format!("{}\n", json!({"queries": queries("triage", TRIAGE)?})))
}

fn queries(name: &'static str, text: &str) -> Result<Map<String, Value>, PackError> {
    let text: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let pack: Value = serde_json::from_str(&text).map_err(|cause| PackError { name, cause })?;
    Ok(pack.get("queries").and_then(Value::as_object).cloned().unwrap_or_default())
}

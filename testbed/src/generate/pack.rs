//! The pack behind the names: the triage pack and the additional queries of a survey, in one document.

use serde_json::{Map, Value};
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

/// Both packs as one.
///
/// # Errors
/// Where one of them is not JSON.
pub fn merged() -> Result<String, PackError> {
    let mut queries = Map::new();
    for (name, text) in [("triage", TRIAGE), ("survey", SURVEY)] {
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let pack: Value = serde_json::from_str(&text).map_err(|cause| PackError { name, cause })?;
        if let Some(Value::Object(more)) = pack.get("queries") {
            queries.extend(more.clone());
        }
    }
    let pack = Value::Object(Map::from_iter([("queries".to_owned(), Value::Object(queries))]));
    Ok(format!("{pack:#}\n"))
}

//! NDJSON: a line for the sweep, one for each visit, and then query by query one for each outcome and each row.

use super::{ExportError, Job};
use crate::facts;
use crate::stored::Stored;
use crate::text::{Odd, push_json};
use herdiff_model::snapshot::QueryId;
use serde_json::{Value, json};
use std::io::Write;

pub(super) fn write(stored: &Stored, to: &mut dyn Write, job: &Job<'_>) -> Result<(), ExportError> {
    line(to, "sweep", facts::sweep(stored))?;
    let visits = stored.visits().len();
    for visit in stored.visits() {
        line(to, "host", facts::visit(stored, visit))?;
    }
    let all = visits * stored.pack().queries().len();
    let mut buffer = Vec::new();
    for (id, query) in (0..).map(QueryId).zip(stored.pack().queries()) {
        let answers = stored.answers(id)?;
        for (place, (visit, outcome)) in stored.visits().iter().zip(&answers.outcomes).enumerate() {
            job.at(id.0 as usize * visits + place, all)?;
            let mut said = json!({"host": visit.host.as_str(), "herd": visit.herd.as_str(), "query": query.name.as_str()});
            if let (Value::Object(said), Value::Object(more)) = (&mut said, facts::outcome(outcome)) {
                said.extend(more);
            }
            line(to, "outcome", said)?;
            let ids = outcome.rows().map_or(&[][..], |rows| &rows.ids);
            for row in ids.iter().filter_map(|&id| answers.table.row(id)) {
                buffer.clear();
                buffer.extend_from_slice(b"{\"type\":\"row\",\"host\":");
                push_json(&mut buffer, visit.host.as_str().as_bytes(), Odd::Replaced);
                buffer.extend_from_slice(b",\"herd\":");
                push_json(&mut buffer, visit.herd.as_str().as_bytes(), Odd::Replaced);
                buffer.extend_from_slice(b",\"query\":");
                push_json(&mut buffer, query.name.as_str().as_bytes(), Odd::Replaced);
                buffer.extend_from_slice(b",\"row\":");
                facts::push_row(&mut buffer, row, Odd::Replaced);
                buffer.extend_from_slice(b"}\n");
                to.write_all(&buffer)?;
            }
        }
        stored.forget(id);
    }
    job.at(all, all)
}

fn line(to: &mut dyn Write, kind: &str, said: Value) -> Result<(), ExportError> {
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"type\":");
    push_json(&mut out, kind.as_bytes(), Odd::Replaced);
    if let Value::Object(entries) = &said {
        for (key, value) in entries {
            out.push(b',');
            push_json(&mut out, key.as_bytes(), Odd::Replaced);
            out.push(b':');
            facts::push_value(&mut out, value);
        }
    }
    out.extend_from_slice(b"}\n");
    Ok(to.write_all(&out)?)
}

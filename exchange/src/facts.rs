//! What is known of a sweep, a visit and an outcome, and whole rows, as JSON.

use crate::stored::Stored;
use crate::text::{Odd, push_json};
use herdiff_model::bundle::{Ending, HostEntry, Part};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::row::Row;
use serde_json::{Value, json};

/// Who, when, from where; and how the bundle ends.
pub(crate) fn sweep(stored: &Stored) -> Value {
    let facts = stored.facts();
    let (finished, interrupted, seal) = match stored.ending() {
        Ending::Whole { end, seal } => (Some(end.finished.0), Some(end.interrupted), Some(seal.to_string())),
        Ending::Open { .. } => (None, None, None),
    };
    let mut said = json!({
        "tool": facts.tool,
        "operator": facts.operator,
        "transport": facts.transport,
        "inventory": facts.inventory,
        "started_ms": facts.started.0,
        "finished_ms": finished,
        "interrupted": interrupted,
        "targets": facts.targets,
        "seal": seal,
    });
    if let (Value::Object(said), parts @ [_, ..]) = (&mut said, stored.parts()) {
        said.insert("parts".into(), parts.iter().map(part).collect());
    }
    said
}

/// One of the sweeps that were merged, or of the runs of a sweep that was gone on with.
fn part(part: &Part) -> Value {
    json!({
        "tool": part.facts.tool,
        "operator": part.facts.operator,
        "transport": part.facts.transport,
        "inventory": part.facts.inventory,
        "started_ms": part.facts.started.0,
        "finished_ms": part.end.map(|end| end.finished.0),
        "interrupted": part.end.map(|end| end.interrupted),
        "targets": part.facts.targets,
        "seal": part.seal.map(|seal| seal.to_string()),
    })
}

/// How a visit ended, with its receipt, and where there are parts which of them it is from.
pub(crate) fn visit(stored: &Stored, visit: &HostEntry) -> Value {
    let mut said = json!({
        "host": visit.host.as_str(),
        "herd": visit.herd.as_str(),
        "outcome": visit.outcome.kind.code(),
        "phase": visit.outcome.phase.map(|phase| phase.code()),
        "detail": visit.outcome.detail,
        "receipt": visit.receipt,
    });
    if let (Value::Object(said), [_, ..]) = (&mut said, stored.parts()) {
        said.insert("part".into(), visit.part.into());
    }
    said
}

/// How a query ended on one visit.
pub(crate) fn outcome(outcome: &QueryOutcome) -> Value {
    match outcome {
        QueryOutcome::Failed(failure) => json!({"outcome": failure.kind.code(), "detail": failure.detail}),
        QueryOutcome::Rows(rows) => {
            let mut said = json!({"outcome": "rows", "rows": rows.ids.len()});
            if let Value::Object(said) = &mut said {
                if !rows.unread.is_empty() {
                    said.insert("unread".into(), json!(rows.unread));
                }
                if let Some(cut) = &rows.cut {
                    said.insert("cut".into(), json!(cut));
                }
            }
            said
        }
    }
}

/// Appends a row as an object of strings.
pub(crate) fn push_row(out: &mut Vec<u8>, row: Row<'_>, odd: Odd) {
    out.push(b'{');
    for (place, (column, cell)) in row.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push_json(out, column.as_str().as_bytes(), odd);
        out.push(b':');
        push_json(out, cell, odd);
    }
    out.push(b'}');
}

/// Appends any value, with harmless strings.
pub(crate) fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => push_json(out, text.as_bytes(), Odd::Replaced),
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(entries) => {
            out.push(b'{');
            for (place, (key, item)) in entries.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_json(out, key.as_bytes(), Odd::Replaced);
                out.push(b':');
                push_value(out, item);
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.extend_from_slice(value.to_string().as_bytes())
        }
    }
}

//! The pack that the collector sends, with our one key.

use std::time::Duration;

use serde_json::Value;

/// A name and its statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) name: String,
    pub(super) sql: String,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) queries: Vec<Query>,
    pub(super) time: Option<Duration>,
    pub(super) max_rows: u64,
    pub(super) max_bytes: u64,
    /// The collector understands lines that are packed, and wants them.
    pub(super) packed: bool,
}

impl Request {
    /// Reads a pack; the comments that osquery allows in one are allowed here.
    pub(super) fn parse(pack: &[u8]) -> Result<Self, String> {
        let pack = without_comments(pack);
        let pack: Value =
            serde_json::from_slice(&pack).map_err(|error| format!("the pack is no JSON: {error}"))?;
        let named = pack.get("queries").and_then(Value::as_object).ok_or("the pack has no `queries`")?;
        let mut queries = Vec::with_capacity(named.len());
        for (name, query) in named {
            let sql = query.get("query").and_then(Value::as_str);
            let sql = sql.ok_or_else(|| format!("query `{name}` of the pack has no `query`"))?;
            queries.push(Query { name: name.clone(), sql: sql.to_owned() });
        }
        let ours = pack.get("herdiff");
        let number =
            |key: &str| ours.and_then(|ours| ours.get(key)).and_then(Value::as_u64).filter(|n| *n > 0);
        Ok(Request {
            queries,
            time: number("query_timeout_ms").map(Duration::from_millis),
            max_rows: number("max_rows").unwrap_or(u64::MAX),
            max_bytes: number("max_bytes").unwrap_or(u64::MAX),
            packed: ours.and_then(|ours| ours.get("compress")).is_some_and(|how| how == "lz4"),
        })
    }
}

/// Takes out lines that begin with `#` or `//`, and joins lines that end in a backslash.
fn without_comments(pack: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pack.len());
    for line in pack.split_inclusive(|byte| *byte == b'\n') {
        let trimmed = line.trim_ascii_start();
        if trimmed.starts_with(b"#") || trimmed.starts_with(b"//") {
            continue;
        }
        match line.trim_ascii_end().strip_suffix(b"\\") {
            Some(joined) => out.extend_from_slice(joined),
            None => out.extend_from_slice(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_keeps_its_order_and_may_have_comments() {
        let request = Request::parse(
            br#"
            // note
            # note
            {"queries":{"z":{"query":"select \
1","interval":60},"a":{"query":"select 2 -- x"}},
             "herdiff":{"query_timeout_ms":30000,"max_rows":7}}"#,
        )
        .unwrap();
        let names: Vec<_> = request.queries.iter().map(|query| query.name.as_str()).collect();
        assert_eq!(names, ["z", "a"]);
        assert_eq!(request.queries[0].sql, "select 1");
        assert_eq!(request.time, Some(Duration::from_secs(30)));
        assert_eq!((request.max_rows, request.max_bytes), (7, u64::MAX));
    }

    #[test]
    fn what_is_no_pack_is_refused_with_its_reason() {
        assert!(Request::parse(b"garbage").unwrap_err().contains("no JSON"));
        assert!(Request::parse(b"{}").unwrap_err().contains("queries"));
        assert!(Request::parse(br#"{"queries":{"a":{}}}"#).unwrap_err().contains("`a`"));
    }
}

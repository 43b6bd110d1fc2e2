//! What engines are asked: made once for a sweep, the same bytes for every host.

use super::Limits;
use super::sql::{Unfit, one_line};
use bytes::Bytes;
use herdiff_model::knowledge::tables_of;
use herdiff_model::outcome::QueryFailureKind;
use herdiff_model::pack::{Pack, Query};
use herdiff_model::visit::Answer;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The queries of a pack in the form of each engine.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How many queries the pack has, asked or not.
    queries: usize,
    /// The answers that are known without asking, by place in the pack.
    known: Vec<(usize, Answer)>,
    /// Where a query stands in the pack, by name.
    places: HashMap<String, usize>,
    /// For each statement that osqueryi is given: the query's place in the pack, and the tables it reads.
    statements: Vec<(usize, Vec<String>)>,
    /// The answers that are known without asking osqueryi, but not without asking the probe.
    unfit: Vec<(usize, Answer)>,
    mark: String,
    probe_input: Bytes,
    osqueryi_input: Bytes,
    /// Where each statement starts in it.
    starts: Vec<usize>,
}

impl Plan {
    pub(crate) fn new(pack: &Pack, limits: &Limits, query_timeout: Duration) -> Self {
        // Nothing that a host can know before: so it cannot print a mark of its own among rows.
        let mark = format!("herdiff-{:016x}-", RandomState::new().hash_one("mark"));
        let mut plan = Self {
            queries: pack.queries().len(),
            known: Vec::new(),
            places: HashMap::new(),
            statements: Vec::new(),
            unfit: Vec::new(),
            mark,
            probe_input: Bytes::new(),
            osqueryi_input: Bytes::new(),
            starts: Vec::new(),
        };
        let mut asked = Map::new();
        let mut lines = String::new();
        for (place, query) in pack.queries().iter().enumerate() {
            match statement(query) {
                Err(why) => plan.known.push((place, Answer::failed(QueryFailureKind::NotAsked, why))),
                Ok(sql) => {
                    plan.places.insert(query.name.to_string(), place);
                    asked.insert(query.name.to_string(), json!({ "query": sql }));
                    plan.add_statement(place, sql, &mut lines);
                }
            }
        }
        let request = json!({
            "queries": Value::Object(asked),
            "herdiff": {
                "query_timeout_ms": u64::try_from(query_timeout.as_millis()).unwrap_or(u64::MAX),
                "max_rows": limits.rows,
                "max_bytes": limits.answer_bytes,
                "compress": "lz4",
            },
        });
        plan.probe_input = format!("{request}\n").into();
        plan.osqueryi_input = lines.into();
        plan
    }

    fn add_statement(&mut self, place: usize, sql: &str, lines: &mut String) {
        match one_line(sql) {
            Ok(line) => {
                let number = self.statements.len();
                self.starts.push(lines.len());
                *lines += &format!("{line};\n.print {}{number}\n", self.mark);
                self.statements.push((place, tables_of(sql)));
            }
            Err(Unfit(why)) => {
                self.unfit.push((place, Answer::failed(QueryFailureKind::Unsupported, why)));
            }
        }
    }

    /// The line that the probe is sent.
    pub(crate) fn probe_input(&self) -> &Bytes {
        &self.probe_input
    }

    /// The lines that osqueryi is sent, from a statement on.
    pub(crate) fn osqueryi_input(&self, from: usize) -> Bytes {
        let start = self.starts.get(from).copied().unwrap_or(self.osqueryi_input.len());
        self.osqueryi_input.slice(start..)
    }

    /// Where a query stands in the pack.
    pub(crate) fn place(&self, query: &str) -> Option<usize> {
        self.places.get(query).copied()
    }

    /// The place in the pack and the tables of the `n`th statement that osqueryi is given.
    pub(crate) fn statement(&self, n: usize) -> Option<(usize, &[String])> {
        self.statements.get(n).map(|(place, tables)| (*place, tables.as_slice()))
    }

    /// How many statements osqueryi is given.
    pub(crate) fn statements(&self) -> usize {
        self.statements.len()
    }

    /// The number of the statement whose answer this line ends.
    pub(crate) fn read_mark(&self, line: &[u8]) -> Option<usize> {
        let number = line.strip_prefix(self.mark.as_bytes())?;
        let number = std::str::from_utf8(number).ok()?.trim_end().parse().ok()?;
        (number < self.statements.len()).then_some(number)
    }

    /// Puts the answers of an earlier osqueryi back: those to statements before this one.
    pub(crate) fn restore(&self, answers: &mut [Answer], earlier: Vec<Answer>, before: usize) {
        let places: Vec<usize> = self.statements.iter().take(before).map(|(place, _)| *place).collect();
        for (place, answer) in earlier.into_iter().enumerate().filter(|(place, _)| places.contains(place)) {
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
        }
    }

    /// The answers before any came.
    pub(crate) fn blank(&self, with_osqueryi: bool) -> Vec<Option<Answer>> {
        let mut answers: Vec<_> = std::iter::repeat_with(|| None).take(self.queries).collect();
        let unfit = self.unfit.iter().filter(|_| with_osqueryi);
        for (place, answer) in self.known.iter().chain(unfit) {
            if let Some(slot) = answers.get_mut(*place) {
                *slot = Some(answer.clone());
            }
        }
        answers
    }
}

/// The statement of a query, or why it is not asked on a host.
fn statement(query: &Query) -> Result<&str, &'static str> {
    if !query.for_linux {
        return Err("the pack asks it on other platforms only");
    }
    query.sql.as_deref().ok_or("the pack has no statement for it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(pack: &str) -> Plan {
        Plan::new(&Pack::parse(pack).unwrap(), &Limits::default(), Duration::from_secs(3))
    }

    #[test]
    fn each_engine_gets_the_queries_in_its_form() {
        let plan = plan(
            r#"{"queries":{"b":{"query":"SELECT 1; "},"mac":{"query":"x","platform":"darwin"},"a":{"query":"SELECT\n 2 -- two\n;"},"n":{}}}"#,
        );
        let mark = plan.mark.clone();
        assert_eq!(
            plan.osqueryi_input(0),
            format!("SELECT 1;\n.print {mark}0\nSELECT  2;\n.print {mark}1\n")
        );
        assert_eq!(plan.osqueryi_input(1), format!("SELECT  2;\n.print {mark}1\n"));
        assert!(plan.osqueryi_input(2).is_empty());
        let line = String::from_utf8(plan.probe_input().to_vec()).unwrap();
        assert!(line.starts_with(r#"{"queries":{"b":{"query":"SELECT 1; "},"a":{"#), "{line}");
        assert!(line.contains(r#""query_timeout_ms":3000"#), "{line}");
        assert_eq!(line.matches('\n').count(), 1, "one line");
        assert_eq!(plan.read_mark(format!("{mark}1").as_bytes()), Some(1));
        assert_eq!(plan.read_mark(format!("{mark}2").as_bytes()), None);
        let blank = plan.blank(false);
        assert_eq!(blank.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
    }

    #[test]
    fn marks_differ_from_sweep_to_sweep() {
        assert_ne!(plan(r#"{"queries":{}}"#).mark, plan(r#"{"queries":{}}"#).mark);
    }
}

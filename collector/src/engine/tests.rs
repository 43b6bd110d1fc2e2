//! Tests of both engines' output: what they print, and what a host could print in their place.

use super::output::EngineFacts;
use super::*;
use herdiff_model::outcome::QueryFailureKind as Kind;
use herdiff_model::pack::Pack;
use herdiff_model::visit::Answer;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const PACK: &str = r#"{"queries":{
    "users":{"query":"SELECT * FROM users"},
    "mac":{"query":"SELECT 1","platform":"darwin"},
    "procs":{"query":"SELECT * FROM processes"},
    "bad":{"query":"SELECT * FROM nowhere"}}}"#;

fn setup() -> (Arc<Plan>, Arc<Limits>) {
    let limits = Limits { answer_bytes: 2000, rows: 50, ..Limits::default() };
    let plan = Plan::new(&Pack::parse(PACK).unwrap(), &limits, Duration::from_secs(1));
    (Arc::new(plan), Arc::new(limits))
}

fn missing() -> Missing {
    Missing { first: Kind::Timeout, why: "gone".into() }
}

fn feed(output: &mut Output, bytes: &[u8]) -> Result<(), NotAnEngine> {
    Lines::new(2000).push(bytes, |line| output.line(line))
}

fn short(answers: &[Answer]) -> Vec<String> {
    let one = |answer: &Answer| match answer {
        Answer::Rows { batches, unread, cut } => format!(
            "{} rows{}{}",
            batches.iter().map(|batch| batch.len()).sum::<usize>(),
            if unread.is_empty() { "" } else { ", unread" },
            cut.as_deref().map(|cut| format!(", cut by {cut}")).unwrap_or_default()
        ),
        Answer::Failed(failure) => format!("{}: {}", failure.kind, failure.detail),
    };
    answers.iter().map(one).collect()
}

const HEADER: &str =
    r#"{"probe":"0.1.0","protocol":1,"arch":"x86_64","uid":1000,"root":"/srv/image","pid":7,"new":[{}]}"#;

fn probe(lines: &[&str]) -> Result<(Vec<String>, EngineFacts), NotAnEngine> {
    let (plan, limits) = setup();
    let mut output = Output::probe(plan, limits, Halt::default());
    feed(&mut output, (lines.join("\n") + "\n").as_bytes())?;
    let facts = output.facts();
    Ok((short(&output.finish(&missing())), facts))
}

#[test]
fn a_probe_answers_everything() {
    let (answers, facts) = probe(&[
        HEADER,
        r#"{"query":"users","columns":["uid","name"],"rows":[["0","root"],["1","\u0000"]],"unread":[{"what":"/x","why":"y","count":3}],"cut":null,"wall_us":1,"cpu_us":1}"#,
        r#"{"query":"procs","columns":["pid"],"rows":[["1"]],"unread":[],"cut":{"limit":"time"},"wall_us":1,"cpu_us":1}"#,
        r#"{"query":"bad","error":"no such table: nowhere","kind":"sql","wall_us":1,"cpu_us":1}"#,
        r#"{"end":1,"queries":3,"cpu_us":90000,"max_rss_kb":9000}"#,
    ])
    .unwrap();
    assert_eq!(
        answers,
        [
            "2 rows, unread",
            "not-asked: the pack asks it on other platforms only",
            "1 rows, cut by time",
            "error: no such table: nowhere"
        ]
    );
    assert_eq!(
        facts,
        EngineFacts {
            engine: "probe 0.1.0".into(),
            root: "/srv/image".into(),
            uid: Some(1000),
            cpu_us: 90000
        }
    );
}

#[test]
fn what_is_missing_or_malformed_is_that_query_s_failure() {
    let (answers, _) = probe(&[
        HEADER,
        r#"{"query":"procs","columns":["pid"],"rows":[["1"],["2","3"]]}"#,
        r#"{"query":"bad","rows":[["1"]],"columns":["pid"]}"#,
        "not JSON",
        r#"{"query":"never asked","error":""}"#,
        r#"{"end":1,"queries":3,"cpu_us":9,"max_rss_kb":9}"#,
    ])
    .unwrap();
    assert_eq!(answers[0], "malformed: the engine did not answer it, but printed \"not JSON\"");
    assert!(answers[2].starts_with("malformed: invalid length 2"), "{}", answers[2]);
    assert!(answers[3].starts_with("malformed: rows before their columns"), "{}", answers[3]);
}

#[test]
fn a_probe_that_dies_leaves_what_it_said() {
    let (answers, _) =
        probe(&[HEADER, r#"{"query":"users","columns":["a"],"rows":[]}"#, r#"{"query":"pro"#]).unwrap();
    assert_eq!(answers[0], "0 rows");
    assert_eq!((answers[2].as_str(), answers[3].as_str()), ("timeout: gone", "not-run: gone"));
}

#[test]
fn an_answer_over_the_limit_costs_only_itself() {
    let long = format!(r#"{{"query":"users","columns":["a"],"rows":[["{}"]]}}"#, "x".repeat(3000));
    let rows = (0..60).map(|n| format!("[\"{n}\"]")).collect::<Vec<_>>().join(",");
    let many = format!(r#"{{"query":"procs","columns":["a"],"rows":[{rows}]}}"#);
    let (answers, _) = probe(&[HEADER, &long, &many, r#"{"end":1}"#]).unwrap();
    assert_eq!(answers[0], "output-limit: the answer is longer than 2000 bytes");
    assert_eq!(answers[2], "50 rows, cut by rows");
}

#[test]
fn what_is_no_probe_is_told_at_once() {
    for line in ["Welcome to web-07", "{}", r#"{"query":"users","columns":[],"rows":[]}"#] {
        assert!(probe(&[line, HEADER]).unwrap_err().0.contains("expected the probe's first line"), "{line}");
    }
    let newer = HEADER.replace("\"protocol\":1", "\"protocol\":2");
    assert!(probe(&[&newer]).unwrap_err().0.contains("speaks protocol 2"));
}

fn marks(plan: &Plan) -> [String; 3] {
    let input = String::from_utf8(plan.osqueryi_input(0).to_vec()).unwrap();
    let marks: Vec<_> =
        input.lines().filter_map(|line| line.strip_prefix(".print ")).map(str::to_owned).collect();
    marks.try_into().unwrap()
}

fn osqueryi(uid: u32, print: impl Fn([String; 3]) -> String, stderr: &[&str]) -> Vec<String> {
    let (plan, limits) = setup();
    let printed = print(marks(&plan));
    let mut output = Output::osqueryi(plan, limits, Halt::default(), Some(uid), 0);
    feed(&mut output, printed.as_bytes()).unwrap();
    stderr.iter().for_each(|line| output.stderr_line(line.as_bytes()));
    short(&output.finish(&missing()))
}

#[test]
fn osqueryi_answers_everything() {
    let print = |[a, b, c]: [String; 3]| {
        format!(
            "[\n  {{\"a\":\"1\"}},\n  {{\"a\":\"2\"}}\n]\n{a}\n[\n  {{\"pid\":\"1\"}}\n]\n{b}\n[\n\n]\n{c}\n"
        )
    };
    let stderr = ["W1121 02:11:00 x.cpp:1] odd", "Error: near line 5: no such table: nowhere"];
    let answers = osqueryi(0, print, &stderr);
    assert_eq!(answers[0], "2 rows");
    assert_eq!(answers[2], "1 rows");
    assert_eq!(answers[3], "error: no such table: nowhere");
    assert_eq!(osqueryi(1000, print, &stderr)[2], "1 rows, unread", "it was not root");
}

#[test]
fn an_error_of_osqueryi_that_names_no_line_makes_bare_answers_unknown() {
    let print = |[a, b, c]: [String; 3]| format!("[\n  {{\"a\":\"1\"}}\n]\n{a}\n[\n\n]\n{b}\n[\n\n]\n{c}\n");
    let answers = osqueryi(0, print, &["Error: not authorized"]);
    assert_eq!((answers[0].as_str(), answers[2].as_str()), ("1 rows", "error: not authorized"));
}

#[test]
fn osqueryi_that_dies_or_skips_leaves_what_it_said() {
    let answers = osqueryi(0, |[a, ..]| format!("[\n\n]\n{a}\n[\n  {{\"a\":\"1\"}}"), &[]);
    assert_eq!(answers[0], "0 rows");
    assert_eq!((answers[2].as_str(), answers[3].as_str()), ("timeout: gone", "not-run: gone"));
    let answers = osqueryi(0, |[_, b, c]| format!("{b}\n[\n\n]\n{c}\n"), &[]);
    assert_eq!(answers[0], "malformed: the engine did not answer it");
    assert_eq!(answers[2], "malformed: osqueryi printed nothing for it");
    let answers = osqueryi(0, |[a, b, c]| format!("[{}]\n{a}\n[]\n{b}\n[]\n{c}\n", " \n".repeat(2000)), &[]);
    assert!(answers[0].starts_with("output-limit"), "{}", answers[0]);
    assert_eq!(answers[2], "0 rows");
}

/// A whole conversation of either engine, to be damaged.
fn sample(osqueryi: bool, plan: &Plan) -> Vec<u8> {
    if osqueryi {
        let [a, b, c] = marks(plan);
        format!("[\n  {{\"a\":\"1\",\"b\":\"x\"}}\n]\n{a}\n[\n\n]\n{b}\n[\n  {{\"z\":\"\\u0000\"}}\n]\n{c}\n")
            .into_bytes()
    } else {
        format!(
            "{HEADER}\n{}\n{}\n{}\n",
            r#"{"query":"users","columns":["a","b"],"rows":[["1","2"]],"unread":[],"cut":null}"#,
            r#"{"query":"bad","error":"e","kind":"sql"}"#,
            r#"{"end":1}"#
        )
        .into_bytes()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn however_output_is_damaged_every_query_has_one_answer(
        osqueryi: bool,
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..5, any::<u8>()), 0..12),
        chunk in 1usize..200,
    ) {
        let (plan, limits) = setup();
        let mut bytes = sample(osqueryi, &plan);
        for (index, edit, byte) in edits {
            let at = index.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match edit {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                3 => bytes.truncate(at),
                _ => { let part = bytes[at..(at + 30).min(bytes.len())].to_vec(); bytes.splice(at..at, part); }
            }
        }
        let mut output = if osqueryi {
            Output::osqueryi(plan, limits, Halt::default(), None, 0)
        } else {
            Output::probe(plan, limits, Halt::default())
        };
        let mut lines = Lines::new(2000);
        for chunk in bytes.chunks(chunk) {
            if lines.push(chunk, |line| output.line(line)).is_err() {
                break;
            }
        }
        output.stderr_line(&bytes);
        prop_assert_eq!(output.finish(&missing()).len(), 4);
    }
}

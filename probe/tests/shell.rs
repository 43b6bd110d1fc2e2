//! The command line where clients of osqueryi use it, and the limits of a sweep.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn probe(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn sweep(pack: &str) -> Vec<Value> {
    let output = probe(&["--sweep"], pack);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_statement_on_standard_input_has_its_own_array() {
    let input = "select 1 as a;\n.print mark-7\nselect 2 as b; select 3 as b;\nselec;\nselect 4\n as c;\nselect 5 as d";
    let output = probe(&["--json"], input);
    let expected = "[\n  {\"a\":\"1\"}\n]\nmark-7\n[\n  {\"b\":\"2\"},\n  {\"b\":\"3\"}\n]\n[\n\n]\n\
                    [\n  {\"c\":\"4\"}\n]\n[\n  {\"d\":\"5\"}\n]\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "Error: near line 4: near \"selec\": syntax error\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn flags_of_osqueryi_are_taken_and_unknown_ones_refused() {
    let flags =
        ["--flagfile=/dev/null", "--config_path=/dev/null", "--disable_database", "--disable_extensions"];
    let mut arguments = flags.to_vec();
    arguments.extend(["--disable_events", "--json", "select 'x' as a"]);
    assert_eq!(text(&probe(&arguments, "").stdout), "[\n  {\"a\":\"x\"}\n]\n");
    let refused = probe(&["--nonsense"], "");
    assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(1), ""));
    assert!(text(&refused.stderr).contains("nonsense"));
}

#[test]
fn what_was_not_read_is_said_without_bytes_that_steer_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("etc/cron.d")).unwrap();
    let trap = dir.path().join("etc/cron.d/\u{1b}[2Jx");
    assert!(Command::new("mkfifo").arg(trap).status().unwrap().success());
    let output = probe(&["--root", dir.path().to_str().unwrap(), "--json", "select * from crontab"], "");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "[\n\n]\n"));
    let warning = "W not read: /etc/cron.d/\\x1b[2Jx: not a regular file (1 times)\n";
    assert_eq!(text(&output.stderr), warning);
}

#[test]
fn other_formats() {
    let csv = probe(&["--csv", "select 'a|b' as x, 'c \"d' as y, null as z"], "");
    assert_eq!(text(&csv.stdout), "x|y|z\n\"a|b\"|\"c \"\"d\"|\n");
    let line = probe(&["--line", "select 1 as a, 2 as bcd"], "");
    assert_eq!(text(&line.stdout), "  a = 1\nbcd = 2\n");
}

#[test]
fn a_full_disk_is_no_success() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .args(["--json", "select 1"])
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
}

#[test]
fn a_sweep_keeps_its_limits_and_says_so() {
    let forever = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)";
    let pack = format!(
        r#"{{"queries":{{
            "silent":{{"query":"{forever} SELECT count(*) FROM c"}},
            "slow":{{"query":"{forever} SELECT x FROM c WHERE x % 100000 = 1"}},
            "many":{{"query":"{forever} SELECT x FROM c"}},
            "fine":{{"query":"SELECT 1 AS a, 2 AS b, 3 AS a"}},
            "none":{{"query":"SELECT * FROM nowhere"}},
            "bare":{{"query":"SELECT * FROM file"}},
            "breaks":{{"query":"{forever} SELECT CASE WHEN x = 3 THEN json('{{') ELSE x END AS v FROM c"}}
        }},"herdiff":{{"query_timeout_ms":200,"max_rows":1000}}}}"#
    );
    let lines = sweep(&pack);
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[0]["protocol"], 1);
    assert_eq!((&lines[1]["kind"], &lines[1]["query"]), (&Value::from("timeout"), &Value::from("silent")));
    assert_eq!(lines[2]["cut"]["limit"], "time");
    assert_eq!(lines[2]["rows"][0][0], "1");
    assert_eq!(lines[3]["cut"]["limit"], "rows");
    assert_eq!(lines[3]["rows"].as_array().unwrap().len(), 1000);
    assert_eq!(lines[4]["columns"], serde_json::json!(["a", "b"]));
    assert_eq!(lines[4]["rows"], serde_json::json!([["3", "2"]]));
    assert_eq!(lines[4]["cut"], Value::Null);
    assert_eq!((&lines[5]["kind"], &lines[6]["kind"]), (&Value::from("sql"), &Value::from("constraint")));
    // An error after the first rows loses neither them nor the reason.
    assert_eq!(lines[7]["rows"], serde_json::json!([["1"], ["2"]]));
    assert_eq!(lines[7]["unread"][0]["why"], "malformed JSON");
    assert_eq!(lines[8]["queries"], 7);
    assert!(lines[8]["max_rss_kb"].as_u64().unwrap() > 0);
}

#[test]
fn a_sweep_stops_at_its_bytes() {
    let lines = sweep(
        r#"{"queries":{"big":{"query":"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) \
            SELECT hex(zeroblob(500)) AS z FROM c"}},"herdiff":{"max_bytes":200000}}"#,
    );
    assert_eq!(lines[1]["cut"]["limit"], "bytes");
    let rows = lines[1]["rows"].as_array().unwrap().len();
    assert!((150..=200).contains(&rows), "{rows}");
}

#[test]
fn garbage_is_no_pack() {
    let output = probe(&["--sweep"], "garbage");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
}

/// The plain lines of a packed sweep.
fn unpacked(output: &[u8]) -> String {
    let mut plain = Vec::new();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let said: Value = serde_json::from_slice(line).unwrap();
        match said["lz4"].as_str() {
            Some(packed) => {
                let packed = herdiff_sql::from_base64(packed.as_bytes()).unwrap();
                let length = usize::try_from(said["bytes"].as_u64().unwrap()).unwrap();
                assert!(length <= 64 << 10);
                plain.extend(lz4_flex::block::decompress(&packed, length).unwrap());
            }
            None => plain.extend_from_slice(line),
        }
    }
    String::from_utf8(plain).unwrap()
}

#[test]
fn a_packed_sweep_says_the_same_in_less() {
    let queries = r#"{"many":{"query":"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) SELECT x, 'the same' AS w FROM c"},
                      "one":{"query":"SELECT 1 AS x"},"bad":{"query":"SELECT"}}"#;
    let plain = probe(&["--sweep"], &format!("{{\"queries\":{queries}}}"));
    let packed =
        probe(&["--sweep"], &format!("{{\"queries\":{queries},\"herdiff\":{{\"compress\":\"lz4\"}}}}"));
    assert!(packed.status.success());
    assert!(packed.stdout.len() * 3 < plain.stdout.len(), "{} {}", packed.stdout.len(), plain.stdout.len());
    let without_costs = |text: &str| -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let kept = |mut line: Value| {
            for cost in ["wall_us", "cpu_us", "max_rss_kb", "pid"] {
                line.as_object_mut().unwrap().remove(cost);
            }
            line
        };
        lines.map(kept).collect()
    };
    assert_eq!(without_costs(&unpacked(&packed.stdout)), without_costs(&text(&plain.stdout)));
    // What would only become longer is not packed.
    assert!(text(&packed.stdout).contains("{\"query\":\"one\""));
}

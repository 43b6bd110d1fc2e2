//! The packs that come with the tool, asked of the probe: a column or table that it does not know would be found here.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// An empty root answers in no time; what is checked is that every statement is understood.
fn answers(pack: &str) -> Vec<Value> {
    let root = tempfile::tempdir().unwrap();
    let mut probe = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .args(["--sweep", "--root"])
        .arg(root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = pack.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    writeln!(probe.stdin.take().unwrap(), "{lines}").unwrap();
    let output = probe.wait_with_output().unwrap();
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_statement_of_our_packs_is_understood() {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/packs");
    let mut asked = 0;
    for file in std::fs::read_dir(packs).unwrap() {
        let file = file.unwrap().path();
        let answers = answers(&std::fs::read_to_string(&file).unwrap());
        for answer in answers.iter().filter(|answer| answer.get("query").is_some()) {
            asked += 1;
            let name = answer["query"].as_str().unwrap();
            let error = answer["error"].as_str().unwrap_or_default();
            let misunderstood = ["no such", "syntax", "near", "required", "ambiguous"];
            assert!(!misunderstood.iter().any(|word| error.contains(word)), "{file:?} {name}: {error}");
            assert!(answer.get("rows").is_some() || !error.is_empty(), "{file:?} {name}: {answer}");
        }
    }
    assert!(asked > 50, "only {asked} statements were asked");
}

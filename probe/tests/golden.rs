//! The probe against the answers of the genuine osqueryi 5.23.1 to the same queries over the same tree.
//!
//! The tree has owners, setuid bits and names that are not UTF-8, so unpacking it needs root: for other users this test
//! says that nothing was tested, and with `CI` in the environment it fails. Rows are compared as multisets unless the SQL says ORDER BY; columns that depend on
//! the machine are left out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value};

/// Queries whose answer is not osqueryi's, because more is seen or because it is wrong there; `docs/TABLES.md` has
/// the reasons.
const DIFFERENT: [&str; 6] = [
    "authorized_keys_joined",
    "authorized_keys_types",
    "dns_resolvers",
    "logged_in_users",
    "startup_items",
    "sudoers",
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn unpacked() -> Option<tempfile::TempDir> {
    if !rustix::process::geteuid().is_root() {
        let missing = "the golden tree cannot be unpacked with its owners: run this test as root";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        // Past the test's own capture of output.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
        return None;
    }
    let tree = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar")
        .args(["-xpz", "--numeric-owner", "-f"])
        .arg(data().join("root.tar.gz"))
        .arg("-C")
        .arg(tree.path())
        .status()
        .unwrap();
    assert!(unpacked.success(), "tar cannot unpack the golden tree");
    Some(tree)
}

fn probe(root: &Path, sql: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_herdiff-probe"))
        .arg("--root")
        .arg(root)
        .args(["--json", sql])
        .env_clear()
        .output()
        .unwrap()
}

/// Rows as text that can be compared, without what depends on the machine.
fn rows(json: &[u8], sql: &str) -> Vec<String> {
    // Bytes that are no UTF-8 are kept apart: each becomes a letter of its own that nothing else uses.
    let text: String = json
        .utf8_chunks()
        .flat_map(|chunk| {
            let odd = chunk.invalid().iter().map(|byte| char::from_u32(0xf_0000 + u32::from(*byte)).unwrap());
            chunk.valid().chars().chain(odd).collect::<Vec<_>>()
        })
        .collect();
    let parsed: Vec<Map<String, Value>> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let mut rows: Vec<String> = parsed
        .into_iter()
        .map(|row| {
            let mut row: BTreeMap<String, Value> = row.into_iter().collect();
            if sql.contains(" file") {
                for machine in ["inode", "atime", "ctime", "block_size"] {
                    row.remove(machine);
                }
                if row.get("type").is_some_and(|kind| kind == "directory") {
                    row.remove("size");
                }
            }
            if sql.contains("os_version") {
                row.remove("arch");
            }
            serde_json::to_string(&row).unwrap()
        })
        .collect();
    if !sql.to_ascii_lowercase().contains("order by") {
        rows.sort();
    }
    rows
}

/// The exit status and the `Error:` lines that osqueryi gave.
fn expected_error(name: &str) -> (i32, Vec<String>) {
    let path = data().join(format!("expected/{name}.err.json"));
    let Ok(content) = std::fs::read(path) else { return (0, Vec::new()) };
    let error: Value = serde_json::from_slice(&content).unwrap();
    let exit = error["exit"].as_i64().unwrap();
    (i32::try_from(exit).unwrap(), error_lines(error["stderr"].as_str().unwrap()))
}

fn error_lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with("Error")).map(str::to_owned).collect()
}

/// What is wrong with the answer, if anything.
fn difference(root: &Path, name: &str, sql: &str) -> Option<String> {
    let expected = std::fs::read(data().join(format!("expected/{name}.json"))).unwrap();
    let answer = probe(root, sql);
    let (want, got) = (rows(&expected, sql), rows(&answer.stdout, sql));
    let mut report = String::new();
    for row in want.iter().filter(|row| !got.contains(row)).take(3) {
        report.push_str(&format!("    - {row}\n"));
    }
    for row in got.iter().filter(|row| !want.contains(row)).take(3) {
        report.push_str(&format!("    + {row}\n"));
    }
    if report.is_empty() && want != got {
        report.push_str(&format!("    order or number: {} instead of {} rows\n", got.len(), want.len()));
    }
    let errors = (answer.status.code().unwrap_or(-1), error_lines(&String::from_utf8_lossy(&answer.stderr)));
    let expected_errors = expected_error(name);
    if errors != expected_errors {
        report.push_str(&format!("    {errors:?} instead of {expected_errors:?}\n"));
    }
    (!report.is_empty()).then(|| format!("{name}: {sql}\n{report}"))
}

#[test]
fn answers_are_those_of_the_genuine_osqueryi() {
    let Some(tree) = unpacked() else { return };
    let queries: Map<String, Value> =
        serde_json::from_slice(&std::fs::read(data().join("queries.json")).unwrap()).unwrap();
    let mut different = Vec::new();
    let mut report = String::new();
    for (name, sql) in &queries {
        if let Some(text) = difference(tree.path(), name, sql.as_str().unwrap()) {
            different.push(name.as_str());
            if !DIFFERENT.contains(&name.as_str()) {
                report.push_str(&text);
            }
        }
    }
    assert!(report.is_empty(), "{} of {} differ\n{report}", different.len(), queries.len());
    for name in DIFFERENT {
        assert!(different.contains(&name), "{name} is equal by now: take it off the list");
    }
    assert!(different.len() * 20 <= queries.len(), "fewer than 95 % are equal");
}

/// Names, order and types of the columns that `*` shows, of every table that osquery has as well.
#[test]
fn tables_have_the_columns_of_osquery() {
    let spec: Map<String, Value> =
        serde_json::from_slice(&std::fs::read(data().join("columns.json")).unwrap()).unwrap();
    assert!(spec.len() >= 64, "{}", spec.len());
    for (table, columns) in &spec {
        let sql =
            format!("SELECT name, type FROM pragma_table_xinfo('{table}') WHERE hidden = 0 ORDER BY cid");
        let output =
            Command::new(env!("CARGO_BIN_EXE_herdiff-probe")).args(["--json", &sql]).output().unwrap();
        let ours: Vec<Map<String, Value>> = serde_json::from_slice(&output.stdout).unwrap();
        let ours: Vec<_> =
            ours.iter().map(|row| (row["name"].as_str().unwrap(), row["type"].clone())).collect();
        let theirs: Vec<_> =
            columns.as_object().unwrap().iter().map(|(name, kind)| (name.as_str(), kind.clone())).collect();
        assert_eq!(ours, theirs, "{table}");
    }
}

//! A host made of plain files, and the probe that looks at it.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn link(root: &Path, path: &str, target: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

pub(crate) fn probe(root: &Path, sql: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdiff-probe"));
    command.env("HERDIFF_PROBE_ROOT", root).args(["--json", sql]).output().unwrap()
}

/// The rows, and what was said on standard error.
pub(crate) fn answer(root: &Path, sql: &str) -> (Vec<Value>, String) {
    let output = probe(root, sql);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{sql}: {errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{sql}: {error}: {text}")), errors)
}

pub(crate) fn rows(root: &Path, sql: &str) -> Vec<Value> {
    answer(root, sql).0
}

/// Says that something is missing, past the test's own capture of output; with `CI` set that is a failure.
pub(crate) fn not_tested(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("NOT TESTED: {missing}\n").as_bytes());
}

/// Whether a program is in one of the usual places.
pub(crate) fn there(tool: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|place| Path::new(place).join(tool).exists())
}

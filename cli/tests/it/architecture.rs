//! Rules of the workspace, as executable guards: which crate may use which, and under which licences.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// For each crate of ours, what it may use: of ours, and of the families that only some may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("herdiff-model", &["bincode", "zstd"]),
    ("herdiff-sql", &["rusqlite"]),
    ("herdiff-probe", &["herdiff-sql", "rusqlite"]),
    ("herdiff-collector", &["herdiff-model", "russh", "tokio", "tokio-util", "futures"]),
    ("herdiff-differ", &["herdiff-model"]),
    ("herdiff-exchange", &["herdiff-model", "herdiff-sql", "rusqlite"]),
    ("herdiff-envelope", &["age"]),
    (
        "herdiff-aws",
        &[
            "herdiff-model",
            "herdiff-collector",
            "aws-config",
            "aws-credential-types",
            "aws-sigv4",
            "aws-smithy-async",
            "aws-smithy-http-client",
            "aws-smithy-runtime-api",
            "aws-smithy-types",
            "object_store",
            "tokio",
            "tokio-util",
            "futures",
        ],
    ),
    (
        "herdiff",
        &[
            "herdiff-model",
            "herdiff-collector",
            "herdiff-differ",
            "herdiff-exchange",
            "herdiff-envelope",
            "herdiff-aws",
            "clap",
            "indicatif",
            "tokio",
            "tokio-util",
            "futures",
        ],
    ),
    (
        "herdiff-testbed",
        &[
            "herdiff-model",
            "herdiff-collector",
            "herdiff-differ",
            "herdiff",
            "herdiff-probe",
            "herdiff-aws",
            "clap",
            "russh",
            "tokio",
            "tokio-util",
            "futures",
        ],
    ),
];

/// Whether a crate may only be used where [`ALLOWED`] says so: each that is named there at all.
fn is_guarded(name: &str) -> bool {
    ALLOWED.iter().any(|(_, allowed)| allowed.contains(&name))
}

#[test]
fn arrows_between_crates_point_one_way() {
    let metadata = metadata(&["--no-deps"]);
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} is new: give it a place"));
        seen.insert(name);
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            let for_tests = dependency["kind"] == "dev";
            let guarded = used.starts_with("herdiff") || (is_guarded(used) && !for_tests);
            assert!(!guarded || allowed.contains(&used), "{name} must not use {used}");
        }
    }
    assert_eq!(seen.len(), ALLOWED.len());
}

#[test]
fn bincode_has_one_door() {
    let naming: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.contains("bincode::")).map(|(path, _)| path).collect();
    assert_eq!(naming, ["model/src/bundle/codec.rs"]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert_eq!(silent, [] as [&str; 0]);
}

/// Every Rust file of the workspace but this one, by path from the root.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut directories: Vec<PathBuf> =
        ["model", "sql", "probe", "collector", "differ", "exchange", "envelope", "aws", "cli", "testbed"]
            .iter()
            .map(|name| root().join(name))
            .collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("it/architecture.rs")
            {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                sources.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

#[test]
fn every_dependency_has_a_licence_that_fits() {
    const FITTING: &[&str] = &[
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "MIT",
        "MIT-0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "CC0-1.0",
        "Unlicense",
        "0BSD",
        "BSL-1.0",
    ];
    let fits = |licence: &str| {
        // A choice fits when one side does, a conjunction when all do; none of ours nests deeper.
        let clean = licence.replace(['(', ')'], "").replace('/', " OR ");
        clean.split(" OR ").any(|side| side.split(" AND ").all(|one| FITTING.contains(&one.trim())))
    };
    assert!(!fits("GPL-3.0-only") && fits("MIT OR GPL-2.0") && !fits("MIT AND MPL-2.0"));
    let metadata = metadata(&[]);
    let mut odd = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or("none");
        if !fits(licence) {
            odd.push(format!("{}: {licence}", package["name"]));
        }
    }
    assert_eq!(odd, [] as [String; 0]);
    let elsewhere =
        metadata["packages"].as_array().unwrap().iter().filter(|package| {
            package["source"].as_str().is_some_and(|source| !source.starts_with("registry+"))
        });
    assert_eq!(elsewhere.count(), 0, "every dependency comes from the registry");
}

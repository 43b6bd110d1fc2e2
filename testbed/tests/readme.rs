//! Every `herdiff` command that the README shows is run here, in its order, against a served fleet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its ground is missing")]

mod common;

use common::{TESTBED, herdiff};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The fleet, ended with the test.
struct Fleet(Child);

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn serve(place: &Path) -> Fleet {
    let mut child = Command::new(TESTBED)
        .args(["up", "--hosts", "5", "--attack", "web-03=backdoor-account", "--dir", "fleet"])
        .current_dir(place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.any(|line| line.unwrap().contains("ssh config"));
    assert!(ready, "the fleet did not come up");
    // Its output goes on to be read, so that it never stops at a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Fleet(child)
}

/// A line as a shell takes it apart: words, some in double quotes, and the home directory's tilde.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (place, part) in line.split('"').enumerate() {
        match place % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(|word| word.replace("~/", ""))),
        }
    }
    words
}

/// The lines of the README's shell blocks that run `herdiff`, without their comments.
fn commands() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let text = fs::read_to_string(readme).unwrap();
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && line.starts_with("herdiff ") => {
                commands.push(line.split('#').next().unwrap().trim().to_owned());
            }
            _ => {}
        }
    }
    commands
}

#[test]
fn every_command_of_the_readme_works() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let _fleet = serve(place.path());
    // The operator of the README: keys and known hosts where OpenSSH has them, an inventory, a golden host, saved output.
    fs::create_dir(at(".ssh")).unwrap();
    fs::rename(at("fleet/id_ed25519"), at(".ssh/id_ed25519")).unwrap();
    fs::rename(at("fleet/known_hosts"), at(".ssh/known_hosts")).unwrap();
    fs::rename(at("fleet/inventory.ini"), at("fleet.ini")).unwrap();
    let run = |line: &str| {
        let mut words = words(line).into_iter();
        assert_eq!(words.next().as_deref(), Some("herdiff"));
        let output = Command::new(herdiff())
            .args(words)
            .current_dir(place.path())
            .env("HOME", place.path())
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let prepared = run("herdiff collect -i fleet.ini -l web-01 -o golden.herd");
    assert_eq!(prepared.0, Some(0), "{prepared:?}");
    let generated = Command::new(TESTBED)
        .args(["generate", "--hosts", "4", "--rows", "500", "saved"])
        .current_dir(place.path())
        .output();
    assert!(generated.unwrap().status.success());

    let commands = commands();
    let verbs: Vec<_> = commands.iter().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(
        verbs,
        [
            "collect", "outliers", "diff", "baseline", "baseline", "scope", "show", "query", "export",
            "sign", "import", "merge", "verify", "pack", "pack"
        ]
    );
    for line in &commands {
        let (code, said, complained) = run(line);
        assert!(matches!(code, Some(0 | 1)), "{line}: {code:?}\n{said}\n{complained}");
        let expected = match line.split_whitespace().nth(1).unwrap() {
            "collect" => "5 hosts: 5 ok",
            "outliers" | "diff" => "user sysbackup (uid 0)",
            "baseline" => "(1 host)",
            "scope" => "1 host has it of 5",
            "show" => "crontab: ",
            "query" => "sysbackup",
            "export" => "exported  today.parquet.d",
            "sign" => "signature  today.herd.sig",
            "import" => "4 hosts: 4 ok",
            "merge" => "6 snapshots of 2 bundles",
            "verify" => "web-03: proven",
            "pack" => "SELECT",
            other => panic!("{other} has no check yet"),
        };
        assert!(said.contains(expected), "{line}: {said}\n{complained}");
    }
}

//! What the tests share: the programs, a place to run them in, fleets that are taken away however a test ends, and patience.
//!
//! The machine that runs these tests may be busy. So nothing here has to happen within a second: what is waited for has
//! [`PATIENCE`], and a sweep gets [`PATIENT`] limits unless a test is about a limit.

#![allow(dead_code, reason = "each test takes what it needs")]

use herdiff_model::outcome::HostOutcomeKind;
use herdiff_testbed::fault::Fault;
use herdiff_testbed::fleet::FleetPlan;
use herdiff_testbed::generate::triage_pack;
use herdiff_testbed::ground::{self, Trees};
use herdiff_testbed::serve::Farm;
use herdiff_testbed::site::Site;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const TESTBED: &str = env!("CARGO_BIN_EXE_herdiff-testbed");
/// How long something may take that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Limits that nothing which ends by itself runs into, on however busy a machine.
pub(crate) const PATIENT: &[&str] =
    &["--connect-timeout", "120", "--query-timeout", "200", "--host-timeout", "600"];

/// The real command, which `cargo test --workspace` builds beside the test bed's.
pub(crate) fn herdiff() -> PathBuf {
    let path = Path::new(TESTBED).with_file_name("herdiff");
    assert!(path.exists(), "{} is not there: run the tests of the whole workspace", path.display());
    path
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says that something is not tested, past the test's own capture of output; with `CI` in the environment it fails.
pub(crate) fn not_tested(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    say_untested(missing);
}

pub(crate) fn say_untested(missing: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
}

pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Waits for something that has to become true.
pub(crate) fn becomes_true(what: &str, mut test: impl FnMut() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A directory in memory where that can be had: trees are many tiny files.
pub(crate) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A directory in which commands are run, with no agent of whoever runs the tests.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, program: impl AsRef<OsStr>, words: &[&str]) -> Output {
        self.command(program, words).output().unwrap()
    }

    pub(crate) fn herdiff(&self, words: &[&str]) -> Output {
        self.run(herdiff(), words)
    }

    /// A sweep of the fleet in `fleet`, with patient limits; what is given is for options that have none there.
    pub(crate) fn collect(&self, bundle: &str, more: &[&str]) -> Output {
        self.sweep(bundle, &[PATIENT, &["--forks", "16"], more].concat()).output().unwrap()
    }

    /// A sweep of the fleet in `fleet` with limits of the test's own, not started yet.
    pub(crate) fn sweep(&self, bundle: &str, more: &[&str]) -> Command {
        let words = ["collect", "-q", "-i", "fleet/inventory.ini", "-F", "fleet/ssh_config", "-o", bundle];
        self.command(herdiff(), &[&words[..], more].concat())
    }

    /// What a command of `herdiff` says with one JSON object a line.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<Value> {
        let output = self.herdiff(&[words, &["--format", "ndjson"]].concat());
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every host's outcome in a bundle.
    pub(crate) fn outcomes(&self, bundle: &str) -> BTreeMap<String, String> {
        let hosts = self.lines(&["show", bundle, "--hosts"]);
        let word = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        hosts.iter().map(|line| (word(line, "host"), word(line, "outcome"))).collect()
    }

    /// The first host of every finding, best first.
    pub(crate) fn findings(&self, bundle: &str, least: &str) -> Vec<String> {
        let findings = self.lines(&["outliers", bundle, "--min-score", least]);
        findings.iter().map(|finding| finding["host"].as_str().unwrap().to_owned()).collect()
    }
}

/// A fleet in the background, in the directory `fleet` of its place.
pub(crate) struct Fleet(pub(crate) Place);

impl std::ops::Deref for Fleet {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Fleet {
    pub(crate) fn up(form: &str, more: &[&str]) -> Self {
        let fleet = Self(Place::new());
        let words = ["up", "--form", form, "-d", "--dir", "fleet"];
        let output = fleet.run(TESTBED, &[&words[..], more].concat());
        assert!(output.status.success(), "{output:?}");
        fleet
    }

    pub(crate) fn testbed(&self, words: &[&str]) -> String {
        let output = self.run(TESTBED, &[words, &["--dir", "fleet"]].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout)
    }

    pub(crate) fn ssh(&self, words: &[&str]) -> Output {
        self.run("ssh", &[&["-F", "fleet/ssh_config", "-o", "BatchMode=yes"], words].concat())
    }

    /// What the directory remembers of it.
    pub(crate) fn state(&self) -> Value {
        let state = std::fs::read_to_string(self.path("fleet/fleet.json")).unwrap();
        serde_json::from_str(&state).unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.path("fleet/fleet.json").exists() {
            self.run(TESTBED, &["down", "--dir", "fleet"]);
        }
    }
}

/// A fleet that is served by this process, in which hosts misbehave from the beginning.
pub(crate) struct Served {
    pub(crate) place: Place,
    pub(crate) trees: Trees,
    pub(crate) site: Site,
    runtime: Runtime,
    farm: Option<Farm>,
    _memory: TempDir,
}

impl Served {
    pub(crate) fn new(hosts: u32, faults: &BTreeMap<String, Fault>) -> Self {
        let fleet = herdiff_testbed::fleet::Fleet::grow(&FleetPlan { hosts, ..FleetPlan::default() });
        let (place, memory) = (Place::new(), in_memory());
        let site = Site::open(&place.path("fleet")).unwrap();
        let trees = Trees::write(&fleet, memory.path()).unwrap();
        let runtime = Runtime::new().unwrap();
        let farm = runtime.block_on(ground::serve(&fleet, &trees, faults, &site)).unwrap();
        Self { place, trees, site, runtime, farm: Some(farm), _memory: memory }
    }

    pub(crate) fn farm(&self) -> &Farm {
        self.farm.as_ref().unwrap()
    }

    pub(crate) fn stop(&mut self) {
        if let Some(farm) = self.farm.take() {
            self.runtime.block_on(farm.stop());
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The usual pack with the two that go further, without some of their queries.
pub(crate) fn thorough_pack(without: &[&str]) -> String {
    let mut queries: Map<String, Value> = Map::new();
    for text in [
        triage_pack().unwrap().as_str(),
        include_str!("../../data/survey.conf"),
        include_str!("../../data/hunt.conf"),
    ] {
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let pack: Value = serde_json::from_str(&text).unwrap();
        queries.extend(pack["queries"].as_object().unwrap().clone());
    }
    queries.retain(|name, _| !without.contains(&name.as_str()));
    serde_json::json!({"queries": queries}).to_string()
}

/// Whether one of the rows that `show --query` gave is the one that an attack leaves.
pub(crate) fn shows(rows: &[Value], trace: &herdiff_testbed::attack::Trace) -> bool {
    rows.iter()
        .any(|row| trace.cells.iter().all(|(column, value)| row["row"][*column].as_str() == Some(value)))
}

/// Processes of this machine whose command line has a word in it. A zombie has no command line.
pub(crate) fn running(word: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| text(&line)).filter(|line| line.contains(word)).collect()
}

/// The outcomes of hosts that misbehave and of one that is well. Who ends at a deadline is visited with a short one, all others
/// with one that they cannot run into, so that neither depends on how busy the machine is; and where nobody can become
/// root, somebody has to want to.
pub(crate) fn swept_as_faults_want(
    place: &Place,
    faults: &BTreeMap<String, Fault>,
    well: &str,
) -> BTreeMap<String, String> {
    let names = |which: &dyn Fn(Fault) -> bool| {
        let names = faults.iter().filter(|(_, fault)| which(**fault)).map(|(host, _)| host.as_str());
        names.collect::<Vec<_>>().join(",")
    };
    let is_late = |fault: Fault| fault.outcome() == HostOutcomeKind::Timeout;
    let is_root = |fault: Fault| fault.outcome() == HostOutcomeKind::BecomeFailed;
    let short = ["-l", &names(&is_late), "--connect-timeout", "3", "--host-timeout", "6"];
    let output = place.sweep("late.herd", &short).output().unwrap();
    assert!(matches!(output.status.code(), Some(3 | 4)), "{output:?}");
    let output = place.collect("root.herd", &["-b", "-l", &names(&is_root)]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let others = format!("{},{well}", names(&|fault| !is_late(fault) && !is_root(fault)));
    let output = place.collect("others.herd", &["--max-host-output", "1", "-l", &others]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    ["late.herd", "root.herd", "others.herd"].iter().flat_map(|bundle| place.outcomes(bundle)).collect()
}

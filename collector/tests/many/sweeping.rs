//! A sweep over the hosts of the other process, and what it cost here.

use crate::farm::{self, PORTS, key};
use crate::rogue;
use herdiff_collector::delivery::ProbeBinary;
use herdiff_collector::engine::{self, EngineChoice};
use herdiff_collector::inventory::Target;
use herdiff_collector::ssh::{Deadlines, SshConfig};
use herdiff_collector::sweep::{Event, Sweep, SweepConfig};
use herdiff_model::outcome::HostOutcome;
use herdiff_model::pack::Pack;
use russh::keys::ssh_key::LineEnding;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What hosts may send, in MiB.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) host_mib: u64,
    pub(crate) all_mib: u64,
}

/// How long hosts may take: for a step that says nothing, and altogether.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) step: Duration,
    pub(crate) host: Duration,
}

/// The process that serves, and our side's keys.
pub(crate) struct Ground {
    child: Child,
    ports: HashMap<&'static str, u16>,
    /// Where nobody listens, and nobody else will.
    closed: Socket,
    dir: TempDir,
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a sweep.
pub(crate) struct Swept {
    /// Host, what it does, how its visit ended.
    pub(crate) ends: Vec<(String, String, HostOutcome)>,
    pub(crate) took: Duration,
    pub(crate) peak_mib: u64,
    cpu_ms: u64,
}

impl Swept {
    pub(crate) fn figures(&self) -> String {
        let Self { took, peak_mib, cpu_ms, .. } = self;
        format!("{:.1} s, {cpu_ms} ms of CPU, {peak_mib} MiB at most", took.as_secs_f32())
    }
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", "--exact", "--ignored", "--nocapture"])
            .env(farm::SERVE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ports = lines.by_ref().find_map(|line| Some(line.split_once("ports ")?.1.to_owned())).unwrap();
        // The test harness of the other process prints more when it has run for a minute.
        std::thread::spawn(move || lines.count());
        let ports = PORTS.into_iter().zip(ports.split(' ').map(|port| port.parse().unwrap())).collect();
        let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, key(9).to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
        Self { child, ports, closed, dir }
    }

    fn port(&self, kind: &str) -> u16 {
        match kind {
            "refuses" => self.closed.local_addr().unwrap().as_socket().unwrap().port(),
            kind if rogue::KINDS.contains(&kind) => self.ports["rogue"],
            kind => *self.ports.get(kind).unwrap_or(&self.ports["ssh"]),
        }
    }

    /// Visits hosts of these kinds, all at once.
    pub(crate) async fn sweep(&self, kinds: &[&str], limits: Limits, times: Times) -> Swept {
        let known_hosts = self.dir.path().join("known_hosts");
        let public = key(1).public_key().to_openssh().unwrap();
        let known = self.ports.values().map(|port| format!("[127.0.0.1]:{port} {public}\n"));
        fs::write(&known_hosts, known.collect::<String>()).unwrap();
        let targets: Vec<Target> = kinds.iter().enumerate().map(|(n, kind)| self.target(n, kind)).collect();
        let config = SweepConfig {
            forks: kinds.len(),
            engine: EngineChoice::Probe,
            probes: vec![ProbeBinary::for_arch("any", vec![0; 64 << 10])],
            ssh: SshConfig {
                local_user: "nobody".into(),
                identities: vec![self.dir.path().join("key")],
                known_hosts: vec![known_hosts],
                ..SshConfig::default()
            },
            deadlines: Deadlines {
                connect: times.step,
                handshake: times.step,
                authenticate: times.step,
                start: times.step,
                query: times.host,
                host: times.host,
            },
            limits: engine::Limits {
                total_bytes: limits.host_mib << 20,
                waiting_bytes: limits.all_mib << 20,
                ..engine::Limits::default()
            },
            ..SweepConfig::default()
        };
        let pack = r#"{"queries":{"first":{"query":"SELECT 1 AS a"},"second":{"query":"SELECT 2 AS a"}}}"#;
        let pack = Arc::new(Pack::parse(pack).unwrap());
        // From here on the highest mark is anew.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let (start, cpu) = (Instant::now(), cpu_ms());
        let mut sweep = Sweep::start(targets, pack, config, Default::default()).await.unwrap();
        let mut ends = Vec::new();
        while let Some(event) = sweep.next().await {
            if let Event::Done(id, visit) = event {
                assert_eq!(visit.answers.len(), 2);
                ends.push((visit.host.to_string(), kinds[id.0].to_owned(), visit.outcome));
            }
        }
        assert_eq!(ends.len(), kinds.len());
        Swept { ends, took: start.elapsed(), peak_mib: peak_mib(), cpu_ms: cpu_ms() - cpu }
    }

    fn target(&self, n: usize, kind: &str) -> Target {
        Target {
            host: format!("{kind}-{n}").as_str().into(),
            herd: "test".into(),
            groups: Vec::new(),
            address: "127.0.0.1".into(),
            port: Some(self.port(kind)),
            user: Some(kind.to_owned()),
            identity: None,
            jump: None,
            proxy_command: None,
            privilege: None,
            become_user: None,
        }
    }
}

/// The most memory that this process had since the mark was set back.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// User and system time of this process.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

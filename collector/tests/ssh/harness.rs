//! What the tests stand on: sshd instances with keys of their own, a stand-in engine, and a sweep that is run to its end.

use herdiff_collector::delivery::ProbeBinary;
use herdiff_collector::engine::EngineChoice;
use herdiff_collector::inventory::Target;
use herdiff_collector::ssh::{Deadlines, SshConfig};
use herdiff_collector::sweep::{Event, Sweep, SweepConfig};
use herdiff_model::outcome::HostOutcomeKind;
use herdiff_model::pack::Pack;
use herdiff_model::visit::{Answer, Visit};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a busy machine may take for what an idle one does at once.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const PACK: &str =
    r#"{"queries":{"first":{"query":"SELECT 1 AS a"},"second":{"query":"SELECT 2 AS a"}}}"#;

/// Lines that mean nothing, 32 MiB: more than all that can be under way between an engine and the collector, so that what was
/// printed before them has arrived once they are written.
const FILL: &str = "yes \"$(head -c 65535 /dev/zero | tr '\\0' x)\" | head -n 512";

/// Does what `$ROLE` says; sshd sets that.
pub(crate) fn engine() -> String {
    ENGINE.replace("FILL", FILL)
}

const ENGINE: &str = r#"#!/bin/sh
cat > request
header='{"probe":"0.0.1","protocol":1,"arch":"x86_64","uid":7,"root":"/","pid":1}'
first='{"query":"first","columns":["a"],"rows":[["1"]],"unread":[],"cut":null,"wall_us":1,"cpu_us":1}'
second='{"query":"second","columns":["a"],"rows":[["2"],["3"]],"unread":[],"cut":null,"wall_us":1,"cpu_us":1}'
end='{"end":1,"queries":2,"cpu_us":1234,"max_rss_kb":1}'
case $ROLE in
  half) echo "$header"; echo "$first"; FILL; read -r _ _ _ sshd _ < /proc/$PPID/stat; kill -9 "$sshd" ;;
  crash) echo "$header"; echo "$first"; echo 'cannot go on' >&2; kill -SEGV $$ ;;
  garbage) echo 'Hello, I am a teapot' ;;
  endless) echo "$header"; exec yes '{"query":"first"}' ;;
  flood) echo "$header"; exec tr '\0' x < /dev/zero ;;
  slow) echo "$header"; echo "$first"; trap '' HUP TERM INT PIPE; exec sleep "${NAP:-600}" ;;
  steady) echo "$header"; echo "$first"; FILL; trap '' HUP TERM INT PIPE; exec sleep "${NAP:-600}" ;;
  *) echo "$header"; echo "$first"; echo "$second"; echo "$end" ;;
esac
"#;

/// Keys and files that all tests share.
pub(crate) struct Keys {
    dir: TempDir,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let keys = Self { dir: tempfile::tempdir().unwrap() };
        keys.make("user", &["-t", "ed25519", "-N", ""]);
        keys.make("host", &["-t", "ed25519", "-N", ""]);
        keys
    }

    pub(crate) fn make(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.path(name);
        let made = Command::new("ssh-keygen").arg("-q").args(arguments).arg("-f").arg(&path).status();
        assert!(made.expect("ssh-keygen is needed: apt-get install openssh-client").success());
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn public(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// An sshd that accepts the user's key, with more lines of configuration.
    pub(crate) fn sshd(&self, more: &str) -> Sshd {
        Sshd::start(self, more)
    }

    /// Configuration of a sweep that knows these servers by the host's key.
    pub(crate) fn config(&self, ports: &[u16]) -> SweepConfig {
        let known = self.path("known_hosts");
        let lines = ports.iter().map(|port| format!("[127.0.0.1]:{port} {}\n", self.public("host")));
        fs::write(&known, lines.collect::<String>()).unwrap();
        SweepConfig {
            engine: EngineChoice::Probe,
            probes: vec![probe(&engine())],
            ssh: SshConfig {
                user: Some(user()),
                local_user: user(),
                identities: vec![self.path("user")],
                known_hosts: vec![known],
                ..SshConfig::default()
            },
            // Far more than an idle machine needs: a busy one must not fail tests. Those that are about a deadline set it.
            deadlines: Deadlines {
                connect: LONG,
                handshake: LONG,
                authenticate: LONG,
                start: LONG,
                query: LONG,
                host: LONG * 2,
            },
            ..SweepConfig::default()
        }
    }
}

pub(crate) fn probe(script: &str) -> ProbeBinary {
    let uname = Command::new("uname").arg("-m").output().unwrap();
    ProbeBinary::for_arch(String::from_utf8(uname.stdout).unwrap().trim(), script.as_bytes().to_vec())
}

pub(crate) fn user() -> String {
    String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A port at which nobody answers, and that nobody else gets as long as this is kept.
pub(crate) struct Closed {
    _socket: Socket,
    pub(crate) port: u16,
}

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Self { _socket: socket, port }
    }
}

/// So many seconds to sleep, and a mark that no process of another test run has in its command line.
pub(crate) fn nap(seconds: u32) -> String {
    format!("{seconds}.{:07}", std::process::id())
}

const SSHD: &str = "/usr/sbin/sshd";

/// Whether the tests that need OpenSSH's server can run. Where they cannot, that is said past the test's own capture of
/// output, and with `CI` in the environment it is a failure.
pub(crate) fn sshd_is_there() -> bool {
    let there = Path::new(SSHD).exists();
    if !there {
        let missing = "OpenSSH's server is not at /usr/sbin/sshd (apt-get install openssh-server)";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
    }
    there
}

/// A server; it ends with the test.
pub(crate) struct Sshd {
    child: Child,
    pub(crate) port: u16,
    dir: TempDir,
}

impl Sshd {
    fn start(keys: &Keys, more: &str) -> Self {
        let program = Path::new(SSHD);
        // Needed by a server that root starts; others cannot make it and need it not.
        let _ = fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let authorized = dir.path().join("authorized_keys");
        fs::write(&authorized, keys.public("user") + "\n").unwrap();
        for _ in 0..5 {
            let port = free_port();
            // The first line of a keyword counts, so those of the test come first. Of MaxStartups it is the last.
            let startups = if more.contains("MaxStartups") { "" } else { "MaxStartups 200" };
            let config = format!(
                "{more}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
                 UsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n{startups}\nMaxAuthTries 6\n",
                keys.path("host").display(),
                authorized.display()
            );
            let file = dir.path().join("sshd_config");
            fs::write(&file, config).unwrap();
            let log = fs::File::create(dir.path().join("log")).unwrap();
            let mut child = Command::new(program)
                .args(["-D", "-e", "-f"])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let start = Instant::now();
            while start.elapsed() < LONG {
                // Its own word for it: at the port alone another test's server may answer.
                let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
                if log.contains(&format!("Server listening on 127.0.0.1 port {port}.")) {
                    return Self { child, port, dir };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("sshd does not start: {}", fs::read_to_string(dir.path().join("log")).unwrap_or_default());
    }
}

impl Sshd {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub(crate) fn log_lines(&self, part: &str) -> usize {
        self.log().lines().filter(|line| line.contains(part)).count()
    }

    /// How often somebody logged in.
    pub(crate) fn logins(&self) -> usize {
        self.log_lines("Accepted ")
    }

    /// Ends the connections, as a crash would; the server goes on.
    pub(crate) fn kill_sessions(&self) {
        fn kill_below(id: u32) {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
            for child in children.split_whitespace() {
                kill_below(child.parse().unwrap());
                let _ = Command::new("kill").args(["-9", child]).status();
            }
        }
        kill_below(self.child.id());
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn target(name: &str, port: u16) -> Target {
    Target {
        host: name.into(),
        herd: "test".into(),
        groups: Vec::new(),
        address: "127.0.0.1".into(),
        port: Some(port),
        user: None,
        identity: None,
        jump: None,
        proxy_command: None,
        privilege: None,
        become_user: None,
    }
}

/// What came of a sweep, by host, and how long each took.
pub(crate) struct Swept {
    pub(crate) visits: BTreeMap<String, (Visit, Duration)>,
    pub(crate) events: Vec<String>,
}

impl Swept {
    pub(crate) fn visit(&self, host: &str) -> &Visit {
        &self.visits.get(host).unwrap_or_else(|| panic!("no visit of {host}")).0
    }

    pub(crate) fn kind(&self, host: &str) -> HostOutcomeKind {
        self.visit(host).outcome.kind
    }
}

pub(crate) async fn sweep(targets: Vec<Target>, config: SweepConfig) -> Swept {
    sweep_until(targets, config, CancellationToken::new(), |_| {}).await
}

/// Runs a sweep, looking at each event.
pub(crate) async fn sweep_until(
    targets: Vec<Target>,
    config: SweepConfig,
    cancel: CancellationToken,
    mut look: impl FnMut(&Event),
) -> Swept {
    let pack = Arc::new(Pack::parse(PACK).unwrap());
    let expected = targets.len();
    let start = Instant::now();
    let mut sweep = Sweep::start(targets, pack, config, cancel).await.unwrap();
    let mut swept = Swept { visits: BTreeMap::new(), events: Vec::new() };
    while let Some(event) = sweep.next().await {
        look(&event);
        match event {
            Event::Started(id) => swept.events.push(format!("{} started", id.0)),
            Event::Note(id, note) => swept.events.push(format!("{} {note}", id.0)),
            Event::Phase(id, phase) => swept.events.push(format!("{} {phase}", id.0)),
            Event::Done(id, visit) => {
                swept.events.push(format!("{} done", id.0));
                assert_eq!(visit.answers.len(), 2, "an answer for each query");
                let twice = swept.visits.insert(visit.host.to_string(), (*visit, start.elapsed()));
                assert!(twice.is_none(), "one visit for each host");
            }
        }
    }
    assert_eq!(swept.visits.len(), expected, "every target ends in a visit");
    swept
}

pub(crate) fn rows(answer: &Answer) -> Option<usize> {
    match answer {
        Answer::Rows { batches, .. } => Some(batches.iter().map(|batch| batch.len()).sum()),
        Answer::Failed(_) => None,
    }
}

/// Waits until something holds; says what did not.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "still not so after {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a process with this in its command line runs.
pub(crate) fn runs(mark: &str) -> bool {
    count(mark) > 0
}

/// How many processes have this in their command lines.
pub(crate) fn count(mark: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(mark))
        .count()
}

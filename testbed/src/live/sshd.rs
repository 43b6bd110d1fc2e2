//! A fleet of real sshd: each host has namespaces of its own and a disk laid over this machine's root. Needs root on Linux.
//!
//! The machine's own network is untouched: the fleet has one of its own, and every host is reached through a relay on
//! loopback. When the one process that holds the namespaces ends, the kernel takes everything away.

use super::program::{self, ProgramError};
use super::{LiveError, attack_script, fault_script};
use crate::attack::{Attack, Trace};
use crate::fault::Fault;
use crate::relay::{self, Door, Shape};
use crate::site::{Known, Site, Way, absolute};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream as Line};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const FILES: &[(&str, &str)] = &[
    ("sshd/fleet.sh", include_str!("../../data/live/fleet.sh")),
    ("sshd/host.sh", include_str!("../../data/live/host.sh")),
];
const TO_GET_READY: Duration = Duration::from_secs(180);
const TO_CONNECT: Duration = Duration::from_secs(120);
const NOT_ROOT: &str = "hosts with namespaces of their own need root; `--form simulated` does not";

/// A fleet that this process holds.
#[derive(Debug)]
pub struct SshdFleet {
    keeper: Child,
    stop: CancellationToken,
    tasks: TaskTracker,
    names: Vec<String>,
    doors: BTreeMap<String, Door>,
}

/// A host, as the fleet's first process has written it down.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    address: String,
    /// The process above the host's first one, as the fleet's namespace counts.
    outer: String,
    link: String,
}

impl SshdFleet {
    /// Starts so many hosts and writes the files with which they are visited.
    ///
    /// # Errors
    /// Where this machine cannot do it.
    pub async fn up(site: &Site, hosts: u32, shape: Shape) -> Result<Self, LiveError> {
        if !rustix::process::geteuid().is_root() {
            return Err(ProgramError::Missing(NOT_ROOT).into());
        }
        let key = site.make_identity()?;
        let key = key.public_key().to_openssh().map_err(crate::serve::keys::KeyError::from);
        let key = key.map_err(crate::site::SiteError::from)?;
        for (name, text) in FILES {
            site.keep(name, 0o644, text)?;
        }
        site.keep("sshd/key.pub", 0o644, &format!("{key}\n"))?;
        let directory = absolute(&site.directory().join("sshd"));
        let make = |name: &str| fs::create_dir_all(directory.join(name));
        make("disks").and(make("logs")).and(make("keys")).map_err(not_ready)?;
        let names: Vec<String> = (1..=hosts).map(|number| format!("web-{number}")).collect();
        let mut keep = Command::new("setpriv");
        // Whatever becomes of this process, the fleet ends with it.
        keep.args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]);
        keep.args(["--mount-proc", "sh"]).arg(directory.join("fleet.sh")).arg(&directory).args(&names);
        let log = File::create(directory.join("logs/fleet")).map_err(not_ready)?;
        let keeper =
            keep.stdin(Stdio::null()).stdout(log.try_clone().map_err(not_ready)?).stderr(log).spawn();
        let keeper = keeper.map_err(|cause| ProgramError::Start { program: "setpriv".to_owned(), cause })?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut fleet = Self { keeper, stop, tasks, names, doors: BTreeMap::new() };
        match fleet.connect(site, &directory, shape).await {
            Ok(()) => Ok(fleet),
            Err(error) => {
                fleet.down().await;
                Err(error)
            }
        }
    }

    /// The process that holds the fleet's namespaces.
    pub fn keeper(&self) -> u32 {
        self.keeper.id()
    }

    /// The hosts.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Does on this side what a fault wants: where nothing listens in the host, nothing does here, either.
    pub fn set_fault(&self, host: &str, fault: Option<Fault>) {
        if let Some(door) = self.doors.get(host) {
            door.set(!matches!(fault, Some(Fault::Refuse | Fault::Kill)));
        }
    }

    /// Ends all of it.
    pub async fn down(&mut self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // The first process of the namespaces is gone when all others are, and only then does the keeper end.
        let first = first_process(self.keeper()).ok().and_then(|pid| i32::try_from(pid).ok());
        let told = first.and_then(Pid::from_raw).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok());
        if !told {
            let _ = self.keeper.kill();
        }
        let _ = self.keeper.wait();
    }

    /// Opens a port on loopback for each host and writes the files.
    async fn connect(&mut self, site: &Site, directory: &Path, shape: Shape) -> Result<(), LiveError> {
        let start = Instant::now();
        let places = loop {
            if let Ok(places) = places(directory) {
                break places;
            }
            if start.elapsed() > TO_GET_READY || self.keeper.try_wait().is_ok_and(|ended| ended.is_some()) {
                let said = fs::read_to_string(directory.join("logs/fleet")).unwrap_or_default();
                return Err(LiveError::NotReady(format!("the fleet does not come up: {}", said.trim())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let network =
            File::open(format!("/proc/{}/ns/net", first_process(self.keeper())?)).map_err(not_ready)?;
        let ways_in = WaysIn::open(network);
        let mut ways = Vec::new();
        for place in &places {
            let far = SocketAddr::new(
                place.address.parse().map_err(|_| LiveError::NotReady("no address".to_owned()))?,
                22,
            );
            ways_in.wait_for(far, directory, &place.name).await?;
            let through = ways_in.clone();
            let connect = move || through.clone().connect(far);
            let door = relay::start(connect, shape, self.stop.clone(), &self.tasks).map_err(not_ready)?;
            let here = door.address();
            self.doors.insert(place.name.clone(), door);
            let key = fs::read_to_string(directory.join("keys").join(&place.name)).map_err(not_ready)?;
            ways.push(Way {
                name: place.name.clone(),
                herd: "web".to_owned(),
                address: here.ip().to_string(),
                port: here.port(),
                jump: None,
                key: Known::Key(key.split(' ').take(2).collect::<Vec<_>>().join(" ")),
            });
        }
        Ok(site.describe(&ways)?)
    }
}

/// The way into the fleet's network: a thread that is in there and opens connections for others.
#[derive(Clone, Debug)]
struct WaysIn(std::sync::mpsc::Sender<(SocketAddr, oneshot::Sender<io::Result<Line>>)>);

impl WaysIn {
    fn open(network: File) -> Self {
        let (sender, asked) = std::sync::mpsc::channel::<(SocketAddr, oneshot::Sender<io::Result<Line>>)>();
        std::thread::spawn(move || {
            let inside = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
            for (address, answer) in asked {
                if let Err(error) = inside {
                    let _ = answer.send(Err(error.into()));
                    continue;
                }
                // A thread each, which inherits the network: a host that does not answer holds nobody up.
                std::thread::spawn(move || answer.send(Line::connect_timeout(&address, TO_CONNECT)));
            }
        });
        Self(sender)
    }

    async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let (answer, line) = oneshot::channel();
        let gone = || io::Error::other("the fleet is gone");
        self.0.send((address, answer)).map_err(|_| gone())?;
        let line = line.await.map_err(|_| gone())??;
        line.set_nonblocking(true)?;
        TcpStream::from_std(line)
    }

    async fn wait_for(&self, address: SocketAddr, directory: &Path, name: &str) -> Result<(), LiveError> {
        let start = Instant::now();
        while self.clone().connect(address).await.is_err() {
            if start.elapsed() > TO_GET_READY {
                let said = fs::read_to_string(directory.join("logs").join(name)).unwrap_or_default();
                return Err(LiveError::NotReady(format!("{name} does not come up: {}", said.trim())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// A fleet of real sshd that another process holds.
#[derive(Clone, Debug)]
pub struct Held {
    directory: PathBuf,
    first: u32,
}

impl Held {
    /// The fleet of a directory, which the keeper with that process id holds.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn of(site: &Site, keeper: u32) -> Result<Self, LiveError> {
        Ok(Self { directory: site.directory().join("sshd"), first: first_process(keeper)? })
    }

    /// The hosts.
    ///
    /// # Errors
    /// Where they are not written down.
    pub fn names(&self) -> Result<Vec<String>, LiveError> {
        Ok(places(&self.directory).map_err(not_ready)?.into_iter().map(|place| place.name).collect())
    }

    /// Plants an attack on a host.
    ///
    /// # Errors
    /// Where there is no such host, or the script fails there.
    pub fn plant(&self, host: &str, attack: Attack) -> Result<Vec<Trace>, LiveError> {
        let (script, traces) = attack_script(attack);
        self.run(host, &script)?;
        Ok(traces)
    }

    /// Lets a host misbehave.
    ///
    /// # Errors
    /// Where there is no such host.
    pub fn break_host(&self, host: &str, fault: Fault) -> Result<(), LiveError> {
        let place = self.place(host)?;
        match fault {
            Fault::CutOff => self.outside(&format!("ip link set {} down", place.link), "")?,
            Fault::Freeze => self.run(host, "kill -STOP -1")?,
            Fault::Kill => self.outside(&format!("kill -9 {}", place.outer), "")?,
            _ => {
                let script =
                    fault_script(fault).ok_or(LiveError::NoSuchFault { fault, place: "with a real sshd" })?;
                self.run(host, &script)?
            }
        };
        Ok(())
    }

    fn place(&self, host: &str) -> Result<Place, LiveError> {
        let all = places(&self.directory).map_err(not_ready)?;
        let known = all.iter().map(|place| place.name.as_str()).collect::<Vec<_>>().join(", ");
        let missing = LiveError::NoSuchHost { host: host.to_owned(), known };
        all.into_iter().find(|place| place.name == host).ok_or(missing)
    }

    /// Runs a script inside a host, as its root.
    fn run(&self, host: &str, script: &str) -> Result<String, LiveError> {
        let outer = self.place(host)?.outer;
        let enter = format!(
            "child=$(cat /proc/{outer}/task/{outer}/children) && \
             exec nsenter -t ${{child%% *}} -m -u -i -n -p -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -s"
        );
        self.outside(&enter, script)
    }

    /// Runs a line of shell beside the hosts, in the fleet's own namespaces.
    fn outside(&self, line: &str, input: &str) -> Result<String, LiveError> {
        let mut enter = Command::new("nsenter");
        enter.args(["-t", &self.first.to_string(), "-m", "-n", "-p", "sh", "-c", line]);
        Ok(program::fed(&mut enter, input)?)
    }
}

/// The first process of the fleet's namespaces, which is the keeper's only child.
fn first_process(keeper: u32) -> Result<u32, LiveError> {
    let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap_or_default();
    let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    first.ok_or_else(|| LiveError::NotReady("the fleet is gone".to_owned()))
}

fn places(directory: &Path) -> io::Result<Vec<Place>> {
    let text = fs::read_to_string(directory.join("hosts"))?;
    let parse = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some(Place { name: words.next()?, address: words.next()?, outer: words.next()?, link: words.next()? })
    };
    Ok(text.lines().filter_map(parse).collect())
}

fn not_ready(error: io::Error) -> LiveError {
    LiveError::NotReady(error.to_string())
}

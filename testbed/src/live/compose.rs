//! A fleet of containers, made with `docker compose` or the older `docker-compose` from `testbed/compose`.

use super::program::{self, ProgramError};
use super::{LiveError, attack_script, fault_script};
use crate::attack::{Attack, Trace};
use crate::fault::Fault;
use crate::site::{Known, Site, Way, absolute};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the fleet is built from. It is written beside the fleet's other files, so that this program needs no sources.
const FILES: &[(&str, &str)] = &[
    ("Dockerfile", include_str!("../../compose/Dockerfile")),
    ("docker-compose.yml", include_str!("../../compose/docker-compose.yml")),
    ("start.sh", include_str!("../../compose/start.sh")),
];
/// The base image that `base.sh` makes, which is taken where it is there.
const OWN_BASE: &str = "herdiff-testbed-base";
const USUAL_BASE: &str = "debian:bookworm-slim";
const BASTION: &str = "bastion";
const TO_GET_READY: Duration = Duration::from_secs(180);
const NO_COMPOSE: &str = "there is neither `docker compose` nor `docker-compose`; install the compose plugin of Docker, or \
                          docker-compose (Debian: apt-get install docker-compose)";
const NO_ENGINE: &str = "no Docker engine answers; `docker info` says why";

/// A fleet of containers.
#[derive(Clone, Debug)]
pub struct Compose {
    directory: PathBuf,
    project: String,
}

/// A container of the fleet.
#[derive(Clone, Debug)]
struct Container {
    /// As the inventory calls it.
    host: String,
    service: String,
    /// As Docker calls it, which is also its name in the fleet's network.
    name: String,
    state: String,
}

impl Compose {
    /// The fleet that belongs to a directory.
    pub fn of(site: &Site) -> Self {
        let place = absolute(site.directory());
        let digest = blake3::hash(place.as_os_str().as_encoded_bytes()).to_hex();
        Self {
            directory: site.directory().join("compose"),
            project: format!("herdiff-{}", digest.get(..10).unwrap_or_default()),
        }
    }

    /// The name that all its containers, networks and images carry.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Whether a Docker engine and a compose are there.
    ///
    /// # Errors
    /// Where one is missing, with what to do.
    pub fn is_possible() -> Result<(), LiveError> {
        program::run(Command::new("docker").arg("info")).map_err(|_| ProgramError::Missing(NO_ENGINE))?;
        compose_program()?;
        Ok(())
    }

    /// Starts it with so many web servers and writes the files with which it is visited.
    ///
    /// # Errors
    /// Where Docker cannot do it.
    pub fn up(&self, site: &Site, web: u32, base: Option<&str>) -> Result<Vec<String>, LiveError> {
        Self::is_possible()?;
        let key = site.make_identity()?;
        let key = key.public_key().to_openssh().map_err(crate::serve::keys::KeyError::from);
        let key = key.map_err(crate::site::SiteError::from)?;
        for (name, text) in FILES {
            site.keep(&format!("compose/{name}"), 0o644, text)?;
        }
        let base = base.map_or_else(usual_base, str::to_owned);
        // So that `docker compose` typed there means this fleet.
        let environment = format!(
            "COMPOSE_PROJECT_NAME={}\nIMAGE={}\nBASE={base}\nAUTHORIZED_KEY={key}\n",
            self.project,
            self.image()
        );
        site.keep("compose/.env", 0o600, &environment)?;
        self.compose(&["up", "-d", "--build", "--scale", &format!("web={web}")])?;
        self.describe(site)
    }

    /// Takes everything away.
    ///
    /// # Errors
    /// Where Docker cannot do it.
    pub fn down(&self) -> Result<(), LiveError> {
        // A paused container cannot be stopped by every version.
        for container in self.containers()?.iter().filter(|container| container.state == "paused") {
            docker(&["unpause", &container.name])?;
        }
        self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "2"])?;
        let _ = docker(&["image", "rm", &self.image()]);
        Ok(())
    }

    /// The state of every host, in Docker's words.
    ///
    /// # Errors
    /// Where Docker does not answer.
    pub fn status(&self) -> Result<BTreeMap<String, String>, LiveError> {
        Ok(self.containers()?.into_iter().map(|container| (container.host, container.state)).collect())
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
    /// Where there is no such host, or containers cannot do that.
    pub fn break_host(&self, host: &str, fault: Fault) -> Result<(), LiveError> {
        let name = self.container(host)?.name;
        match fault {
            Fault::CutOff => self.cut_off(&name)?,
            Fault::Freeze => drop(docker(&["pause", &name])?),
            Fault::Kill => drop(docker(&["kill", &name])?),
            _ => {
                let script =
                    fault_script(fault).ok_or(LiveError::NoSuchFault { fault, place: "in a container" })?;
                self.run(host, &script)?;
            }
        }
        Ok(())
    }

    fn cut_off(&self, container: &str) -> Result<(), LiveError> {
        let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
        let networks = docker(&["inspect", "-f", networks, container])?;
        for network in networks.split_whitespace() {
            docker(&["network", "disconnect", "--force", network, container])?;
        }
        Ok(())
    }

    /// Runs a script inside a host.
    fn run(&self, host: &str, script: &str) -> Result<String, LiveError> {
        let name = self.container(host)?.name;
        Ok(program::fed(Command::new("docker").args(["exec", "-i", &name, "sh", "-s"]), script)?)
    }

    fn container(&self, host: &str) -> Result<Container, LiveError> {
        let all = self.containers()?;
        let known = all.iter().map(|container| container.host.as_str()).collect::<Vec<_>>().join(", ");
        let missing = LiveError::NoSuchHost { host: host.to_owned(), known };
        all.into_iter().find(|container| container.host == host).ok_or(missing)
    }

    fn containers(&self) -> Result<Vec<Container>, LiveError> {
        let format = "{{.Names}}\t{{.State}}\t{{.Label \"com.docker.compose.service\"}}\t\
                      {{.Label \"com.docker.compose.container-number\"}}";
        let project = format!("label=com.docker.compose.project={}", self.project);
        let listed = docker(&["ps", "-a", "--filter", &project, "--format", format])?;
        let parse = |line: &str| {
            let mut fields = line.split('\t');
            let (name, state) = (fields.next()?.to_owned(), fields.next()?.to_owned());
            let (service, number) = (fields.next()?.to_owned(), fields.next()?);
            Some((
                number.parse().unwrap_or(0),
                Container { host: format!("{service}-{number}"), service, name, state },
            ))
        };
        let mut containers: Vec<(u32, Container)> = listed.lines().filter_map(parse).collect();
        containers.sort_by(|a, b| (&a.1.service, a.0).cmp(&(&b.1.service, b.0)));
        Ok(containers.into_iter().map(|(_, container)| container).collect())
    }

    /// Asks Docker, not the network, for the host keys, and writes inventory, known_hosts and ssh_config.
    fn describe(&self, site: &Site) -> Result<Vec<String>, LiveError> {
        let containers = self.containers()?;
        let bastion = containers.iter().find(|container| container.service == BASTION);
        let bastion = bastion.ok_or_else(|| LiveError::NotReady("there is no bastion".to_owned()))?;
        let mut ways = Vec::new();
        for container in &containers {
            let key = self.host_key(&container.name)?;
            let outside = container.service == BASTION;
            let (address, port) =
                if outside { published(&container.name)? } else { (container.name.clone(), 22) };
            ways.push(Way {
                name: container.host.clone(),
                herd: container.service.clone(),
                address,
                port,
                jump: (!outside).then(|| bastion.host.clone()),
                key: Known::Key(key),
            });
        }
        site.describe(&ways)?;
        Ok(ways.into_iter().map(|way| way.name).collect())
    }

    /// The key of a host, once its sshd listens.
    fn host_key(&self, container: &str) -> Result<String, LiveError> {
        // Port 22 in the kernel's own words: no tool has to be there.
        let ready = "grep -q ':0016 .* 0A ' /proc/net/tcp && cat /etc/ssh/ssh_host_ed25519_key.pub";
        let start = Instant::now();
        loop {
            match docker(&["exec", container, "sh", "-c", ready]) {
                Ok(key) => return Ok(key.split(' ').take(2).collect::<Vec<_>>().join(" ")),
                Err(_) if start.elapsed() < TO_GET_READY => std::thread::sleep(Duration::from_millis(100)),
                Err(error) => {
                    return Err(LiveError::NotReady(format!("{container} does not come up: {error}")));
                }
            }
        }
    }

    fn image(&self) -> String {
        format!("{}-host", self.project)
    }

    fn compose(&self, arguments: &[&str]) -> Result<String, LiveError> {
        let mut command = compose_program()?;
        // The files name the project, and the directory has the settings.
        command.current_dir(&self.directory).args(arguments);
        for name in ["COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "IMAGE", "BASE", "AUTHORIZED_KEY"] {
            command.env_remove(name);
        }
        Ok(program::run(&mut command)?)
    }
}

/// Runs `docker`.
fn docker(arguments: &[&str]) -> Result<String, ProgramError> {
    program::run(Command::new("docker").args(arguments))
}

/// `docker compose` where there is one, else `docker-compose`.
fn compose_program() -> Result<Command, LiveError> {
    let mut plugin = Command::new("docker");
    if program::run(plugin.args(["compose", "version"])).is_ok() {
        let mut command = Command::new("docker");
        command.arg("compose");
        return Ok(command);
    }
    if program::run(Command::new("docker-compose").arg("version")).is_ok() {
        return Ok(Command::new("docker-compose"));
    }
    Err(ProgramError::Missing(NO_COMPOSE).into())
}

/// The one that `base.sh` has made, else what a registry has.
fn usual_base() -> String {
    let own = docker(&["image", "inspect", OWN_BASE]);
    if own.is_ok() { OWN_BASE.to_owned() } else { USUAL_BASE.to_owned() }
}

/// Where a container's sshd is to be found on this machine.
fn published(container: &str) -> Result<(String, u16), LiveError> {
    let said = docker(&["port", container, "22"])?;
    let place = said.lines().next().and_then(|line| line.rsplit_once(':'));
    let place = place.and_then(|(address, port)| Some((address.to_owned(), port.trim().parse().ok()?)));
    place.ok_or_else(|| LiveError::NotReady(format!("{container} has no port on this machine")))
}

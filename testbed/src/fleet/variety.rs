//! What life does to the hosts of a herd: the differences that mean nothing.

use super::file::Content;
use super::host::{AuthorizedKey, Crontab, Host, Kernel, Role};
use super::image;
use super::network::{SocketKind, TcpState, anywhere};
use super::plan::Noise;
use super::process::{Process, Program};
use crate::dice::Dice;
use std::net::{Ipv4Addr, SocketAddr};

/// Makes the hosts different.
pub(super) fn live(hosts: &mut [Host], fleet: &Dice, noise: Noise) {
    upgrades(hosts, fleet);
    canary(hosts, fleet);
    helping_admin(hosts, fleet);
    for host in hosts.iter_mut() {
        let dice = fleet.named("life").named(&host.name);
        private_directories(host, &dice);
        if noise == Noise::Hard {
            traffic(host, &dice);
            passing_processes(host, &dice);
        }
    }
    people_at_work(hosts, fleet);
    if noise == Noise::Hard {
        unrestarted_services(hosts, fleet);
        leftovers(hosts, fleet);
        crashed_agents(hosts, fleet);
        scheduled_work(hosts, fleet);
    }
}

/// The places of `share` percent of the hosts, at least `least` of them, and the same ones for the same name.
fn some_of(hosts: &[Host], fleet: &Dice, name: &str, share: usize, least: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..hosts.len()).collect();
    fleet.named("who").named(name).shuffle(&mut places);
    places.truncate((hosts.len() * share / 100).max(least));
    places.sort();
    places
}

/// Does something to some hosts, with dice of their own.
fn each(
    hosts: &mut [Host],
    places: &[usize],
    fleet: &Dice,
    name: &str,
    mut act: impl FnMut(&mut Host, &mut Dice),
) {
    for &place in places {
        if let Some(host) = hosts.get_mut(place) {
            let mut dice = fleet.named(name).named(&host.name);
            act(host, &mut dice);
        }
    }
}

/// Upgrades that have reached a part of the herd: packages, their new version, percent of the hosts, their daemon.
type Upgrade = (&'static [&'static str], &'static str, usize, Option<&'static str>);
const UPGRADES: &[Upgrade] = &[
    (&["nginx", "nginx-common"], "1.22.1-9+deb12u4", 34, Some("nginx")),
    (&["postgresql-15", "postgresql-client-15"], "15.15-0+deb12u1", 40, Some("postgres")),
    (&["haproxy"], "2.6.12-1+deb12u3", 34, Some("haproxy")),
    (&["curl", "libcurl4", "libcurl3-gnutls"], "7.88.1-10+deb12u16", 60, None),
    (&["tzdata"], "2025c-0+deb12u1", 85, None),
];

fn upgrades(hosts: &mut [Host], fleet: &Dice) {
    for &(names, version, share, daemon) in UPGRADES {
        let name = names.first().copied().unwrap_or_default();
        let places = some_of(hosts, fleet, name, share, 1);
        each(hosts, &places, fleet, name, |host, dice| {
            for package in host.packages.iter_mut().filter(|package| names.contains(&package.name.as_str())) {
                version.clone_into(&mut package.version);
            }
            image::refresh(host);
            let restarted = host.clock.now - dice.between(3_000, 200_000).min(host.clock.uptime() / 2);
            for process in host.processes.iter_mut().filter(|process| Some(process.name.as_str()) == daemon) {
                process.started = restarted;
            }
        });
    }
}

/// One host tries the next kernel.
fn canary(hosts: &mut [Host], fleet: &Dice) {
    let place = some_of(hosts, fleet, "canary", 0, 1);
    each(hosts, &place, fleet, "canary", |host, _| {
        let old = host.kernel.release.clone();
        let new = "6.1.0-40-amd64";
        host.kernel = Kernel {
            release: new.to_owned(),
            build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)".to_owned(),
            arguments: host.kernel.arguments.replace(&old, new),
        };
    });
}

/// Another team's admin has a key on three hosts.
fn helping_admin(hosts: &mut [Host], fleet: &Dice) {
    let places = some_of(hosts, fleet, "helping admin", 0, 3);
    each(hosts, &places, fleet, "helping admin", |host, _| {
        if let Some(user) = host.user_mut("deploy") {
            user.keys.push(AuthorizedKey::of(fleet, "carol@bastion"));
        }
    });
}

/// systemd gives services private directories with random names.
fn private_directories(host: &mut Host, dice: &Dice) {
    let mut dice = dice.named("private directories");
    let boot = dice.hex(32);
    for service in ["systemd-logind", "systemd-timesyncd", host.role.front().process] {
        let suffix = dice.word(6);
        for above in ["/tmp", "/var/tmp"] {
            let path = format!("{above}/systemd-private-{boot}-{service}.service-{suffix}");
            host.files.put(path, 0o700, host.clock.booted, Content::Directory);
        }
    }
}

/// A busy server has many connections, and each exists only once.
fn traffic(host: &mut Host, dice: &Dice) {
    let mut dice = dice.named("traffic");
    let front = host.role.front();
    let is_worker = |process: &&Process| process.name == front.process && process.uid == front.account.0;
    let workers: Vec<u32> = host.processes.iter().filter(is_worker).map(|process| process.pid).collect();
    for _ in 0..dice.between(10, 90) {
        let client = image::client(host.role, &mut dice);
        let here = SocketAddr::new(host.address.into(), front.port);
        let there = SocketAddr::new(client.into(), dice.port(10_000, 64_000));
        let owners: Vec<u32> = dice.pick(&workers).copied().filter(|pid| pid % 3 > 0).into_iter().collect();
        let state = if owners.is_empty() { TcpState::TimeWait } else { TcpState::Established };
        host.listen(&mut dice, front.account.0, &owners, SocketKind::Tcp(here, there, state));
    }
}

/// What happens to run at the moment of looking: jobs, somebody who guesses passwords, a health check.
fn passing_processes(host: &mut Host, dice: &Dice) {
    let mut dice = dice.named("passing processes");
    for _ in 0..dice.between(0, 4) {
        let pid = host.next_pid(&mut dice, 4000);
        let started = host.clock.now - dice.between(0, 50);
        let mut process = match dice.between(0, 4) {
            0 => Process::new(pid, 1, "/usr/sbin/sshd", &["sshd: unknown [priv]"]).unit("ssh.service"),
            1 if host.role == Role::Web => {
                let batch = dice.between(1_000, 99_999).to_string();
                let line =
                    ["python3", "/srv/app/current/bin/manage", "send_queued_mail", "--batch", batch.as_str()];
                Process::new(pid, 1, "/usr/bin/python3.11", &line).user(995, 995).unit("cron.service")
            }
            2 => {
                let file = format!("/tmp/health.{}", dice.word(10));
                Process::new(
                    pid,
                    1,
                    "/usr/bin/curl",
                    &["curl", "-s", "-o", file.as_str(), "localhost:8081/health"],
                )
            }
            _ => {
                let seconds = dice.between(5, 300).to_string();
                let unit = if host.role == Role::Web { "app.service" } else { "cron.service" };
                Process::new(pid, 1, "/usr/bin/sleep", &["sleep", seconds.as_str()]).unit(unit)
            }
        };
        process.started = started;
        host.processes.push(process);
    }
}

/// Two admins are logged in somewhere.
fn people_at_work(hosts: &mut [Host], fleet: &Dice) {
    let places = some_of(hosts, fleet, "people at work", 8, 2);
    each(hosts, &places, fleet, "people at work", |host, dice| {
        let (name, uid) = if dice.chance(50) { ("ana", 1001) } else { ("ben", 1002) };
        log_in(host, dice, name, uid);
    });
}

fn log_in(host: &mut Host, dice: &mut Dice, name: &str, uid: u32) {
    let Some(listener) = host.process("sshd").map(|process| process.pid) else { return };
    let started = host.clock.now - dice.between(200, 9_000).min(host.clock.uptime() / 2);
    let session = dice.between(100, 4_000);
    let scope = format!("/user.slice/user-{uid}.slice/session-{session}.scope");
    let add = |host: &mut Host, pid, parent, path: &str, title: &str, owner: u32| {
        let mut process = Process::new(pid, parent, path, &[title]).user(owner, owner).started(started);
        process.cgroup.clone_from(&scope);
        if owner != 0 {
            process.cwd = format!("/home/{name}");
        }
        host.processes.push(process);
    };
    let monitor = host.next_pid(dice, 3000);
    add(host, monitor, listener, "/usr/sbin/sshd", &format!("sshd: {name} [priv]"), 0);
    let session = host.next_pid(dice, 9);
    add(host, session, monitor, "/usr/sbin/sshd", &format!("sshd: {name}@pts/0"), uid);
    let shell = host.next_pid(dice, 9);
    add(host, shell, session, "/usr/bin/bash", "-bash", uid);
    let tool = host.next_pid(dice, 90);
    add(host, tool, shell, "/usr/bin/htop", "htop", uid);
    let here = SocketAddr::new(host.address.into(), 22);
    let [a, b, c] = image::ADMIN_NETWORK;
    let bastion = Ipv4Addr::new(a, b, c, 12);
    let there = SocketAddr::new(bastion.into(), dice.port(32_768, 60_999));
    host.listen(dice, 0, &[monitor, session], SocketKind::Tcp(here, there, TcpState::Established));
}

/// Python was upgraded under services that nobody restarted: they run from a deleted file, and mean no harm.
fn unrestarted_services(hosts: &mut [Host], fleet: &Dice) {
    let places = some_of(hosts, fleet, "python upgrade", 12, 2);
    each(hosts, &places, fleet, "python upgrade", |host, _| {
        for package in host.packages.iter_mut().filter(|package| package.name.contains("python3.11")) {
            "3.11.2-6+deb12u7".clone_into(&mut package.version);
        }
        image::refresh(host);
        for process in host.processes.iter_mut().filter(|process| process.name == "fail2ban-server") {
            process.program = Program::Deleted("/usr/bin/python3.11".to_owned());
        }
    });
}

/// Somebody looked for an error here once and did not clean up.
fn leftovers(hosts: &mut [Host], fleet: &Dice) {
    let places = some_of(hosts, fleet, "leftovers", 4, 1);
    each(hosts, &places, fleet, "leftovers", |host, dice| {
        let then =
            host.clock.installed + dice.between(0, host.clock.now.saturating_sub(host.clock.installed));
        match dice.between(0, 4) {
            0 => host.files.text("/root/.bashrc", then, "alias ll='ls -la'\nexport HISTSIZE=50000\n"),
            1 => host.files.text("/etc/profile.d/debug.sh", then, "export PYTHONFAULTHANDLER=1\n"),
            2 => {
                let pid = host.next_pid(dice, 5000);
                let trace = format!("/tmp/trace-{}.log", dice.word(8));
                let mut tail = Process::new(pid, 1, "/usr/bin/tail", &["tail", "-F", host.role.front().log]);
                tail.started = host.clock.now - host.clock.uptime() / 3;
                tail.open.push(trace);
                host.processes.push(tail);
            }
            _ => {
                let pid = host.next_pid(dice, 5000);
                let mut server =
                    Process::new(pid, 1, "/usr/bin/python3.11", &["python3", "-m", "http.server", "8899"]);
                server = server.user(1001, 1001).started(host.clock.now - host.clock.uptime() / 4);
                "python3".clone_into(&mut server.name);
                host.processes.push(server);
                host.listen(dice, 1001, &[pid], SocketKind::TcpListener(anywhere(8899)));
            }
        }
    });
}

/// One of the agents died by itself.
fn crashed_agents(hosts: &mut [Host], fleet: &Dice) {
    let places = some_of(hosts, fleet, "crashed agents", 3, 1);
    each(hosts, &places, fleet, "crashed agents", |host, _| {
        host.stop(|process| process.name == "wazuh-modulesd");
    });
}

/// A few hosts carry one more job, as the first of a herd often does.
fn scheduled_work(hosts: &mut [Host], fleet: &Dice) {
    let places = some_of(hosts, fleet, "scheduled work", 2, 1);
    each(hosts, &places, fleet, "scheduled work", |host, dice| {
        let (name, what) = match host.role {
            Role::Web => ("app-digest", "webapp /srv/app/current/bin/manage send_digest"),
            Role::Database => ("pg-reindex", "postgres reindexdb --concurrently app"),
            Role::Balancer => ("haproxy-report", "haproxy /usr/local/bin/report-traffic"),
        };
        let job = format!("{} 1 * * * {what}", dice.between(0, 60));
        host.crontabs.push(Crontab {
            path: format!("/etc/cron.d/{name}"),
            changed: host.clock.installed + 90_000,
            lines: vec![job],
        });
    });
}

impl Host {
    /// Ends processes, with their sockets.
    pub fn stop(&mut self, which: impl Fn(&Process) -> bool) {
        let ended: Vec<u32> =
            self.processes.iter().filter(|&process| which(process)).map(|process| process.pid).collect();
        self.processes.retain(|process| !ended.contains(&process.pid));
        for socket in &mut self.sockets {
            socket.owners.retain(|owner| !ended.contains(owner));
        }
        // A connection outlives its process for a while, everything else goes with the last that had it open.
        self.sockets.retain(|socket| {
            !socket.owners.is_empty() || matches!(socket.kind, SocketKind::Tcp(_, _, TcpState::TimeWait))
        });
    }
}

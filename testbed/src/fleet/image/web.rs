//! What a web server runs: nginx in front, a Python application behind, a database and a cache elsewhere.

use super::{CACHE, DATABASE};
use crate::dice::Dice;
use crate::fleet::host::Host;
use crate::fleet::network::{SocketKind, TcpState, anywhere, anywhere_v6, loopback};
use crate::fleet::process::Process;
use std::net::{Ipv4Addr, SocketAddr};

const WORKERS: usize = 4;

/// Starts what a web server runs.
pub(super) fn start(host: &mut Host, own: &Dice) {
    let mut dice = own.named("web");
    application(host, &mut dice);
    front(host, &mut dice);
}

fn front(host: &mut Host, dice: &mut Dice) {
    let path = "/usr/sbin/nginx";
    let started = host.clock.booted + 11;
    let master = host.next_pid(dice, 40);
    let title = "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;";
    host.processes.push(Process::new(master, 1, path, &[title]).unit("nginx.service").started(started));
    let mut pids = vec![master];
    for _ in 0..WORKERS {
        let pid = host.next_pid(dice, 3);
        let mut worker = Process::new(pid, master, path, &["nginx: worker process"]).user(33, 33);
        worker = worker.unit("nginx.service").started(started);
        worker.resident_kb = 9_000 + dice.between(0, 6_000);
        worker.busy = dice.between(2_000, 900_000);
        worker.open = vec!["/var/log/nginx/access.log".to_owned(), "/var/log/nginx/error.log".to_owned()];
        host.processes.push(worker);
        pids.push(pid);
    }
    for address in [anywhere(80), anywhere(443), anywhere_v6(80), anywhere_v6(443)] {
        host.listen(dice, 0, &pids, SocketKind::TcpListener(address));
    }
    host.listen(dice, 0, &pids, SocketKind::TcpListener(loopback(8081)));
    // Requests that come through the two balancers, some of them just over.
    for _ in 0..dice.between(4, 14) {
        let balancer = Ipv4Addr::new(10, 20, 0, if dice.chance(50) { 2 } else { 3 });
        let here = SocketAddr::new(host.address.into(), 443);
        let there = SocketAddr::new(balancer.into(), dice.port(10_000, 64_000));
        let worker = dice.pick(pids.get(1..).unwrap_or_default()).copied();
        let (owners, state) = match worker {
            Some(worker) if dice.chance(70) => (vec![worker], TcpState::Established),
            _ => (Vec::new(), TcpState::TimeWait),
        };
        host.listen(dice, 33, &owners, SocketKind::Tcp(here, there, state));
    }
}

fn application(host: &mut Host, dice: &mut Dice) {
    let path = "/usr/bin/python3.11";
    let started = host.clock.booted + 10;
    // The pid file has a random name, and the process title carries the host's name: both differ everywhere.
    let pid_file = format!("/run/app/gunicorn-{}.pid", dice.word(6));
    let title = format!("app@{}", host.name);
    let arguments = [
        "/usr/bin/python3",
        "/usr/bin/gunicorn",
        "--bind",
        "127.0.0.1:8000",
        "--workers",
        "4",
        "--name",
        &title,
        "--pid",
        &pid_file,
        "app.wsgi:application",
    ];
    let process = |pid, parent, started| {
        let mut process =
            Process::new(pid, parent, path, &arguments).user(995, 995).unit("app.service").started(started);
        "gunicorn".clone_into(&mut process.name);
        "/srv/app/current".clone_into(&mut process.cwd);
        process.environment.push("DJANGO_SETTINGS_MODULE=app.settings.production".to_owned());
        process
    };
    let master = host.next_pid(dice, 40);
    host.processes.push(process(master, 1, started));
    let mut pids = vec![master];
    for _ in 0..WORKERS {
        let pid = host.next_pid(dice, 900);
        // Workers are renewed after so many requests.
        let mut worker = process(pid, master, host.clock.now - dice.between(60, 40_000));
        worker.resident_kb = 60_000 + dice.between(0, 50_000);
        worker.busy = dice.between(100, 90_000);
        host.processes.push(worker);
        pids.push(pid);
    }
    host.listen(dice, 995, &pids, SocketKind::TcpListener(loopback(8000)));
    for &worker in pids.iter().skip(1) {
        for (server, port) in [(DATABASE, 5432), (CACHE, 6379)] {
            let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
            let there = SocketAddr::new(server.into(), port);
            host.listen(dice, 995, &[worker], SocketKind::Tcp(here, there, TcpState::Established));
        }
    }
}

//! What a load balancer runs: HAProxy before the web servers, and keepalived, which moves the address.

use super::accounts::NOLOGIN;
use super::{files, packages, service};
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::Host;
use crate::fleet::network::{SocketKind, TcpState, anywhere, anywhere_v6, loopback};
use crate::fleet::process::Process;
use std::net::{Ipv4Addr, SocketAddr};

/// What is on balancers only.
pub(super) const PACKAGES: &str = include_str!("../../../data/debian12/lb.tsv");

/// Installs what a balancer runs.
pub(super) fn install(host: &mut Host, fleet: &Dice) {
    let installed = host.clock.installed;
    let front = host.role.front();
    host.packages.extend(packages(PACKAGES));
    service::account(host, "haproxy", front.account, "", front.place, NOLOGIN);
    let files = &mut host.files;
    for name in ["haproxy", "keepalived"] {
        files::script(files, &format!("/etc/init.d/{name}"), fleet);
    }
    files::unit(
        files,
        "haproxy",
        "/usr/sbin/haproxy -Ws -f $CONFIG -p $PIDFILE $EXTRAOPTS",
        installed,
        fleet,
    );
    files::unit(files, "keepalived", "/usr/sbin/keepalived --dont-fork $DAEMON_ARGS", installed, fleet);
    files.put(front.place, 0o755, installed, Content::Directory);
    files.text(
        "/etc/haproxy/haproxy.cfg",
        installed,
        "frontend web\n  bind :80\n  bind :443 ssl\n  default_backend web\n",
    );
}

/// Starts it.
pub(super) fn start(host: &mut Host, own: &Dice) {
    let mut dice = own.named("balancer");
    let front = host.role.front();
    let started = host.clock.booted + 10;
    let path = "/usr/sbin/haproxy";
    let line = [path, "-Ws", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/haproxy.pid"];
    let master = host.next_pid(&mut dice, 40);
    host.processes.push(Process::new(master, 1, path, &line).unit(front.unit).started(started));
    let worker = host.next_pid(&mut dice, 5);
    let (uid, gid) = front.account;
    let mut process =
        Process::new(worker, master, path, &line).user(uid, gid).unit(front.unit).started(started);
    process.threads = host.hardware.cores;
    process.resident_kb = 90_000 + dice.between(0, 40_000);
    process.busy = dice.between(90_000, 9_000_000);
    host.processes.push(process);
    for address in [anywhere(80), anywhere(443), anywhere_v6(80), anywhere_v6(443), loopback(8404)] {
        host.listen(&mut dice, 0, &[worker], SocketKind::TcpListener(address));
    }
    let connections = dice.between(6, 16);
    service::serve(host, &mut dice, &[worker], connections);
    for _ in 0..connections / 2 {
        let web = Ipv4Addr::new(10, 20, 0, u8::try_from(dice.between(11, 99)).unwrap_or(11));
        let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
        let kind = SocketKind::Tcp(here, SocketAddr::new(web.into(), 443), TcpState::Established);
        host.listen(&mut dice, uid, &[worker], kind);
    }
    keepalived(host, &mut dice, started);
}

fn keepalived(host: &mut Host, dice: &mut Dice, started: u64) {
    let path = "/usr/sbin/keepalived";
    let mut parent = 1;
    // One watches, the other speaks to the other balancer.
    for _ in 0..2 {
        let pid = host.next_pid(dice, 5);
        let process = Process::new(pid, parent, path, &[path, "--dont-fork"]).unit("keepalived.service");
        host.processes.push(process.started(started));
        parent = pid;
    }
}

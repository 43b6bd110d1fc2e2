//! Attacks that come back after a restart.

use super::Trace;
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::{Crontab, Host, Module};
use crate::fleet::network::{SocketKind, anywhere};
use crate::fleet::process::{Process, Program};

/// A time at which an attacker was at work: some days ago, and the host was up.
pub(super) fn break_in(host: &Host, dice: &mut Dice) -> u64 {
    host.clock.now - dice.between(20_000, 320_000).min(host.clock.uptime() / 2)
}

pub(super) fn cron_implant(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let then = break_in(host, &mut dice);
    let path = "/var/tmp/.cache/fontconfd";
    let job = format!(
        "*/10 * * * * root pgrep -f {path} >/dev/null || (cp /usr/share/fonts/.uuid {path} && {path} -q)"
    );
    host.crontabs.push(Crontab {
        path: "/etc/cron.d/fontconfig-cache".to_owned(),
        changed: then,
        lines: vec!["SHELL=/bin/sh".to_owned(), job.clone()],
    });
    host.files.put("/var/tmp/.cache", 0o700, then, Content::Directory);
    host.files.put("/usr/share/fonts/.uuid", 0o644, then, Content::Program("fontconfd".to_owned()));
    let pid = host.next_pid(&mut dice, 3000);
    let mut process = Process::new(pid, 1, path, &[path, "-q"]).unit("cron.service").started(then + 340);
    process.program = Program::Deleted(path.to_owned());
    process.threads = 3;
    process.busy = 48_211;
    process.open = vec!["anon_inode:[eventpoll]".to_owned()];
    host.processes.push(process);
    host.listen(&mut dice, 0, &[pid], SocketKind::TcpListener(anywhere(31_337)));
    let command = job.splitn(6, ' ').nth(5).unwrap_or_default();
    vec![
        Trace::added("crontab", [("path", "/etc/cron.d/fontconfig-cache"), ("command", command)]),
        Trace::added("listening_ports", [("port", "31337"), ("process_path", path), ("on_disk", "0")]),
        Trace::added("processes", [("path", path), ("on_disk", "0")]),
        Trace::added("persistence_files", [("path", "/etc/cron.d/fontconfig-cache")]),
    ]
}

pub(super) fn preload(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let library = "/usr/lib/x86_64-linux-gnu/libkeyutils.so.1.9";
    host.files.text("/etc/ld.so.preload", then, format!("{library}\n"));
    host.files.put(library, 0o755, then, Content::Program("preloaded library".to_owned()));
    vec![Trace::added("persistence_files", [("path", "/etc/ld.so.preload")])]
}

pub(super) fn kernel_module(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let name = "snd_hrtimer_seq";
    host.modules.insert(0, Module { name: name.to_owned(), size: 40_960, used_by: Vec::new() });
    host.files.text("/etc/modules-load.d/alsa-seq.conf", then, format!("{name}\n"));
    vec![Trace::added("kernel_modules", [("name", name)])]
}

pub(super) fn trojaned_binary(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let path = "/usr/sbin/sshd";
    let implant = format!("sshd with a master password {}", dice.hex(8));
    if let Some(file) = host.files.get_mut(path) {
        // The time was set back to that of the package, as attackers do.
        file.content = Content::Program(implant);
    }
    vec![Trace::changed("process_hashes", [("path", path)])]
}

pub(super) fn systemd_unit(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let then = break_in(host, &mut dice);
    let (unit, path) =
        ("/etc/systemd/system/systemd-resolv-helper.service", "/usr/lib/systemd/systemd-resolvh");
    let text = format!(
        "[Unit]\nDescription=Network Name Resolution Helper\n\n[Service]\nExecStart={path} --daemon\nRestart=always\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    host.files.text(unit, then, text);
    host.files.program(path, then, format!("implant {}", dice.hex(8)));
    let pid = host.next_pid(&mut dice, 3000);
    let process = Process::new(pid, 1, path, &[path, "--daemon"])
        .unit("systemd-resolv-helper.service")
        .started(then + 3);
    host.processes.push(process);
    vec![
        Trace::added("persistence_files", [("path", unit)]),
        Trace::added("processes", [("path", path)]),
        Trace::added("process_hashes", [("path", path)]),
    ]
}

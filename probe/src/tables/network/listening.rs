//! `listening_ports`: where somebody waits for others.

use super::sockets::{address_text, asked_pids, held_sockets};
use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "listening_ports",
    about: "Sockets that wait for others: no remote end, or a name in the file system.",
    sources: "as process_open_sockets",
    differences: "",
    columns: &[
        integer("pid").pushed(),
        integer("port"),
        integer("protocol"),
        integer("family"),
        text("address"),
        bigint("fd"),
        bigint("socket"),
        text("path"),
        text("net_namespace"),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let pids = asked_pids(scan);
    let mut rows = Vec::new();
    for held in held_sockets(&scan.host, pids.as_deref()) {
        let socket = &held.socket;
        let local = match (socket.local, socket.remote) {
            (Some(_), Some((_, port))) if port != 0 => continue,
            (Some(local), _) => Some(local),
            // A nameless socket between two processes is no door.
            (None, _) if socket.path.is_empty() => continue,
            (None, _) => None,
        };
        let (pid, fd) = held.holder.map_or((-1, -1), |(pid, fd)| (i64::from(pid), i64::from(fd)));
        rows.push(row![
            pid,
            local.map_or(0, |(_, port)| u32::from(port)),
            u32::from(socket.protocol),
            u32::from(socket.family),
            address_text(local),
            fd,
            if local.is_some() { socket.inode } else { 0 },
            &socket.path,
            &*held.namespace
        ]);
    }
    Ok(all(rows))
}

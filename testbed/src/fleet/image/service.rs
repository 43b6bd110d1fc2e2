//! What the services of all roles have in common: who serves, and whom.

use super::client;
use crate::dice::Dice;
use crate::fleet::host::{Group, Host, User};
use crate::fleet::network::{SocketKind, TcpState};
use std::net::SocketAddr;

/// Gives a service its account.
pub(super) fn account(
    host: &mut Host,
    name: &str,
    (uid, gid): (u32, u32),
    comment: &str,
    home: &str,
    shell: &str,
) {
    host.users.push(User {
        name: name.to_owned(),
        uid,
        gid,
        comment: comment.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
        keys: Vec::new(),
    });
    host.groups.push(Group { name: name.to_owned(), gid, members: Vec::new() });
}

/// Connections to the service, some of them just over. Each worker serves some.
pub(super) fn serve(host: &mut Host, dice: &mut Dice, workers: &[u32], connections: u64) {
    let front = host.role.front();
    for _ in 0..connections {
        let here = SocketAddr::new(host.address.into(), front.port);
        let there = SocketAddr::new(client(host.role, dice).into(), dice.port(10_000, 64_000));
        let (owners, state) = match dice.pick(workers).copied() {
            Some(worker) if dice.chance(70) => (vec![worker], TcpState::Established),
            _ => (Vec::new(), TcpState::TimeWait),
        };
        host.listen(dice, front.account.0, &owners, SocketKind::Tcp(here, there, state));
    }
}

//! Local sockets of the image.

use crate::dice::Dice;
use crate::fleet::host::Host;
use crate::fleet::network::SocketKind;

/// Path, and the process that has it open.
const LOCAL: &[(&str, &str)] = &[
    ("/run/systemd/private", "systemd"),
    ("/run/systemd/notify", "systemd"),
    ("/run/systemd/journal/dev-log", "systemd-journal"),
    ("/run/systemd/journal/stdout", "systemd-journal"),
    ("/run/systemd/journal/socket", "systemd-journal"),
    ("/run/udev/control", "systemd-udevd"),
    ("/run/dbus/system_bus_socket", "dbus-daemon"),
    ("/var/run/fail2ban/fail2ban.sock", "fail2ban-server"),
    ("/var/ossec/queue/sockets/queue", "wazuh-agentd"),
    ("/var/ossec/queue/alerts/execq", "wazuh-execd"),
];

impl Host {
    /// Gives processes a socket.
    pub fn listen(&mut self, dice: &mut Dice, uid: u32, owners: &[u32], kind: SocketKind) {
        let inode = self.next_inode(dice);
        self.sockets.push(crate::fleet::network::Socket { inode, uid, owners: owners.to_vec(), kind });
    }
}

/// Opens the local sockets that every host has.
pub(super) fn local(host: &mut Host, own: &Dice) {
    let mut dice = own.named("local sockets");
    for &(path, owner) in LOCAL {
        let owners: Vec<_> = host.process(owner).map(|process| process.pid).into_iter().collect();
        host.listen(&mut dice, 0, &owners, SocketKind::Unix(path.to_owned()));
    }
}

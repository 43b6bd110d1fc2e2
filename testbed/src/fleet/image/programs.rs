//! Programs of the image and the package that brings each; what Python knows of its own packages.

use crate::fleet::file::Content;
use crate::fleet::host::Host;

/// Path, package, mode.
const PROGRAMS: &[(&str, &str, u32)] = &[
    ("/usr/bin/bash", "bash", 0o755),
    ("/usr/bin/dash", "dash", 0o755),
    ("/usr/bin/cat", "coreutils", 0o755),
    ("/usr/bin/ls", "coreutils", 0o755),
    ("/usr/bin/ps", "procps", 0o755),
    ("/usr/bin/htop", "procps", 0o755),
    ("/usr/bin/sleep", "coreutils", 0o755),
    ("/usr/bin/tail", "coreutils", 0o755),
    ("/usr/bin/curl", "curl", 0o755),
    ("/usr/bin/dbus-daemon", "dbus-daemon", 0o755),
    ("/usr/bin/python3.11", "python3.11-minimal", 0o755),
    ("/usr/bin/prometheus-node-exporter", "prometheus-node-exporter", 0o755),
    ("/usr/bin/tmux", "tmux", 0o755),
    ("/usr/lib/polkit-1/polkitd", "polkitd", 0o755),
    ("/usr/lib/systemd/systemd", "systemd", 0o755),
    ("/usr/lib/systemd/systemd-journald", "systemd", 0o755),
    ("/usr/lib/systemd/systemd-logind", "systemd", 0o755),
    ("/usr/lib/systemd/systemd-networkd", "systemd", 0o755),
    ("/usr/lib/systemd/systemd-timesyncd", "systemd-timesyncd", 0o755),
    ("/usr/bin/udevadm", "udev", 0o755),
    ("/usr/sbin/agetty", "util-linux", 0o755),
    ("/usr/sbin/cron", "cron", 0o755),
    ("/usr/sbin/nginx", "nginx", 0o755),
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql-15", 0o755),
    ("/usr/bin/pgbackrest", "pgbackrest", 0o755),
    ("/usr/sbin/haproxy", "haproxy", 0o755),
    ("/usr/sbin/keepalived", "keepalived", 0o755),
    ("/usr/sbin/qemu-ga", "qemu-guest-agent", 0o755),
    ("/usr/sbin/rsyslogd", "rsyslog", 0o755),
    ("/usr/sbin/sshd", "openssh-server", 0o755),
    ("/var/ossec/bin/wazuh-agentd", "wazuh-agent", 0o750),
    ("/var/ossec/bin/wazuh-execd", "wazuh-agent", 0o750),
    ("/var/ossec/bin/wazuh-logcollector", "wazuh-agent", 0o750),
    ("/var/ossec/bin/wazuh-modulesd", "wazuh-agent", 0o750),
    ("/var/ossec/bin/wazuh-syscheckd", "wazuh-agent", 0o750),
    ("/usr/bin/chfn", "passwd", 0o4755),
    ("/usr/bin/chsh", "passwd", 0o4755),
    ("/usr/bin/chage", "passwd", 0o2755),
    ("/usr/bin/crontab", "cron", 0o2755),
    ("/usr/bin/expiry", "passwd", 0o2755),
    ("/usr/bin/gpasswd", "passwd", 0o4755),
    ("/usr/bin/mount", "mount", 0o4755),
    ("/usr/bin/newgrp", "login", 0o4755),
    ("/usr/bin/passwd", "passwd", 0o4755),
    ("/usr/bin/ssh-agent", "openssh-client", 0o2755),
    ("/usr/bin/su", "util-linux", 0o4755),
    ("/usr/bin/sudo", "sudo", 0o4755),
    ("/usr/bin/umount", "mount", 0o4755),
    ("/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "dbus", 0o4754),
    ("/usr/lib/openssh/ssh-keysign", "openssh-client", 0o4755),
    ("/usr/lib/polkit-1/polkit-agent-helper-1", "polkitd", 0o4755),
    ("/usr/sbin/unix_chkpwd", "libpam-modules-bin", 0o2755),
];

/// Where Debian's packages put Python's.
pub(crate) const PYTHON: &str = "/usr/lib/python3/dist-packages";

/// Lets Python's packages say what they are, as they came with the image.
pub(super) fn describe(host: &mut Host) {
    const BUILT: u64 = 1_680_000_000;
    for package in &host.packages {
        let Some(name) = package.name.strip_prefix("python3-").filter(|name| *name != "minimal") else {
            continue;
        };
        let version = package.version.split(['-', '+']).next().unwrap_or_default();
        let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        host.files.text(format!("{PYTHON}/{name}-{version}.dist-info/METADATA"), BUILT, text);
    }
}

/// Makes the programs those of the installed versions: after the image was made, and after an upgrade.
pub(crate) fn refresh(host: &mut Host) {
    // Files of a package carry the time when it was built, which is the same on every host.
    const BUILT: u64 = 1_740_000_000;
    for &(path, package, mode) in PROGRAMS {
        let Some(version) = host.package(package).map(|package| package.version.clone()) else { continue };
        let digits = version.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 20_000_000);
        host.files.put(path, mode, BUILT + digits, Content::Program(format!("{path} {package} {version}")));
    }
}

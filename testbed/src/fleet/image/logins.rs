//! Files of the image that decide who may come in and what happens then.

use super::files::packaged;
use crate::dice::Dice;
use crate::fleet::host::Host;

/// Files that came with packages and were not touched since: path and text.
const PACKAGED: &[(&str, &str)] = &[
    (
        "/etc/pam.d/common-auth",
        "auth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n",
    ),
    (
        "/etc/pam.d/common-account",
        "account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so\naccount\trequisite\tpam_deny.so\n",
    ),
    ("/etc/pam.d/common-password", "password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt\n"),
    ("/etc/pam.d/common-session", "session\trequired\tpam_unix.so\nsession\toptional\tpam_systemd.so\n"),
    ("/etc/pam.d/common-session-noninteractive", "session\trequired\tpam_unix.so\n"),
    ("/etc/pam.d/chfn", "auth\tsufficient\tpam_rootok.so\n@include common-auth\n"),
    ("/etc/pam.d/chsh", "auth\trequired\tpam_shells.so\n@include common-auth\n"),
    ("/etc/pam.d/cron", "@include common-auth\nsession\trequired\tpam_env.so\n"),
    ("/etc/pam.d/login", "auth\toptional\tpam_faildelay.so delay=3000000\n@include common-auth\n"),
    ("/etc/pam.d/other", "@include common-auth\n@include common-account\n"),
    ("/etc/pam.d/passwd", "@include common-password\n"),
    ("/etc/pam.d/polkit-1", "@include common-auth\n@include common-account\n"),
    ("/etc/pam.d/runuser", "auth\tsufficient\tpam_rootok.so\n"),
    ("/etc/pam.d/sshd", "@include common-auth\naccount\trequired\tpam_nologin.so\n@include common-account\n"),
    ("/etc/pam.d/su", "auth\tsufficient\tpam_rootok.so\n@include common-auth\n"),
    ("/etc/pam.d/sudo", "session\trequired\tpam_limits.so\n@include common-auth\n"),
    ("/etc/pam.d/systemd-user", "@include common-account\nsession\trequired\tpam_limits.so\n"),
    (
        "/etc/ssh/ssh_config",
        "Include /etc/ssh/ssh_config.d/*.conf\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n",
    ),
    ("/etc/update-motd.d/10-uname", "#!/bin/sh\nuname -snrvm\n"),
    ("/etc/modules-load.d/modules.conf", "# /etc/modules: kernel modules to load at boot time.\n"),
    ("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
    ("/etc/ld.so.conf.d/libc.conf", "# libc default configuration\n/usr/local/lib\n"),
    ("/etc/ld.so.conf.d/x86_64-linux-gnu.conf", "/usr/local/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu\n"),
    ("/etc/apt/apt.conf.d/01autoremove", "APT { NeverAutoRemove { \"^firmware-linux.*\"; }; };\n"),
    (
        "/etc/apt/apt.conf.d/50unattended-upgrades",
        "Unattended-Upgrade::Origins-Pattern { \"origin=Debian\"; };\n",
    ),
    (
        "/etc/apt/apt.conf.d/70debconf",
        "DPkg::Pre-Install-Pkgs {\"/usr/sbin/dpkg-preconfigure --apt || true\";};\n",
    ),
    (
        "/etc/bash.bashrc",
        "# System-wide .bashrc file for interactive bash(1) shells.\n[ -z \"${PS1-}\" ] && return\n",
    ),
    ("/etc/hosts.allow", "# /etc/hosts.allow: list of hosts that are allowed to access the system.\n"),
    ("/etc/hosts.deny", "# /etc/hosts.deny: list of hosts that are _not_ allowed to access the system.\n"),
];

/// Files that the installation has written.
const INSTALLED: &[(&str, &str)] = &[
    (
        "/etc/ssh/sshd_config",
        "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nPrintMotd no\n\
         Subsystem\tsftp\t/usr/lib/openssh/sftp-server\n",
    ),
    (
        "/etc/ssh/sshd_config.d/10-house.conf",
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n",
    ),
    ("/etc/apt/apt.conf.d/20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"1\";\n"),
];

/// Puts them there.
pub(super) fn add(host: &mut Host, fleet: &Dice) {
    for &(path, text) in PACKAGED {
        host.files.text(path, packaged(path, fleet), text);
    }
    let installed = host.clock.installed;
    for &(path, text) in INSTALLED {
        host.files.text(path, installed, text);
    }
}

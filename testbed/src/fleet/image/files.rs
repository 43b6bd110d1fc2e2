//! Files of the image that are neither programs nor written from other parts of the description.

use crate::dice::Dice;
use crate::fleet::file::{Content, Files};
use crate::fleet::host::Crontab;

const OS_RELEASE: &str = r#"PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
"#;

const BASHRC: &str = "# ~/.bashrc: executed by bash(1) for non-login shells.\n\n# You may uncomment the following lines if \
                      you want `ls' to be colorized:\n# export LS_OPTIONS='--color=auto'\n";
const PROFILE: &str = "if [ \"$BASH\" ]; then\n  if [ -f ~/.bashrc ]; then\n    . ~/.bashrc\n  fi\nfi\n\nmesg n 2> /dev/null || true\n";

/// Crontabs: path and lines.
const CRONTABS: &[(&str, &[&str])] = &[
    (
        "/etc/crontab",
        &[
            "# /etc/crontab: system-wide crontab",
            "SHELL=/bin/sh",
            "PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin",
            "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly",
            "25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
            "47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }",
            "52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }",
        ],
    ),
    (
        "/etc/cron.d/e2scrub_all",
        &[
            "30 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/x86_64-linux-gnu/e2fsprogs/e2scrub_all_cron",
            "10 3 * * * root test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r",
        ],
    ),
    (
        "/var/spool/cron/crontabs/deploy",
        &["# edited by the deployment", "40 4 * * * /home/deploy/bin/prune-releases --keep 5"],
    ),
];

/// Scripts that packages put into directories from which things are started: path and what is in them.
const SCRIPTS: &[&str] = &[
    "/etc/cron.daily/apt-compat",
    "/etc/cron.daily/dpkg",
    "/etc/cron.daily/logrotate",
    "/etc/cron.daily/man-db",
    "/etc/cron.weekly/man-db",
    "/etc/init.d/apparmor",
    "/etc/init.d/cron",
    "/etc/init.d/dbus",
    "/etc/init.d/fail2ban",
    "/etc/init.d/kmod",
    "/etc/init.d/networking",
    "/etc/init.d/procps",
    "/etc/init.d/prometheus-node-exporter",
    "/etc/init.d/qemu-guest-agent",
    "/etc/init.d/rsyslog",
    "/etc/init.d/ssh",
    "/etc/init.d/sudo",
    "/etc/init.d/udev",
    "/etc/init.d/unattended-upgrades",
];

/// Units: name and command.
const UNITS: &[(&str, &str)] = &[
    ("cron", "/usr/sbin/cron -f"),
    ("dbus", "/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile"),
    ("fail2ban", "/usr/bin/fail2ban-server -xf start"),
    ("prometheus-node-exporter", "/usr/bin/prometheus-node-exporter $ARGS"),
    ("qemu-guest-agent", "/usr/sbin/qemu-ga"),
    ("rsyslog", "/usr/sbin/rsyslogd -n -iNONE"),
    ("ssh", "/usr/sbin/sshd -D"),
    ("systemd-networkd", "!!/lib/systemd/systemd-networkd"),
    ("systemd-timesyncd", "!!/lib/systemd/systemd-timesyncd"),
    ("unattended-upgrades", "/usr/share/unattended-upgrades/unattended-upgrade-shutdown --wait-for-signal"),
    ("wazuh-agent", "/var/ossec/bin/wazuh-control start"),
];

pub(super) fn crontabs(installed: u64) -> Vec<Crontab> {
    let crontab = |&(path, lines): &(&str, &[&str])| Crontab {
        path: path.to_owned(),
        changed: installed,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    };
    CRONTABS.iter().map(crontab).collect()
}

/// When a file of a package was made, which is the same everywhere.
pub(super) fn packaged(path: &str, fleet: &Dice) -> u64 {
    1_660_000_000 + fleet.named("package times").named(path).between(0, 60_000_000)
}

/// A script that a package starts or runs something with.
pub(super) fn script(files: &mut Files, path: &str, fleet: &Dice) {
    let text =
        format!("#!/bin/sh\nset -e\n# {path}\ntest -x /usr/sbin/$(basename \"$0\") || exit 0\nexit 0\n");
    files.put(path, 0o755, packaged(path, fleet), Content::Text(text));
}

/// A unit of a package, and the link that starts it.
pub(super) fn unit(files: &mut Files, name: &str, command: &str, installed: u64, fleet: &Dice) {
    let text = format!(
        "[Unit]\nDescription={name}\n\n[Service]\nExecStart={command}\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    let path = format!("/usr/lib/systemd/system/{name}.service");
    let made = packaged(&path, fleet);
    files.text(path, made, text);
    let link = format!("/etc/systemd/system/multi-user.target.wants/{name}.service");
    files.put(link, 0o777, installed, Content::Link(format!("/lib/systemd/system/{name}.service")));
}

pub(super) fn files(fleet: &Dice, installed: u64) -> Files {
    let mut files = Files::default();
    for path in SCRIPTS {
        script(&mut files, path, fleet);
    }
    for (name, command) in UNITS {
        unit(&mut files, name, command, installed, fleet);
    }
    files.put(
        "/etc/systemd/system/sshd.service",
        0o777,
        installed,
        Content::Link("/lib/systemd/system/ssh.service".to_owned()),
    );
    for directory in [
        "/etc/systemd/system/multi-user.target.wants",
        "/etc/systemd/system/timers.target.wants",
        "/etc/cron.hourly",
        "/etc/cron.monthly",
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/run",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/opt",
        "/home/deploy/bin",
    ] {
        let mode = if matches!(directory, "/tmp" | "/var/tmp" | "/dev/shm") { 0o1777 } else { 0o755 };
        files.put(directory, mode, installed, Content::Directory);
    }
    files.text("/usr/lib/os-release", 1_740_000_000, OS_RELEASE);
    files.put("/etc/os-release", 0o777, 1_740_000_000, Content::Link("../usr/lib/os-release".to_owned()));
    // The root of the control groups, by which they are recognised.
    files.text("/sys/fs/cgroup/cgroup.procs", installed, "");
    files.text("/etc/debian_version", 1_740_000_000, "12.11\n");
    files.text("/etc/profile", 1_640_000_000, "# /etc/profile: system-wide .profile file for the Bourne shell\nif [ -d /etc/profile.d ]; then\n  for i in /etc/profile.d/*.sh; do\n    . $i\n  done\nfi\n");
    files.text("/etc/profile.d/bash_completion.sh", 1_640_000_000, "# shellcheck shell=sh disable=SC1091\n[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion\n");
    files.text("/etc/profile.d/prompt.sh", installed, "PS1='\\u@\\h (prod):\\w\\$ '\nTMOUT=3600\n");
    files.text("/etc/environment", installed, "");
    files.text("/root/.bashrc", 1_620_000_000, BASHRC);
    files.text("/root/.profile", 1_620_000_000, PROFILE);
    files.text(
        "/etc/nsswitch.conf",
        1_660_000_000,
        "passwd:         files systemd\ngroup:          files systemd\nhosts:          files dns\n",
    );
    files.text(
        "/etc/resolv.conf",
        installed,
        "nameserver 10.20.0.53\nnameserver 10.20.0.54\nsearch prod.example.net\n",
    );
    files.text("/etc/shells", 1_640_000_000, "/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n");
    files.put("/etc/sudoers", 0o440, 1_660_000_000, Content::Text("Defaults\tenv_reset\nroot\tALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n".to_owned()));
    files.put(
        "/etc/sudoers.d/deploy",
        0o440,
        installed,
        Content::Text("deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart app.service\n".to_owned()),
    );
    files
}

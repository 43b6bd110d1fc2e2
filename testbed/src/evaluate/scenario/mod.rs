//! Scenarios: what an attacker leaves in the rows of a host, named and numbered as by MITRE ATT&CK. Some are blatant, some hide
//! among what is usual; names and numbers are drawn anew for each herd.

mod access;
mod evasion;
mod implant;

use super::desk::Desk;

/// Declares the scenarios once: name, techniques, and the function that works on a host's rows.
macro_rules! scenarios {
    ($($name:literal [$($technique:literal),+] $plant:path;)+) => {
        /// All scenarios.
        pub const SCENARIOS: &[Scenario] =
            &[$(Scenario { name: $name, techniques: &[$($technique),+], plant: $plant },)+];
    };
}

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// As in `cron-implant`.
    pub name: &'static str,
    /// The techniques that it shows.
    pub techniques: &'static [&'static str],
    /// Changes the rows of a host.
    pub plant: fn(&mut Desk),
}

scenarios! {
    "cron-implant" ["T1053.003"] implant::cron;
    "systemd-unit" ["T1543.002"] implant::systemd_unit;
    "authorized-key" ["T1098.004"] access::authorized_key;
    "uid0-user" ["T1136.001", "T1078.003"] access::uid0_user;
    "login-shell" ["T1098"] access::login_shell;
    "sudoers-drop-in" ["T1548.003"] access::sudoers;
    "setuid-copy" ["T1548.001"] access::setuid_copy;
    "ld-so-preload" ["T1574.006"] implant::preload;
    "pam-change" ["T1556.003"] access::pam;
    "trojaned-binary" ["T1554"] implant::trojaned_binary;
    "kernel-module" ["T1547.006"] implant::kernel_module;
    "reverse-shell" ["T1059.004", "T1036.004"] implant::reverse_shell;
    "deleted-binary" ["T1070.004"] implant::deleted_binary;
    "miner" ["T1496"] implant::miner;
    "bind-shell" ["T1571"] implant::bind_shell;
    "bind-shell-usual-port" ["T1071.001"] implant::bind_shell_usual_port;
    "hosts-tampering" ["T1565.001"] evasion::hosts;
    "resolver-tampering" ["T1584.002"] evasion::resolver;
    "firewall-rule" ["T1562.004"] evasion::firewall;
    "stopped-agent" ["T1562.001"] evasion::stopped_agent;
    "downgraded-package" ["T1195.002"] evasion::downgrade;
    "webshell" ["T1505.003"] implant::webshell;
    "typosquatted-python" ["T1195.001"] implant::typosquat;
    "log-wiping" ["T1070.002"] evasion::log_wiping;
    "c2-benign-process" ["T1071.001"] implant::c2_benign;
    "hidden-process" ["T1014"] evasion::hidden_process;
    "staged-archive" ["T1074.001"] implant::staged_archive;
    "rc-backdoor" ["T1546.004"] implant::rc_backdoor;
}

impl Scenario {
    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        SCENARIOS.iter().copied().find(|scenario| scenario.name == name)
    }
}

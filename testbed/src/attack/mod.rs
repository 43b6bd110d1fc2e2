//! Attacks: each a named change to a described host, with the rows that it makes odd as ground truth.
//!
//! Nothing here attacks anything. An attack is a description of what an attacker would have left behind, written into
//! the description of a host that does not exist.

mod access;
mod cover;
mod evasion;
mod execution;
mod persistence;
mod rights;

use crate::dice::Dice;
use crate::fleet::host::Host;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Declares the attacks once: member, name, techniques, story, and the function that plants it.
macro_rules! attacks {
    ($($member:ident $name:literal [$($technique:literal),+] $story:literal $plant:path;)+) => {
        /// An attack that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Attack {
            $(#[doc = $story] $member,)+
        }

        impl Attack {
            /// All attacks.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// The name that the command line knows.
            pub fn name(self) -> &'static str {
                match self { $(Self::$member => $name,)+ }
            }

            /// Techniques of MITRE ATT&CK that it shows.
            pub fn techniques(self) -> &'static [&'static str] {
                match self { $(Self::$member => &[$($technique),+],)+ }
            }

            /// What happened, in one line.
            pub fn story(self) -> &'static str {
                match self { $(Self::$member => $story,)+ }
            }

            /// The script that leaves the same on a running host of a test bed, with what it makes odd in its first lines.
            pub(crate) fn script(self) -> &'static str {
                match self { $(Self::$member => include_str!(concat!("../../data/live/attacks/", $name, ".sh")),)+ }
            }

            /// Changes the host and says which rows that makes odd, the most telling first.
            pub(crate) fn plant(self, host: &mut Host, dice: &Dice) -> Vec<Trace> {
                match self { $(Self::$member => $plant(host, dice),)+ }
            }
        }
    };
}

attacks! {
    CronImplant "cron-implant" ["T1053.003", "T1571", "T1070.004", "T1036.005"]
        "a cron entry starts a listener again and again, which runs from a deleted file" persistence::cron_implant;
    BackdoorAccount "backdoor-account" ["T1136.001", "T1078.003", "T1098.004"]
        "a second user with the rights of root, and a key that opens it" access::backdoor_account;
    KeyForRoot "key-for-root" ["T1098.004"]
        "an attacker's key opens root's account" access::key_for_root;
    Preload "ld-so-preload" ["T1574.006"]
        "a library is loaded into every program" persistence::preload;
    KernelModule "kernel-module" ["T1547.006", "T1014"]
        "a module sits in the kernel" persistence::kernel_module;
    SetuidShell "setuid-shell" ["T1548.001"]
        "a hidden copy of the shell with the rights of root" access::setuid_shell;
    StoppedAgent "stopped-agent" ["T1562.001"]
        "the security agent no longer runs" evasion::stopped_agent;
    HostsRedirect "hosts-redirect" ["T1565.001"]
        "a name of the update servers leads to the attacker" evasion::hosts_redirect;
    ReverseShell "reverse-shell" ["T1059.004", "T1071"]
        "a shell of the service's user talks to a host on the Internet" access::reverse_shell;
    TrojanedBinary "trojaned-binary" ["T1554"]
        "the login server's program is not the package's" persistence::trojaned_binary;
    SystemdUnit "systemd-unit" ["T1543.002"]
        "a unit with a trustworthy name starts an implant" persistence::systemd_unit;
    Downgrade "downgraded-package" ["T1195.002"]
        "a package is older than anywhere else" evasion::downgrade;
    SudoersDropIn "sudoers-drop-in" ["T1548.003"]
        "the web server's user may do everything as root" rights::sudoers_drop_in;
    PamBackdoor "pam-backdoor" ["T1556.003"]
        "every password is accepted" rights::pam_backdoor;
    MasqueradedShell "masqueraded-shell" ["T1036.004", "T1059.004"]
        "a shell that calls itself a thread of the kernel talks to the attacker" execution::masqueraded_shell;
    DeletedBinary "deleted-binary" ["T1070.004"]
        "a program runs whose file was deleted" execution::deleted_binary;
    Miner "miner" ["T1496"]
        "somebody else's coins are mined" execution::miner;
    BindShellUsualPort "bind-shell-usual-port" ["T1571", "T1036.005"]
        "a shell listens where a web server might" execution::usual_port;
    BindShellUnusualPort "bind-shell-unusual-port" ["T1571"]
        "a shell listens where nobody looks, through a program that belongs there" execution::unusual_port;
    ResolverTampering "resolver-tampering" ["T1565.001", "T1557"]
        "names are asked of the attacker" cover::resolver;
    FirewallRule "firewall-rule" ["T1562.004"]
        "the attacker's network is let in after every start" cover::firewall;
    WebshellChild "webshell-child" ["T1505.003"]
        "the service runs what is uploaded" execution::webshell_child;
    TyposquattedPackage "typosquatted-package" ["T1195.001"]
        "a python package with almost the right name" cover::typosquat;
    LogWiping "log-wiping" ["T1070.002", "T1070.003"]
        "logs are empty, history goes nowhere" cover::wiped_logs;
    BenignProcessC2 "benign-process-c2" ["T1071.001", "T1055"]
        "a program that runs everywhere talks to the attacker" execution::benign_process;
    HiddenProcess "hidden-process" ["T1014", "T1564"]
        "a process runs that /proc does not show" execution::hidden_process;
    StagedArchive "staged-archive" ["T1074.001", "T1560.001"]
        "loot waits to be fetched" cover::staged_archive;
    BackdooredRcFile "backdoored-rc-file" ["T1546.004"]
        "root's shell calls home when it starts" rights::rc_file;
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no attack's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no attack `{name}`; there are: {known}")]
pub struct UnknownAttack {
    name: String,
    known: String,
}

impl FromStr for Attack {
    type Err = UnknownAttack;

    fn from_str(name: &str) -> Result<Self, UnknownAttack> {
        let names = || Self::ALL.iter().map(|attack| attack.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|attack| attack.name() == name);
        found.ok_or_else(|| UnknownAttack { name: name.to_owned(), known: names() })
    }
}

/// An attack that was planted.
#[derive(Clone, Debug)]
pub struct Planted {
    /// Where.
    pub host: String,
    /// What.
    pub attack: Attack,
    /// The rows that are odd because of it, the most telling first.
    pub traces: Vec<Trace>,
}

impl Planted {
    /// As `truth.json` has it.
    pub fn told(&self) -> serde_json::Value {
        serde_json::json!({
            "host": self.host,
            "attack": self.attack.name(),
            "techniques": self.attack.techniques(),
            "story": self.attack.story(),
            "traces": self.traces,
        })
    }
}

/// A row that an attack makes odd: the query of the usual pack that shows it, and cells by which it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The query.
    pub query: &'static str,
    /// In which way it is odd.
    pub kind: TraceKind,
    /// Cells of the row; other columns may hold anything.
    pub cells: BTreeMap<&'static str, String>,
}

/// In which way a row is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceKind {
    /// The host has it, its herd has not.
    Added,
    /// The herd has it, the host has not.
    Missing,
    /// Both have it, with other values.
    Changed,
}

impl Trace {
    /// What a script says that it makes odd: lines as `#= added users username=x ; uid=0`.
    pub(crate) fn of_script(script: &'static str) -> Vec<Self> {
        script.lines().filter_map(|line| Self::parse(line.strip_prefix("#= ")?)).collect()
    }

    fn parse(line: &'static str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let kind = match words.next()? {
            "added" => TraceKind::Added,
            "missing" => TraceKind::Missing,
            "changed" => TraceKind::Changed,
            _ => return None,
        };
        let query = words.next()?;
        let cells = words.next()?.split(" ; ").map(|cell| {
            let (column, value) = cell.split_once('=')?;
            Some((column, value.to_owned()))
        });
        Some(Self { query, kind, cells: cells.collect::<Option<_>>()? })
    }

    fn new<const N: usize>(query: &'static str, kind: TraceKind, cells: [(&'static str, &str); N]) -> Self {
        Self {
            query,
            kind,
            cells: cells.into_iter().map(|(column, value)| (column, value.to_owned())).collect(),
        }
    }

    fn added<const N: usize>(query: &'static str, cells: [(&'static str, &str); N]) -> Self {
        Self::new(query, TraceKind::Added, cells)
    }

    fn missing<const N: usize>(query: &'static str, cells: [(&'static str, &str); N]) -> Self {
        Self::new(query, TraceKind::Missing, cells)
    }

    fn changed<const N: usize>(query: &'static str, cells: [(&'static str, &str); N]) -> Self {
        Self::new(query, TraceKind::Changed, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Fleet, FleetPlan};

    #[test]
    fn every_attack_changes_its_host_and_says_how() {
        for &attack in Attack::ALL {
            let mut fleet = Fleet::grow(&FleetPlan { hosts: 3, ..FleetPlan::default() });
            let before = format!("{:?}", fleet.host("web-02").unwrap());
            let other = format!("{:?}", fleet.host("web-01").unwrap());
            fleet.plant("web-02", attack).unwrap();
            assert_ne!(format!("{:?}", fleet.host("web-02").unwrap()), before, "{attack}");
            assert_eq!(format!("{:?}", fleet.host("web-01").unwrap()), other, "{attack}");
            let planted = &fleet.planted[0];
            assert!(!planted.traces.is_empty(), "{attack}");
            assert!(attack.techniques().iter().all(|technique| technique.starts_with('T')), "{attack}");
        }
    }

    #[test]
    fn names_lead_back_to_attacks() {
        for &attack in Attack::ALL {
            assert_eq!(attack.name().parse(), Ok(attack));
        }
        let error = "nonsense".parse::<Attack>().unwrap_err().to_string();
        assert!(
            error.starts_with("there is no attack `nonsense`; there are: cron-implant, backdoor-account"),
            "{error}"
        );
    }

    #[test]
    fn the_traces_name_queries_that_exist() {
        let triage = include_str!("../../../model/packs/triage.conf");
        let survey = include_str!("../../data/survey.conf");
        let hunt = include_str!("../../data/hunt.conf");
        let asked = |query: &str| {
            [triage, survey, hunt].iter().any(|pack| pack.contains(&format!("\"{query}\": {{")))
        };
        for &attack in Attack::ALL {
            let mut fleet = Fleet::grow(&FleetPlan { hosts: 2, ..FleetPlan::default() });
            fleet.plant("web-01", attack).unwrap();
            for trace in &fleet.planted[0].traces {
                assert!(asked(trace.query), "{attack}: {}", trace.query);
            }
            for trace in Trace::of_script(attack.script()) {
                assert!(asked(trace.query), "{attack}, live: {}", trace.query);
            }
            assert!(!Trace::of_script(attack.script()).is_empty(), "{attack}");
        }
    }
}

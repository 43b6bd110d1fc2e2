//! Fleets that run outside this process: containers, and real sshd in namespaces. They are changed by scripts that run
//! inside a host, as root.

pub mod compose;
mod program;
pub mod sshd;
pub mod state;

pub use program::ProgramError;

use crate::attack::{Attack, Trace};
use crate::fault::Fault;
use thiserror::Error;

/// What every script begins with.
const PRELUDE: &str = include_str!("../../data/live/prelude.sh");
/// All faults that a script can bring about inside a host.
const FAULTS: &str = include_str!("../../data/live/faults.sh");

/// Why something cannot be done to a running fleet.
#[derive(Debug, Error)]
pub enum LiveError {
    /// A program is missing or failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The files cannot be written.
    #[error(transparent)]
    Site(#[from] crate::site::SiteError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] state::StateError),
    /// There is no such host.
    #[error("there is no host `{host}`; there are: {known}")]
    NoSuchHost {
        /// What was asked for.
        host: String,
        /// What there is.
        known: String,
    },
    /// The files of the site cannot be changed.
    #[error(transparent)]
    Files(#[from] crate::fault::FilesError),
    /// The form of the fleet has no such fault.
    #[error("`{fault}` cannot be brought about {place}")]
    NoSuchFault {
        /// Which.
        fault: Fault,
        /// Where.
        place: &'static str,
    },
    /// Something did not become ready.
    #[error("{0}")]
    NotReady(String),
}

/// The script that plants an attack, and the rows that it makes odd.
pub fn attack_script(attack: Attack) -> (String, Vec<Trace>) {
    let script = attack.script();
    (format!("{PRELUDE}\n{script}"), Trace::of_script(script))
}

/// The script that brings about a fault inside a host, where a script can.
pub fn fault_script(fault: Fault) -> Option<String> {
    const END: &str = "END-OF-THE-PROGRAM";
    let name = fault.name();
    let is_there = FAULTS
        .lines()
        .filter_map(|line| line.trim().strip_suffix(')'))
        .any(|cases| cases.split(" | ").any(|case| case == name));
    let programs = fault.programs().iter().map(|(name, text)| {
        format!("mkdir -p /usr/local/lib/faulty\ncat >/usr/local/lib/faulty/{name} <<'{END}'\n{text}{END}\n")
    });
    let programs: String =
        programs.chain([String::from("chmod -R 755 /usr/local/lib/faulty 2>/dev/null || true\n")]).collect();
    is_there.then(|| format!("{PRELUDE}\n{programs}set -- {name}\n{FAULTS}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Whether a shell finds no mistake in the form of a script.
    fn parses(script: &str) -> bool {
        let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        shell.wait().unwrap().success()
    }

    #[test]
    fn scripts_are_scripts() {
        assert!(!parses("if"));
        for &attack in Attack::ALL {
            let (script, traces) = attack_script(attack);
            assert!(parses(&script), "{attack}");
            assert!(!traces.is_empty(), "{attack}");
        }
        for &fault in Fault::ALL {
            let script = fault_script(fault);
            assert!(script.as_ref().is_none_or(|script| parses(script)), "{fault}");
            // From outside, or in the files: all others are scripts.
            let other = fault.is_in_files() || matches!(fault, Fault::CutOff | Fault::Freeze | Fault::Kill);
            assert_eq!(script.is_none(), other, "{fault}");
        }
    }

    #[test]
    fn a_machine_that_is_no_host_of_a_test_bed_is_left_alone() {
        assert!(
            !std::path::Path::new("/etc/herdiff-testbed").exists(),
            "this machine is a host of a test bed"
        );
        for &attack in Attack::ALL {
            let (script, _) = attack_script(attack);
            let guard = script.find("/etc/herdiff-testbed").unwrap();
            assert!(
                script.get(..guard).unwrap().lines().all(|line| line.starts_with('#')
                    || line.starts_with("set -eu")
                    || line.starts_with('['))
            );
        }
    }
}

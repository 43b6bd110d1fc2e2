//! Faults: ways in which a host misbehaves, as data that the three forms of a fleet act on.

mod files;
mod provocation;

pub use files::{FilesError, misdirect};
pub use provocation::Provocation;

use herdiff_model::outcome::HostOutcomeKind;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Declares the faults once: member, name, the outcome that a sweep records, meaning.
macro_rules! faults {
    ($($member:ident $name:literal $outcome:ident $meaning:literal;)+) => {
        /// A way in which a host misbehaves.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $meaning] $member,)+
        }

        impl Fault {
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// The name that the command line knows.
            pub fn name(self) -> &'static str {
                match self { $(Self::$member => $name,)+ }
            }

            /// What the host does, in one line.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$member => $meaning,)+ }
            }

            /// What a sweep records of a simulated host that does it. For [`Fault::NoRoot`] it has to want to become root.
            pub fn outcome(self) -> HostOutcomeKind {
                match self { $(Self::$member => HostOutcomeKind::$outcome,)+ }
            }
        }
    };
}

faults! {
    NoAddress "no-address" Unresolved "has a name that leads nowhere";
    Refuse "refuse" Refused "refuses the connection";
    Silent "silent" Timeout "accepts the connection and never says a byte";
    NotSsh "not-ssh" Protocol "says something that is not SSH, and hangs up";
    UnknownHostKey "unknown-host-key" HostKeyUnknown "has a host key that is not in known_hosts";
    WrongHostKey "wrong-host-key" HostKeyChanged "has another host key than the one in known_hosts";
    RevokedHostKey "revoked-host-key" HostKeyRevoked "has a host key that known_hosts revokes";
    RejectKey "reject-key" AuthFailed "lets nobody in";
    NoRoot "no-root" BecomeFailed "lets nobody become root";
    Hang "hang" Timeout "lets the client in, takes its command, and does nothing for ever";
    NoEngine "no-engine" EngineMissing "is of an architecture that no engine is built for";
    DeadEngine "dead-engine" EngineFailed "kills the engine as it starts";
    HalfBlind "half-blind" Partial "has no answer to one of the queries";
    Garbage "garbage" MalformedOutput "answers every command with random bytes";
    HalfAnswer "half-answer" Unreachable "hangs up in the middle of the answer";
    Endless "endless" OutputLimit "begins to answer and never ends";
    CutOff "cut-off" Timeout "is no longer connected to any network";
    Freeze "freeze" Timeout "stands still: the kernel answers for it, it does not";
    Kill "kill" Refused "loses its power";
}

impl Fault {
    /// Whether the host is well, and what is written of it is wrong: in inventory, `ssh_config` or `known_hosts`.
    pub fn is_in_files(self) -> bool {
        matches!(self, Self::NoAddress | Self::UnknownHostKey | Self::RevokedHostKey)
    }

    /// Programs that stand before those of the host, with which it misbehaves: name and text.
    pub fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::NoRoot => &[
                ("id", include_str!("../../data/faults/no-root/id")),
                ("sudo", include_str!("../../data/faults/no-root/sudo")),
                ("doas", include_str!("../../data/faults/no-root/doas")),
            ],
            Self::NoEngine => &[("uname", include_str!("../../data/faults/no-engine/uname"))],
            Self::DeadEngine => &[("setsid", include_str!("../../data/faults/dead-engine/setsid"))],
            Self::HalfBlind => &[("setsid", include_str!("../../data/faults/half-blind/setsid"))],
            _ => &[],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no fault's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no fault `{name}`; there are: {known}")]
pub struct UnknownFault {
    name: String,
    known: String,
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let names = || Self::ALL.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|fault| fault.name() == name);
        found.ok_or_else(|| UnknownFault { name: name.to_owned(), known: names() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_faults() {
        for &fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
        }
        assert!(
            "x".parse::<Fault>()
                .unwrap_err()
                .to_string()
                .starts_with("there is no fault `x`; there are: no-address, refuse, ")
        );
    }
}

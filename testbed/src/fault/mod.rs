//! Faults: ways in which a simulated host misbehaves, as data that the server acts on.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Declares the faults once: member, name, meaning.
macro_rules! faults {
    ($($member:ident $name:literal $meaning:literal;)+) => {
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
        }
    };
}

faults! {
    Refuse "refuse" "refuses the connection";
    Silent "silent" "accepts the connection and never says a byte";
    NotSsh "not-ssh" "says something that is not SSH, and hangs up";
    WrongHostKey "wrong-host-key" "has another host key than the one in known_hosts";
    RejectKey "reject-key" "lets nobody in";
    Hang "hang" "lets the client in, takes its command, and does nothing for ever";
    Garbage "garbage" "answers every command with random bytes";
    HalfAnswer "half-answer" "hangs up in the middle of the answer";
    Endless "endless" "begins to answer and never ends";
    CutOff "cut-off" "is no longer connected to any network";
    Freeze "freeze" "stands still: the kernel answers for it, it does not";
    Kill "kill" "loses its power";
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
                .starts_with("there is no fault `x`; there are: refuse, ")
        );
    }
}

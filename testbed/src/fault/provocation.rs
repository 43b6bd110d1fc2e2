//! How every outcome of a sweep is brought about on purpose.

use super::Fault;
use herdiff_model::outcome::HostOutcomeKind;

/// What has to happen for an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provocation {
    /// Nothing.
    None,
    /// The host misbehaves.
    Fault(Fault),
    /// The host misbehaves, and the sweep wants to become root there.
    BecomingRoot(Fault),
    /// The host misbehaves so that its visit does not end, and the sweep is stopped meanwhile.
    Stopped(Fault),
    /// The bundle is damaged where the host is, and what is left of it is saved.
    Damaged,
}

impl Provocation {
    /// Of an outcome. A new outcome does not compile until it can be provoked.
    pub fn of(outcome: HostOutcomeKind) -> Self {
        use HostOutcomeKind as Kind;
        match outcome {
            Kind::Ok => Self::None,
            Kind::Partial => Self::Fault(Fault::HalfBlind),
            Kind::Unresolved => Self::Fault(Fault::NoAddress),
            Kind::Refused => Self::Fault(Fault::Refuse),
            Kind::Unreachable => Self::Fault(Fault::HalfAnswer),
            Kind::HostKeyUnknown => Self::Fault(Fault::UnknownHostKey),
            Kind::HostKeyChanged => Self::Fault(Fault::WrongHostKey),
            Kind::HostKeyRevoked => Self::Fault(Fault::RevokedHostKey),
            Kind::AuthFailed => Self::Fault(Fault::RejectKey),
            Kind::BecomeFailed => Self::BecomingRoot(Fault::NoRoot),
            Kind::Timeout => Self::Fault(Fault::Hang),
            Kind::Protocol => Self::Fault(Fault::NotSsh),
            Kind::EngineMissing => Self::Fault(Fault::NoEngine),
            Kind::EngineFailed => Self::Fault(Fault::DeadEngine),
            Kind::OutputLimit => Self::Fault(Fault::Endless),
            Kind::MalformedOutput => Self::Fault(Fault::Garbage),
            Kind::Interrupted => Self::Stopped(Fault::Hang),
            Kind::Unknown => Self::Damaged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_fault() {
        for &outcome in HostOutcomeKind::ALL {
            match Provocation::of(outcome) {
                Provocation::Fault(fault) | Provocation::BecomingRoot(fault) => {
                    assert_eq!(fault.outcome(), outcome, "{fault}");
                }
                // They do not end by themselves.
                Provocation::Stopped(fault) => assert_eq!(fault.outcome(), HostOutcomeKind::Timeout),
                Provocation::None | Provocation::Damaged => {}
            }
        }
    }
}

//! How many bytes a server may send over a connection, whatever they are. SSH has messages that no limit on output sees: banners,
//! refusals that nobody asked for, channels that are opened, requests that want an answer. A server that sends nothing else
//! would keep a core busy until its deadline, and what is queued would grow.

use super::failure::Failure;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The greeting, the agreement on keys, and a login with all banners.
const BEFORE_LOGIN: u64 = 1 << 20;

/// What comes beside the output, for every byte of it and at any rate.
const OVERHEAD: u64 = 16 << 20;

/// What may still come over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<(AtomicU64, AtomicBool)>);

impl Default for Allowance {
    fn default() -> Self {
        Self(Arc::new((AtomicU64::new(BEFORE_LOGIN), AtomicBool::default())))
    }
}

impl Allowance {
    /// The host may send this much output from now on.
    pub(crate) fn output(&self, bytes: u64) {
        self.0.0.store(bytes.saturating_mul(2).saturating_add(OVERHEAD), Ordering::Relaxed);
    }

    /// A jump host carries what others send, each of which has an allowance of its own.
    pub(crate) fn of_others(&self) {
        self.0.0.store(u64::MAX, Ordering::Relaxed);
    }

    /// False where that is more than may come.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let (left, spent) = &*self.0;
        let bytes = bytes as u64;
        let taken =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if !taken {
            spent.store(true, Ordering::Relaxed);
        }
        taken
    }

    /// Why the connection was ended, where this is why.
    pub(crate) fn failure(&self, phase: Phase) -> Option<Failure> {
        let why = match phase {
            Phase::Resolve | Phase::Connect | Phase::Handshake | Phase::Authenticate => {
                format!("the server sent more than {BEFORE_LOGIN} bytes before the login")
            }
            _ => "the server sent much more than output: messages that nobody asked for".to_owned(),
        };
        self.0.1.load(Ordering::Relaxed).then(|| Failure::new(HostOutcomeKind::OutputLimit, phase, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_send_what_it_was_allowed_and_not_a_byte_more() {
        let allowance = Allowance::default();
        assert!(allowance.take(1 << 20) && allowance.failure(Phase::Handshake).is_none());
        assert!(!allowance.take(1));
        assert_eq!(allowance.failure(Phase::Handshake).unwrap().kind, HostOutcomeKind::OutputLimit);
        let allowance = Allowance::default();
        allowance.output(100);
        assert!(allowance.take((16 << 20) + 200));
        assert!(!allowance.take(1));
    }
}

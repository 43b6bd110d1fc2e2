//! A password for many hosts. A wrong one must not be tried on all of them: the account may be one and the same, and lock. And no host
//! may keep the others from it by not answering.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use zeroize::Zeroizing;

/// Refusals without one acceptance, after which nobody is given the password any more.
const MOST_REFUSALS: usize = 3;

/// How long the others wait for one host's answer. Servers that look far take two or three seconds.
pub(crate) const OTHERS_WAIT: Duration = Duration::from_secs(5);

/// Something that is never shown, and wiped from memory when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes it over.
    pub fn new(secret: Zeroizing<String>) -> Self {
        Self(secret)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A password, and what hosts have said to it.
#[derive(Debug)]
pub(crate) struct Password {
    secret: Secret,
    /// Until one host has accepted it, one after the other is asked.
    first: Mutex<()>,
    accepted: AtomicBool,
    refused: AtomicUsize,
}

/// The right to give the password to one host.
pub(crate) struct Turn<'a> {
    password: &'a Password,
    alone: Option<MutexGuard<'a, ()>>,
    /// Whether it was counted as a refusal, as long as nobody knows.
    counted: bool,
}

impl Password {
    pub(crate) fn new(secret: Secret) -> Self {
        Self {
            secret,
            first: Mutex::default(),
            accepted: AtomicBool::default(),
            refused: AtomicUsize::default(),
        }
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// Waits until the password may be given; an error says why it may not.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, String> {
        if self.accepted.load(Ordering::Acquire) {
            return Ok(Turn { password: self, alone: None, counted: false });
        }
        let alone = self.first.lock().await;
        let refused = self.refused.load(Ordering::Acquire);
        if !self.accepted.load(Ordering::Acquire) && refused >= MOST_REFUSALS {
            return Err(format!(
                "not tried: {refused} hosts refused it and none accepted it, and more refusals could lock the account"
            ));
        }
        Ok(Turn { password: self, alone: Some(alone), counted: false })
    }
}

impl Turn<'_> {
    /// Whether others wait for this one.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone.is_some()
    }

    /// The host takes its time: the others go on. Until it answers it counts as one that refused, so that three hosts at most are
    /// given a password that may be wrong.
    pub(crate) fn let_others_go_on(&mut self) {
        if self.alone.is_some() {
            self.password.refused.fetch_add(1, Ordering::AcqRel);
            self.counted = true;
            self.alone = None;
        }
    }

    /// What the host said.
    pub(crate) fn ended(self, accepted: bool) {
        let refused = &self.password.refused;
        match (accepted, self.counted) {
            (true, counted) => {
                self.password.accepted.store(true, Ordering::Release);
                refused.fetch_sub(usize::from(counted), Ordering::AcqRel);
            }
            (false, true) => {}
            (false, false) => {
                refused.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Password {
        Password::new(Secret::new(Zeroizing::new("hunter2".to_owned())))
    }

    #[test]
    fn it_is_never_shown() {
        assert!(!format!("{:?}", password()).contains("hunter2"));
    }

    #[tokio::test]
    async fn a_wrong_password_is_given_to_three_hosts_only() {
        let password = password();
        for _ in 0..3 {
            password.turn().await.unwrap().ended(false);
        }
        assert!(password.turn().await.err().unwrap().contains("3 hosts refused it"));
    }

    /// A host that does not answer keeps the others waiting for a moment, and counts as one that may have refused.
    #[tokio::test]
    async fn a_host_that_takes_its_time_lets_the_others_go_on() {
        let password = password();
        let mut slow = password.turn().await.unwrap();
        assert!(slow.is_alone());
        slow.let_others_go_on();
        slow.let_others_go_on();
        assert!(!slow.is_alone());
        for _ in 0..2 {
            password.turn().await.unwrap().ended(false);
        }
        assert!(password.turn().await.err().unwrap().contains("3 hosts refused it"));
        slow.ended(true);
        assert!(password.turn().await.is_ok(), "it was right after all");
        assert_eq!(password.refused.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn once_accepted_it_is_given_to_all_at_once() {
        let password = password();
        let first = password.turn().await.unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), password.turn()).await;
        assert!(waiting.is_err(), "two at once, before anyone accepted it");
        first.ended(true);
        let turns = [password.turn().await.unwrap(), password.turn().await.unwrap()];
        for turn in turns {
            turn.ended(false);
        }
        for _ in 0..5 {
            password.turn().await.unwrap().ended(false);
        }
    }
}

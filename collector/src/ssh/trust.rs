//! Whether a server is the one that we want: its key or certificate against known_hosts, and what becomes of a new one.

use super::HostKeyPolicy;
use super::certificate;
use super::failure::Failure;
use super::known_hosts::{HostKeys, Verdict};
use super::learn::Learner;
use super::revoked::Revoked;
use herdiff_model::outcome::{HostOutcomeKind, Phase};
use russh::keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is known of one host, and how strict we are.
pub(crate) struct Trust {
    /// As known_hosts is asked for it.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Where the host is, as ssh-keyscan wants to be told.
    pub(crate) scan: String,
    pub(crate) keys: HostKeys,
    pub(crate) policy: HostKeyPolicy,
    pub(crate) revoked: Arc<Revoked>,
    pub(crate) learner: Arc<Learner>,
    /// Where a new key is added, and whether the host's name is hashed there.
    pub(crate) file: Option<PathBuf>,
    pub(crate) hashed: bool,
}

fn fail(kind: HostOutcomeKind, detail: String) -> Failure {
    Failure::new(kind, Phase::Handshake, detail)
}

impl Trust {
    /// Why what the server presented is not accepted. Its possession was proved before.
    pub(crate) async fn judge(&self, presented: &PublicKeyOrCertificate) -> Result<(), Failure> {
        let key = presented.public_key();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        if self.revoked.has(&key) {
            let why = format!("the {} key {fingerprint} is in RevokedHostKeys", key.algorithm());
            return Err(fail(HostOutcomeKind::HostKeyRevoked, why));
        }
        match presented.certificate() {
            Some(certificate) => match self.certified(certificate, &key, &fingerprint) {
                Some(judged) => judged,
                // Its authority is nobody's here: what counts is the key itself, as for OpenSSH.
                None => self.plain(&key, &fingerprint).await,
            },
            None => self.plain(&key, &fingerprint).await,
        }
    }

    /// `None` where no authority that is trusted for the host signed it.
    fn certified(
        &self,
        certificate: &Certificate,
        key: &PublicKey,
        fingerprint: &str,
    ) -> Option<Result<(), Failure>> {
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        let by = authority.fingerprint(HashAlg::Sha256);
        if let Some(place) = self.keys.revokes(&authority).or_else(|| self.keys.revokes(key)) {
            let why = format!("the certificate of the key {fingerprint} by {by}: revoked in {place}");
            return Some(Err(fail(HostOutcomeKind::HostKeyRevoked, why)));
        }
        if self.revoked.has(&authority) {
            let why = format!("the authority {by} is in RevokedHostKeys");
            return Some(Err(fail(HostOutcomeKind::HostKeyRevoked, why)));
        }
        let place = self.keys.authority(&authority)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Some(match certificate::check(certificate, &self.host, now) {
            Ok(()) => Ok(()),
            Err(_) if self.policy == HostKeyPolicy::AcceptAny => Ok(()),
            Err(why) => Err(fail(
                HostOutcomeKind::HostKeyUnknown,
                format!("the server's certificate by {by}, which {place} trusts, does not hold: {why}"),
            )),
        })
    }

    async fn plain(&self, key: &PublicKey, fingerprint: &str) -> Result<(), Failure> {
        let mut verdict = self.keys.check(key);
        if let Verdict::Unknown { other_types, .. } = &verdict
            && self.policy == HostKeyPolicy::AcceptNew
            // A host of which another kind of key is known is no new host.
            && other_types.is_empty()
            && let Some(file) = self.file.clone()
        {
            verdict = self.learn(file, key).await?;
        }
        self.verdict(verdict, key, fingerprint)
    }

    async fn learn(&self, file: PathBuf, key: &PublicKey) -> Result<Verdict, Failure> {
        let (learner, host, key) = (Arc::clone(&self.learner), self.host.clone(), key.clone());
        let (port, hashed, place) = (self.port, self.hashed, file.display().to_string());
        let learning = tokio::task::spawn_blocking(move || learner.learn(&file, &host, port, &key, hashed));
        let unable = |why: String| {
            fail(
                HostOutcomeKind::HostKeyUnknown,
                format!("the new host key cannot be written to {place}: {why}"),
            )
        };
        match learning.await {
            Ok(learned) => learned.map_err(|error| unable(error.to_string())),
            Err(error) => Err(unable(error.to_string())),
        }
    }

    fn verdict(&self, verdict: Verdict, key: &PublicKey, fingerprint: &str) -> Result<(), Failure> {
        let algorithm = key.algorithm();
        match verdict {
            Verdict::Known => Ok(()),
            // A revoked key is refused even where any other would do.
            Verdict::Revoked { place } => Err(fail(
                HostOutcomeKind::HostKeyRevoked,
                format!("the {algorithm} key {fingerprint} is marked as revoked in {place}"),
            )),
            _ if self.policy == HostKeyPolicy::AcceptAny => Ok(()),
            Verdict::Changed { expected, place } => Err(fail(
                HostOutcomeKind::HostKeyChanged,
                format!(
                    "the server has the {algorithm} key {fingerprint}, but {place} has {expected}: the host was \
                     set up again, or someone is in between"
                ),
            )),
            Verdict::Unknown { other_types, authority } => {
                let mut detail = format!("the {algorithm} key {fingerprint} is not in known_hosts");
                if !other_types.is_empty() {
                    detail += &format!(", which has {} for it", other_types.join(" and "));
                }
                if authority {
                    detail +=
                        "; an authority is trusted for the host, but the server has no certificate by it";
                }
                detail +=
                    &format!("; compare the fingerprint by another way, then: ssh-keyscan {}", self.scan);
                Err(fail(HostOutcomeKind::HostKeyUnknown, detail))
            }
        }
    }
}

//! Which algorithms are offered to a server: our own choice, or what OpenSSH's configuration leaves of it.

use super::Answer;
use crate::ssh::known_hosts::HostKeys;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, kex, mac};
use std::borrow::Cow;
use std::str::FromStr;

/// With AES instructions, GCM costs a third of ChaCha20.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

/// Not algorithms, but offered among them.
const EXTENSIONS: &[kex::Name] =
    &[kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];

/// Kinds of keys that certificates may be for.
const CERTIFIED: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What is configured; `None` where OpenSSH's defaults are, which are not ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Algorithms {
    ciphers: Option<Vec<cipher::Name>>,
    macs: Option<Vec<mac::Name>>,
    kex: Option<Vec<kex::Name>>,
    keys: Option<Vec<Algorithm>>,
}

impl Algorithms {
    /// What differs from OpenSSH's defaults; an error names the list of which nothing is known here.
    pub(super) fn configured(answer: &Answer, plain: &Answer) -> Result<Self, String> {
        let key =
            |name: &str| Algorithm::from_str(name).ok().filter(|key| Preferred::DEFAULT.key.contains(key));
        let mut kex =
            chosen("KexAlgorithms", &answer.kex, &plain.kex, |name| kex::Name::try_from(name).ok())?;
        if let Some(kex) = &mut kex {
            kex.extend_from_slice(EXTENSIONS);
        }
        Ok(Self {
            ciphers: chosen("Ciphers", &answer.ciphers, &plain.ciphers, |name| {
                cipher::Name::try_from(name).ok()
            })?,
            macs: chosen("MACs", &answer.macs, &plain.macs, |name| mac::Name::try_from(name).ok())?,
            kex,
            keys: chosen("HostKeyAlgorithms", &answer.host_key_algorithms, &plain.host_key_algorithms, key)?,
        })
    }

    /// What to offer to a host of which these keys are known.
    pub(crate) fn preferred(&self, known: &HostKeys) -> Preferred {
        let defaults = Preferred::DEFAULT;
        // A certificate is worth asking for only where someone is trusted to sign it: it comes in place of the key.
        let certificates = if known.has_authorities() { CERTIFIED } else { &[] };
        Preferred {
            host_key_certificates: Cow::Borrowed(certificates),
            key: Cow::Owned(known.order(self.keys.as_deref().unwrap_or(&defaults.key))),
            cipher: self.ciphers.clone().map_or(Cow::Borrowed(CIPHERS), Cow::Owned),
            mac: self.macs.clone().map_or(defaults.mac, Cow::Owned),
            kex: self.kex.clone().map_or(defaults.kex, Cow::Owned),
            ..defaults
        }
    }
}

fn chosen<T>(
    option: &str,
    configured: &str,
    plain: &str,
    known: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, String> {
    if configured == plain || configured.is_empty() {
        return Ok(None);
    }
    let chosen: Vec<T> = configured.split(',').filter_map(known).collect();
    if chosen.is_empty() {
        return Err(format!("none of the {option} {configured} is known here"));
    }
    Ok(Some(chosen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_from_openssh_s_defaults_counts() {
        let plain = Answer { ciphers: "a,b".into(), kex: "x".into(), ..Answer::default() };
        let none = Algorithms::configured(&plain, &plain).unwrap();
        assert!(none.ciphers.is_none() && none.kex.is_none() && none.keys.is_none());
        let mut own = plain.clone();
        own.ciphers = "aes256-ctr,unknown".into();
        own.kex = "curve25519-sha256".into();
        let own = Algorithms::configured(&own, &plain).unwrap();
        assert_eq!(own.ciphers, Some(vec![cipher::AES_256_CTR]));
        assert_eq!(own.kex.unwrap().len(), 3, "with the two extensions");
        let odd = Answer { ciphers: "3des-cbc-and-worse".into(), ..Answer::default() };
        assert!(Algorithms::configured(&odd, &plain).unwrap_err().contains("Ciphers"));
    }
}

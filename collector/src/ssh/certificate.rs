//! Host certificates: whether one that an authority of known_hosts signed is good for this host, now.

use crate::inventory::glob;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg};

/// What is wrong with a certificate whose authority is trusted for the host; `Ok` where nothing is. As OpenSSH judges it:
/// without principals it is good for every host.
pub(super) fn check(certificate: &Certificate, host: &str, now: u64) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is a user's certificate, not a host's".to_owned());
    }
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err("its authority signed it with SHA-1".to_owned());
    }
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    // Its word on the signature counts for any time within the validity; which time it is, is looked at below.
    if certificate.validate_at(certificate.valid_after(), [&authority]).is_err() {
        return Err("its signature is not its authority's".to_owned());
    }
    if now < certificate.valid_after() {
        return Err("it is not valid yet".to_owned());
    }
    if now >= certificate.valid_before() {
        return Err("it has expired".to_owned());
    }
    if let Some((option, _)) = certificate.critical_options().iter().next() {
        return Err(format!("it has the critical option {option:?}, which is not known"));
    }
    let principals = certificate.valid_principals();
    let host = host.to_lowercase();
    if !principals.is_empty() && !principals.iter().any(|principal| glob(&principal.to_lowercase(), &host)) {
        return Err(format!("it is for {}, not for {host:?}", some_of(principals)));
    }
    Ok(())
}

fn some_of(principals: &[String]) -> String {
    let names: Vec<_> = principals.iter().take(3).map(|name| format!("{name:?}")).collect();
    let more = if principals.len() > 3 { " and others" } else { "" };
    names.join(", ") + more
}

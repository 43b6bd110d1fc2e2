//! What can be told of a private key without its secret: what kind it is, how long, how strong, whether a passphrase
//! protects it.
//!
//! OpenSSH's own wrapping shows the public half even when the rest is encrypted; the others (PKCS#1, SEC 1, PKCS#8)
//! show nothing then.

/// A private key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PrivateKey {
    pub(crate) encrypted: bool,
    pub(crate) kind: &'static str,
    /// The curve by OpenSSL's name.
    pub(crate) group: &'static str,
    pub(crate) bits: Option<u32>,
}

impl PrivateKey {
    fn of(kind: &'static str, bits: Option<u32>) -> Self {
        PrivateKey { kind, bits, ..PrivateKey::default() }
    }

    fn on_curve((group, bits): (&'static str, u32)) -> Self {
        PrivateKey { group, ..Self::of("ec", Some(bits)) }
    }

    /// Bits of strength as NIST SP 800-57 counts them.
    pub(crate) fn strength(&self) -> Option<u32> {
        let bits = self.bits?;
        Some(match self.kind {
            "rsa" | "dsa" => factoring(bits),
            "ed25519" => 128,
            _ => (bits / 2).min(256),
        })
    }
}

/// What finding the factors of a number of so many bits costs: the number field sieve's formula, in steps of eight,
/// with the values that NIST fixes.
fn factoring(bits: u32) -> u32 {
    match bits {
        0..8 => 0,
        2048 => 112,
        3072 => 128,
        4096 => 152,
        6144 => 176,
        7680 => 192,
        8192 => 200,
        15360 => 256,
        _ => {
            let x = f64::from(bits) * std::f64::consts::LN_2;
            let strength = (1.923 * (x * x.ln() * x.ln()).cbrt() - 4.69) / std::f64::consts::LN_2;
            let ceiling = if bits <= 7680 { 192 } else { 256 };
            // Small and positive: nothing is lost.
            ((strength as u32 + 4) & !7).min(if bits <= 15_360 { ceiling } else { 1200 })
        }
    }
}

/// A private key in one of OpenSSL's or OpenSSH's wrappings. `None`: the file holds none. An error: it says that it
/// does, but what it holds makes no sense.
pub(crate) fn private_key(content: &[u8]) -> Option<Result<PrivateKey, &'static str>> {
    let text = String::from_utf8_lossy(content);
    let mut lines = text.lines().map(str::trim_end);
    let begin = lines.find(|line| line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----"))?;
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with('-')).collect();
    let encrypted = begin.contains("ENCRYPTED") || lines.iter().any(|line| line.contains("ENCRYPTED"));
    // The lines with a colon are headers.
    let body: String = lines.into_iter().filter(|line| !line.contains(':')).collect();
    let body = herdiff_sql::from_base64(body.as_bytes()).filter(|body| !body.is_empty());
    let wrapping = begin.trim_start_matches("-----BEGIN ").trim_end_matches("PRIVATE KEY-----").trim_end();
    let kind = match wrapping {
        "RSA" => "rsa",
        "DSA" => "dsa",
        "EC" => "ec",
        _ => "",
    };
    if encrypted {
        return Some(Ok(PrivateKey { encrypted, ..PrivateKey::of(kind, None) }));
    }
    let Some(body) = body else { return Some(Err("malformed private key")) };
    let found = match wrapping {
        "OPENSSH" => openssh(&body),
        "RSA" | "DSA" | "EC" => named(kind, &body),
        "" => pkcs8(&body),
        _ => Some(PrivateKey::of("", None)),
    };
    Some(found.ok_or("malformed private key"))
}

/// `openssh-key-v1\0`, then length-prefixed: cipher, key derivation, its options; how many keys; the first public key.
fn openssh(body: &[u8]) -> Option<PrivateKey> {
    let mut rest = body.strip_prefix(b"openssh-key-v1\0")?;
    let cipher = field(&mut rest)?;
    let _derivation = field(&mut rest)?;
    let _options = field(&mut rest)?;
    rest = rest.get(4..)?;
    let mut public = field(&mut rest)?;
    let mut key = match field(&mut public)? {
        b"ssh-ed25519" | b"sk-ssh-ed25519@openssh.com" => PrivateKey::of("ed25519", Some(253)),
        b"ssh-rsa" => {
            let _exponent = field(&mut public)?;
            PrivateKey::of("rsa", Some(bits(field(&mut public)?)))
        }
        b"ssh-dss" => PrivateKey::of("dsa", Some(bits(field(&mut public)?))),
        b"ecdsa-sha2-nistp256" | b"sk-ecdsa-sha2-nistp256@openssh.com" => PrivateKey::on_curve(P256),
        b"ecdsa-sha2-nistp384" => PrivateKey::on_curve(P384),
        b"ecdsa-sha2-nistp521" => PrivateKey::on_curve(P521),
        _ => PrivateKey::of("", None),
    };
    key.encrypted = cipher != b"none";
    Some(key)
}

/// Takes a value with its length before it.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(4)?;
    let value = rest.get(4..end)?;
    *rest = rest.get(end..)?;
    Some(value)
}

/// The length of a number without its leading zeros.
fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let Some((first, rest)) = number.get(zeros..).and_then(<[u8]>::split_first) else { return 0 };
    u32::try_from(rest.len())
        .map_or(u32::MAX, |rest| rest.saturating_mul(8))
        .saturating_add(8 - first.leading_zeros())
}

const P256: (&str, u32) = ("prime256v1", 256);
const P384: (&str, u32) = ("secp384r1", 384);
const P521: (&str, u32) = ("secp521r1", 521);

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const PARAMETERS: u8 = 0xa0;

/// Takes one element of DER: its tag and what is in it.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (tag, after) = rest.split_first()?;
    let (first, after) = after.split_first()?;
    let (length, after) = if *first < 0x80 {
        (usize::from(*first), after)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = after.get(..count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), after.get(count..)?)
    };
    let content = after.get(..length)?;
    *rest = after.get(length..)?;
    Some((*tag, content))
}

fn expect<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    element(rest).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The wrappings that name their kind: a sequence of a version and numbers, the curve behind them.
fn named(kind: &'static str, mut body: &[u8]) -> Option<PrivateKey> {
    let mut inner = expect(&mut body, SEQUENCE)?;
    let _version = expect(&mut inner, INTEGER)?;
    if kind != "ec" {
        return Some(PrivateKey::of(kind, Some(bits(expect(&mut inner, INTEGER)?))));
    }
    let _secret = expect(&mut inner, OCTETS)?;
    let mut parameters = expect(&mut inner, PARAMETERS)?;
    Some(curve(expect(&mut parameters, OBJECT)?))
}

fn curve(object: &[u8]) -> PrivateKey {
    match object {
        b"\x2a\x86\x48\xce\x3d\x03\x01\x07" => PrivateKey::on_curve(P256),
        b"\x2b\x81\x04\x00\x22" => PrivateKey::on_curve(P384),
        b"\x2b\x81\x04\x00\x23" => PrivateKey::on_curve(P521),
        _ => PrivateKey::of("ec", None),
    }
}

/// A sequence of a version, the algorithm with its parameters, and the key in its own wrapping.
fn pkcs8(mut body: &[u8]) -> Option<PrivateKey> {
    let mut outer = expect(&mut body, SEQUENCE)?;
    let _version = expect(&mut outer, INTEGER)?;
    let mut algorithm = expect(&mut outer, SEQUENCE)?;
    let object = expect(&mut algorithm, OBJECT)?;
    Some(match object {
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" => return named("rsa", expect(&mut outer, OCTETS)?),
        b"\x2a\x86\x48\xce\x3d\x02\x01" => curve(expect(&mut algorithm, OBJECT)?),
        b"\x2b\x65\x70" => PrivateKey::of("ed25519", Some(253)),
        b"\x2a\x86\x48\xce\x38\x04\x01" => {
            let mut numbers = expect(&mut algorithm, SEQUENCE)?;
            PrivateKey::of("dsa", Some(bits(expect(&mut numbers, INTEGER)?)))
        }
        _ => PrivateKey::of("", None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_are_those_of_openssl() {
        for (bits, strength) in [
            (8, 0),
            (256, 40),
            (512, 56),
            (768, 72),
            (1023, 80),
            (1024, 80),
            (1536, 96),
            (2048, 112),
            (2056, 112),
            (2560, 120),
            (3072, 128),
            (4095, 152),
            (5120, 168),
            (7000, 192),
            (7688, 200),
            (10240, 224),
            (15360, 256),
            (16384, 272),
            (20000, 296),
        ] {
            assert_eq!(factoring(bits), strength, "{bits}");
        }
        assert_eq!(PrivateKey::on_curve(P521).strength(), Some(256));
    }

    #[test]
    fn what_makes_no_sense_is_no_key_and_is_said() {
        let pem = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let key = private_key(pem).unwrap().unwrap();
        assert_eq!((key.encrypted, key.kind, key.strength()), (true, "rsa", None));
        assert_eq!(private_key(b"ssh-rsa AAAA"), None);
        for content in ["RSA ", "EC ", "OPENSSH ", ""] {
            let pem = format!("-----BEGIN {content}PRIVATE KEY-----\nMIH/AAAA\n-----END\n");
            assert!(private_key(pem.as_bytes()).unwrap().is_err(), "{content}");
        }
        assert!(openssh(b"openssh-key-v1\0\xff\xff\xff\xff").is_none());
    }
}

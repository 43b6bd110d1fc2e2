//! known_hosts as OpenSSH reads it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): hashed names, `[host]:port`, wildcards,
//! negation, several keys a host, revoked keys. Parsed once for a sweep, matched for each host.
//!
//! russh's own reader accepts revoked keys, knows no wildcards, and calls a second key of one kind a changed one.

use data_encoding::{BASE64, BASE64_NOPAD};
use ring::digest::{SHA256, digest};
use ring::hmac;
use std::collections::HashMap;

/// The port that `host` without a port stands for.
const SSH_PORT: u16 = 22;

/// All lines of all files, ready to be looked up.
#[derive(Debug, Default)]
pub(crate) struct KnownHosts {
    entries: Vec<Entry>,
    /// Entries that name one host plainly, by that name; the others must be tried one by one.
    by_name: HashMap<String, Vec<usize>>,
    patterns: Vec<usize>,
    hashed: Vec<usize>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    names: Names,
    marker: Marker,
    kind: String,
    blob: Vec<u8>,
}

#[derive(Debug)]
enum Names {
    Listed(Vec<Pattern>),
    Hashed { key: hmac::Key, tag: Vec<u8> },
}

#[derive(Debug)]
struct Pattern {
    negated: bool,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    CertAuthority,
}

/// What is known of a key that a host presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a known key of this host.
    Trusted,
    /// Nothing is known of this host.
    Unknown,
    /// The host is known, with other keys: their fingerprints.
    Changed(Vec<String>),
    /// It must not be accepted any more.
    Revoked,
}

/// What is known of one host.
#[derive(Debug)]
pub(crate) struct HostKeys<'k> {
    keys: Vec<&'k Entry>,
    /// Keys that are known for the host without its port: good enough to trust, as OpenSSH does, but no reason to
    /// call another key changed.
    without_port: Vec<&'k Entry>,
}

impl KnownHosts {
    /// Takes in a file. Lines that mean nothing are passed over, as OpenSSH does, and noted.
    pub(crate) fn add(&mut self, file: &str, text: &[u8]) {
        let mut authorities = 0usize;
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let Ok(line) = std::str::from_utf8(line) else {
                self.notes.push(format!("{file}:{number}: passed over, as it is not UTF-8"));
                continue;
            };
            match parse(line) {
                Ok(Some(entry)) => {
                    authorities += usize::from(entry.marker == Marker::CertAuthority);
                    self.insert(entry);
                }
                Ok(None) => {}
                Err(why) => self.notes.push(format!("{file}:{number}: passed over: {why}")),
            }
        }
        if authorities > 0 {
            self.notes.push(format!(
                "{file}: host certificates are not understood yet: {authorities} @cert-authority lines"
            ));
        }
    }

    /// What the reader should know.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    fn insert(&mut self, entry: Entry) {
        let place = self.entries.len();
        match &entry.names {
            Names::Hashed { .. } => self.hashed.push(place),
            Names::Listed(names) if names.iter().any(Pattern::is_pattern) => self.patterns.push(place),
            Names::Listed(names) => {
                for name in names {
                    self.by_name.entry(name.text.clone()).or_default().push(place);
                }
            }
        }
        self.entries.push(entry);
    }

    /// What is known of a host, by the name or address that is connected to.
    pub(crate) fn lookup(&self, host: &str, port: u16) -> HostKeys<'_> {
        let host = host.to_lowercase();
        if port == SSH_PORT {
            return HostKeys { keys: self.matching(&host), without_port: Vec::new() };
        }
        HostKeys { keys: self.matching(&format!("[{host}]:{port}")), without_port: self.matching(&host) }
    }

    fn matching(&self, name: &str) -> Vec<&Entry> {
        let named = self.by_name.get(name).into_iter().flatten();
        let tried = self
            .patterns
            .iter()
            .chain(&self.hashed)
            .filter(|&&place| self.entries.get(place).is_some_and(|entry| entry.names.stand_for(name)));
        let mut places: Vec<usize> = named.chain(tried).copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.entries.get(place)).collect()
    }
}

impl HostKeys<'_> {
    /// What is to be thought of a key, given as it goes over the wire.
    pub(crate) fn judge(&self, blob: &[u8]) -> Verdict {
        let all = || self.keys.iter().chain(&self.without_port);
        let same = |entry: &&&Entry| entry.blob == blob;
        if all().any(|entry| entry.marker == Marker::Revoked && entry.blob == blob) {
            return Verdict::Revoked;
        }
        let plain = |entry: &&&Entry| entry.marker == Marker::None;
        if all().filter(plain).any(|entry| same(&entry)) {
            return Verdict::Trusted;
        }
        let known: Vec<String> =
            self.keys.iter().filter(plain).map(|entry| fingerprint(&entry.blob)).collect();
        if known.is_empty() { Verdict::Unknown } else { Verdict::Changed(known) }
    }

    /// The kinds of keys that are known for this host (`ssh-ed25519`, …), which a connection should ask for first: a
    /// key of another kind would look unknown.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for entry in self.keys.iter().chain(&self.without_port).filter(|entry| entry.marker == Marker::None) {
            if !kinds.contains(&entry.kind.as_str()) {
                kinds.push(&entry.kind);
            }
        }
        kinds
    }
}

/// As OpenSSH prints it: `SHA256:` and base64 without padding.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", BASE64_NOPAD.encode(digest(&SHA256, blob).as_ref()))
}

fn parse(line: &str) -> Result<Option<Entry>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().peekable();
    let marker = match words.peek().filter(|word| word.starts_with('@')) {
        None => Marker::None,
        Some(&"@revoked") => Marker::Revoked,
        Some(&"@cert-authority") => Marker::CertAuthority,
        Some(other) => return Err(format!("the marker {other} is not known")),
    };
    if marker != Marker::None {
        words.next();
    }
    let (Some(names), Some(kind), Some(blob)) = (words.next(), words.next(), words.next()) else {
        return Err("it needs names, the kind of the key, and the key".to_owned());
    };
    let blob = BASE64.decode(blob.as_bytes()).map_err(|_| "the key is not base64".to_owned())?;
    // The blob starts with the length of its own kind, and the kind.
    let own = blob.get(4..4 + kind.len());
    if own != Some(kind.as_bytes()) {
        return Err(format!("the key is not of the kind {kind}"));
    }
    Ok(Some(Entry { names: parse_names(names)?, marker, kind: kind.to_owned(), blob }))
}

fn parse_names(names: &str) -> Result<Names, String> {
    let Some(hashed) = names.strip_prefix("|1|") else {
        let pattern = |name: &str| {
            let negated = name.starts_with('!');
            Pattern { negated, text: name.trim_start_matches('!').to_lowercase() }
        };
        return Ok(Names::Listed(names.split(',').filter(|name| !name.is_empty()).map(pattern).collect()));
    };
    let parts = hashed.split_once('|').and_then(|(salt, tag)| {
        Some((BASE64.decode(salt.as_bytes()).ok()?, BASE64.decode(tag.as_bytes()).ok()?))
    });
    let (salt, tag) = parts.ok_or("its hashed name is not |1|salt|hash")?;
    Ok(Names::Hashed { key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt), tag })
}

impl Names {
    fn stand_for(&self, name: &str) -> bool {
        match self {
            Self::Hashed { key, tag } => hmac::verify(key, name.as_bytes(), tag).is_ok(),
            Self::Listed(patterns) => {
                let mut found = false;
                for pattern in
                    patterns.iter().filter(|pattern| wildcard(pattern.text.as_bytes(), name.as_bytes()))
                {
                    if pattern.negated {
                        return false;
                    }
                    found = true;
                }
                found
            }
        }
    }
}

impl Pattern {
    fn is_pattern(&self) -> bool {
        self.negated || self.text.contains(['*', '?'])
    }
}

/// `*` stands for anything, `?` for one byte. Goes back to the last `*` only, so that no pattern takes long.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || Some(&wanted) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Vec<u8> {
        let mut blob = vec![0, 0, 0, 11];
        blob.extend(b"ssh-ed25519");
        blob.extend([0, 0, 0, 32]);
        blob.extend([n; 32]);
        blob
    }

    fn line(names: &str, n: u8) -> String {
        format!("{names} ssh-ed25519 {}", BASE64.encode(&key(n)))
    }

    fn known(lines: &[String]) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.add("known_hosts", lines.join("\n").as_bytes());
        assert_eq!(known.notes(), [] as [&str; 0]);
        known
    }

    fn judge(known: &KnownHosts, host: &str, port: u16, n: u8) -> Verdict {
        known.lookup(host, port).judge(&key(n))
    }

    #[test]
    fn plain_names_ports_and_letters_of_either_case() {
        let known =
            known(&[line("web,Web-01.Example.org,10.0.0.1", 1) + " a comment", line("[web]:2222\t", 2)]);
        assert_eq!(judge(&known, "WEB-01.example.org", 22, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "10.0.0.1", 22, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "web", 2222, 2), Verdict::Trusted);
        assert_eq!(judge(&known, "web", 22, 2), Verdict::Changed(vec![fingerprint(&key(1))]));
        assert_eq!(judge(&known, "other", 22, 1), Verdict::Unknown);
    }

    #[test]
    fn another_port_trusts_the_plain_key_but_calls_no_other_changed() {
        let known = known(&[line("web", 1)]);
        assert_eq!(judge(&known, "web", 2222, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "web", 2222, 9), Verdict::Unknown);
    }

    #[test]
    fn several_keys_of_one_kind() {
        let known = known(&[line("web", 1), line("web", 2)]);
        assert_eq!(judge(&known, "web", 22, 2), Verdict::Trusted);
        assert_eq!(
            judge(&known, "web", 22, 3),
            Verdict::Changed(vec![fingerprint(&key(1)), fingerprint(&key(2))])
        );
        assert_eq!(known.lookup("web", 22).kinds(), ["ssh-ed25519"]);
    }

    #[test]
    fn wildcards_and_negation() {
        let known = known(&[
            line("*.example.org,!bad.example.org", 1),
            line("host,!host", 2),
            line("[10.0.?.*]:22*", 3),
        ]);
        assert_eq!(judge(&known, "web.example.org", 22, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "bad.example.org", 22, 1), Verdict::Unknown);
        assert_eq!(judge(&known, "host", 22, 2), Verdict::Unknown);
        assert_eq!(judge(&known, "10.0.3.44", 2222, 3), Verdict::Trusted);
    }

    #[test]
    fn a_revoked_key_is_revoked_whatever_else_is_said() {
        let known = known(&[line("web", 1), line("@revoked *", 1), line("web", 2)]);
        assert_eq!(judge(&known, "web", 22, 1), Verdict::Revoked);
        assert_eq!(judge(&known, "web", 2222, 1), Verdict::Revoked);
        assert_eq!(judge(&known, "web", 22, 2), Verdict::Trusted);
    }

    #[test]
    fn hashed_names() {
        // HMAC-SHA1 of the name, keyed with the salt.
        let hash = |name: &str| {
            let salt = [7u8; 20];
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
            format!(
                "|1|{}|{}",
                BASE64.encode(&salt),
                BASE64.encode(hmac::sign(&key, name.as_bytes()).as_ref())
            )
        };
        let known = known(&[line(&hash("web.example.org"), 1), line(&hash("[web.example.org]:2222"), 2)]);
        assert_eq!(judge(&known, "web.example.org", 22, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "Web.example.org", 2222, 2), Verdict::Trusted);
        assert_eq!(judge(&known, "other", 22, 1), Verdict::Unknown);
    }

    #[test]
    fn lines_that_mean_nothing_are_passed_over_and_noted() {
        let mut known = KnownHosts::default();
        let text = format!(
            "# fleet\n\nweb\n{}\n@odd {}\nweb ssh-rsa {}\n|1|x|y ssh-ed25519 {}\n@cert-authority {}\n",
            line("good", 1),
            line("web", 1),
            BASE64.encode(&key(1)),
            BASE64.encode(&key(1)),
            line("*", 3)
        );
        known.add("f", text.as_bytes());
        assert_eq!(judge(&known, "good", 22, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "web", 22, 3), Verdict::Unknown, "an authority's key is no host's key");
        let notes = known.notes().join("\n");
        for expected in
            ["f:3: ", "f:5: passed over: the marker @odd", "f:6: ", "f:7: ", "1 @cert-authority lines"]
        {
            assert!(notes.contains(expected), "{expected}: {notes}");
        }
    }

    #[test]
    fn agrees_with_ssh_keygen() {
        // `ssh-keygen -F` is OpenSSH's own lookup; its hashed form of a file must be understood, too.
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known_hosts");
        std::fs::write(
            &file,
            [line("web.example.org", 1), line("[web.example.org]:2222", 2)].join("\n") + "\n",
        )
        .unwrap();
        let hashed =
            std::process::Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
        assert!(hashed.status.success(), "{}", String::from_utf8_lossy(&hashed.stderr));
        let text = std::fs::read(&file).unwrap();
        assert!(!text.windows(7).any(|part| part == b"example"), "it is hashed");
        let mut known = KnownHosts::default();
        known.add("known_hosts", &text);
        assert_eq!(judge(&known, "web.example.org", 22, 1), Verdict::Trusted);
        assert_eq!(judge(&known, "web.example.org", 2222, 2), Verdict::Trusted);
    }

    #[test]
    fn wildcards_never_take_long() {
        assert!(!wildcard(&b"*a".repeat(500), &[b'a'; 400]));
        assert!(wildcard(b"*a*b?", b"xxayybz") && wildcard(b"**", b"") && !wildcard(b"?", b""));
    }
}

//! known_hosts as OpenSSH reads it: hashed names, `[host]:port`, wildcards, negation, several keys, revoked keys.
//!
//! russh's own check takes a second key of one type for a changed one and does not know `@revoked`; so files are parsed
//! once for the whole sweep and matched here.

use crate::inventory::glob;
use data_encoding::BASE64;
use ring::hmac;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// All lines of all files.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownHosts {
    lines: Vec<Line>,
    /// Lines by a name that stands in them plainly.
    plain: HashMap<String, Vec<usize>>,
    /// Lines with patterns, to be tried one by one.
    patterns: Vec<(usize, Vec<Pattern>)>,
    hashed: Vec<(usize, Hashed)>,
    /// What could not be understood, for the reader.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Line {
    /// File and number, for messages.
    place: String,
    marker: Marker,
    algorithm: String,
    /// The key in base64, as it stands in the file.
    key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

#[derive(Clone, Debug)]
struct Pattern {
    negated: bool,
    glob: String,
}

#[derive(Clone, Debug)]
struct Hashed {
    key: hmac::Key,
    hash: Vec<u8>,
}

/// The known_hosts files of a sweep, each parsed once: hosts may have different ones, and share those of the system.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles(HashMap<PathBuf, Arc<KnownHosts>>);

impl KnownFiles {
    /// Reads those of these files that were not read yet.
    pub(crate) fn read(&mut self, files: &[PathBuf]) -> Result<(), (PathBuf, io::Error)> {
        for path in files {
            if self.0.contains_key(path) {
                continue;
            }
            let mut known = KnownHosts::default();
            match std::fs::read(path) {
                Ok(bytes) => known.add(&path.display().to_string(), &bytes),
                // Many accounts have none; then nothing is known, which each host will say.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((path.clone(), error)),
            }
            self.0.insert(path.clone(), Arc::new(known));
        }
        Ok(())
    }

    /// What these files say of a host, in their order.
    pub(crate) fn of_host(&self, files: &[PathBuf], host: &str, port: u16) -> HostKeys {
        HostKeys::of(files.iter().filter_map(|file| self.0.get(file)), host, port)
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        let notes: BTreeSet<&String> = self.0.values().flat_map(|known| &known.notes).collect();
        notes.into_iter().cloned().collect()
    }
}

/// What known_hosts says of a key that a host presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is known for this host.
    Known,
    /// No key of this type is known for the host; these types are.
    Unknown {
        other_types: Vec<String>,
        /// An authority is trusted for the host, which helps only those who can check certificates.
        authority: bool,
    },
    /// Another key of this type is known.
    Changed { expected: String, place: String },
    /// The key is marked as revoked.
    Revoked { place: String },
}

impl KnownHosts {
    /// Adds the lines of a file; `name` is for messages.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = format!("{name}:{}", number + 1);
            if self.add_line(&place, line).is_none() {
                self.notes.push(format!("{place}: not understood, passed over"));
            }
        }
    }

    fn add_line(&mut self, place: &str, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let mut hosts = words.next()?;
        let marker = match hosts {
            "@revoked" => Marker::Revoked,
            "@cert-authority" => Marker::Authority,
            marker if marker.starts_with('@') => return None,
            _ => Marker::None,
        };
        if marker != Marker::None {
            hosts = words.next()?;
        }
        let (algorithm, key) = (words.next()?.to_owned(), words.next()?.to_owned());
        let n = self.lines.len();
        if let Some(hashed) = hosts.strip_prefix("|1|") {
            let (salt, hash) = hashed.split_once('|')?;
            let salt = BASE64.decode(salt.as_bytes()).ok()?;
            let hash = BASE64.decode(hash.as_bytes()).ok()?;
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
            self.hashed.push((n, Hashed { key, hash }));
        } else if hosts.contains(['*', '?', '!']) {
            let patterns = hosts.split(',').map(|word| {
                let (negated, glob) = word.strip_prefix('!').map_or((false, word), |word| (true, word));
                Pattern { negated, glob: glob.to_lowercase() }
            });
            self.patterns.push((n, patterns.collect()));
        } else {
            for host in hosts.split(',') {
                self.plain.entry(host.to_lowercase()).or_default().push(n);
            }
        }
        self.lines.push(Line { place: place.to_owned(), marker, algorithm, key });
        Some(())
    }

    /// What is known of one host.
    pub(crate) fn of_host(self: &Arc<Self>, host: &str, port: u16) -> HostKeys {
        HostKeys::of([self].into_iter(), host, port)
    }

    fn named(&self, name: &str) -> Vec<usize> {
        let mut found: Vec<usize> = self.plain.get(name).cloned().unwrap_or_default();
        found.extend(self.patterns.iter().filter(|(_, patterns)| fits(patterns, name)).map(|(n, _)| n));
        let hashed = self.hashed.iter().filter(|(_, hashed)| {
            // Not a secret, but this is the comparison that ring offers.
            hmac::verify(&hashed.key, name.as_bytes(), &hashed.hash).is_ok()
        });
        found.extend(hashed.map(|(n, _)| n));
        found.sort_unstable();
        found
    }
}

/// A list of patterns fits where one of them does and no negated one.
fn fits(patterns: &[Pattern], name: &str) -> bool {
    let mut fits = false;
    for pattern in patterns {
        if glob(&pattern.glob, name) {
            if pattern.negated {
                return false;
            }
            fits = true;
        }
    }
    fits
}

/// The lines that are about one host.
#[derive(Debug)]
pub(crate) struct HostKeys(Vec<OfFile>);

/// Those of one file.
#[derive(Debug)]
struct OfFile {
    known: Arc<KnownHosts>,
    lines: Vec<usize>,
    without_port: Vec<usize>,
}

impl HostKeys {
    /// Looks at every hashed name, so it is done once a host.
    fn of<'k>(files: impl Iterator<Item = &'k Arc<KnownHosts>>, host: &str, port: u16) -> Self {
        let host = host.to_lowercase();
        let with_port = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
        let of_file = |known: &Arc<KnownHosts>| OfFile {
            lines: known.named(&with_port),
            // OpenSSH believes a key that is known for the host without a port, too.
            without_port: if port == 22 { Vec::new() } else { known.named(&host) },
            known: Arc::clone(known),
        };
        Self(files.map(of_file).collect())
    }

    fn with_port(&self) -> impl Iterator<Item = &Line> {
        self.0.iter().flat_map(|file| file.lines.iter().filter_map(|&n| file.known.lines.get(n)))
    }

    fn all(&self) -> impl Iterator<Item = &Line> {
        let more = self.0.iter();
        let more = more.flat_map(|file| file.without_port.iter().filter_map(|&n| file.known.lines.get(n)));
        self.with_port().chain(more)
    }

    /// Types of keys to ask for: those that are known for the host first, else a server with several keys would
    /// present one that is not.
    pub(crate) fn order(&self, supported: &[Algorithm]) -> Vec<Algorithm> {
        let plain = self.all().filter(|line| line.marker == Marker::None);
        let known: Vec<&str> = plain.map(|line| line.algorithm.as_str()).collect();
        let is_known = |algorithm: &Algorithm| known.contains(&base_type(algorithm).as_str());
        let (mut first, rest): (Vec<_>, Vec<_>) = supported.iter().cloned().partition(is_known);
        first.extend(rest);
        first
    }

    /// Where a key is trusted as an authority for the host.
    pub(crate) fn authority(&self, key: &PublicKey) -> Option<&str> {
        self.marked(key, Marker::Authority)
    }

    /// Where a key is revoked, as an authority or as a host's.
    pub(crate) fn revokes(&self, key: &PublicKey) -> Option<&str> {
        self.marked(key, Marker::Revoked)
    }

    fn marked(&self, key: &PublicKey, marker: Marker) -> Option<&str> {
        let blob = key.to_bytes().map(|bytes| BASE64.encode(&bytes)).ok()?;
        self.all().find(|line| line.marker == marker && line.key == blob).map(|line| line.place.as_str())
    }

    /// Whether the host may show a certificate: whether there is anybody to have signed it.
    pub(crate) fn has_authorities(&self) -> bool {
        self.all().any(|line| line.marker == Marker::Authority)
    }

    /// Judges the key that the host presented.
    pub(crate) fn check(&self, key: &PublicKey) -> Verdict {
        let blob = key.to_bytes().map(|bytes| BASE64.encode(&bytes)).unwrap_or_default();
        let algorithm = base_type(&key.algorithm());
        let same = |line: &&Line| line.algorithm == algorithm && line.key == blob;
        if let Some(line) = self.all().filter(same).find(|line| line.marker == Marker::Revoked) {
            return Verdict::Revoked { place: line.place.clone() };
        }
        if self.all().filter(same).any(|line| line.marker == Marker::None) {
            return Verdict::Known;
        }
        let plain = || self.with_port().filter(|line| line.marker == Marker::None);
        if let Some(line) = plain().find(|line| line.algorithm == algorithm) {
            let expected = PublicKey::from_openssh(&format!("{} {}", line.algorithm, line.key));
            let expected = expected.map(|key| key.fingerprint(HashAlg::Sha256).to_string());
            let expected = expected.unwrap_or_else(|_| "a key that cannot be read".into());
            return Verdict::Changed { expected, place: line.place.clone() };
        }
        let mut other_types: Vec<_> = plain().map(|line| line.algorithm.clone()).collect();
        other_types.sort();
        other_types.dedup();
        Verdict::Unknown { other_types, authority: self.all().any(|line| line.marker == Marker::Authority) }
    }
}

/// The type as files have it: RSA keys have one, whatever they sign with.
fn base_type(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";
    const E: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn check(file: &str, host: &str, port: u16, presented: &str) -> Verdict {
        let mut known = KnownHosts::default();
        known.add("kh", file.as_bytes());
        Arc::new(known).of_host(host, port).check(&key(presented))
    }

    fn unknown() -> Verdict {
        Verdict::Unknown { other_types: vec![], authority: false }
    }

    #[test]
    fn plain_names_and_ports() {
        let file = format!("# mine\n\nweb,192.0.2.1 {A} a comment\n\t[web]:2222\t{B}\n");
        assert_eq!(check(&file, "web", 22, A), Verdict::Known);
        assert_eq!(check(&file, "WEB", 22, A), Verdict::Known);
        assert_eq!(check(&file, "192.0.2.1", 22, A), Verdict::Known);
        assert_eq!(check(&file, "web", 2222, B), Verdict::Known);
        assert_eq!(check(&file, "web", 2222, A), Verdict::Known, "known without the port, as OpenSSH has it");
        assert_eq!(check(&file, "db", 22, A), unknown());
        assert_eq!(check(&file, "db", 2222, B), unknown());
    }

    #[test]
    fn a_changed_key_names_the_one_that_was_expected() {
        let file = format!("web {A}\n");
        let expected = key(A).fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(check(&file, "web", 22, B), Verdict::Changed { expected, place: "kh:1".into() });
    }

    #[test]
    fn several_keys_of_one_type_and_of_others() {
        let file = format!("web {A}\nweb {B}\n");
        assert_eq!(check(&file, "web", 22, B), Verdict::Known);
        let other = Verdict::Unknown { other_types: vec!["ssh-ed25519".into()], authority: false };
        assert_eq!(check(&file, "web", 22, E), other);
    }

    #[test]
    fn a_revoked_key_is_refused_even_where_it_is_known() {
        let file = format!("web {A}\n@revoked * {A}\n");
        assert_eq!(check(&file, "web", 22, A), Verdict::Revoked { place: "kh:2".into() });
        assert_eq!(check(&file, "web", 2200, A), Verdict::Revoked { place: "kh:2".into() });
        assert_eq!(check(&format!("@revoked * {B}\nweb {A}\n"), "web", 22, A), Verdict::Known);
    }

    #[test]
    fn an_authority_is_not_taken_for_a_key() {
        let file = format!("@cert-authority *.lan {A}\n");
        assert_eq!(check(&file, "web.lan", 22, A), Verdict::Unknown { other_types: vec![], authority: true });
    }

    #[test]
    fn wildcards_and_negation() {
        let file = format!("*.lan,!bad.lan {A}\n");
        assert_eq!(check(&file, "web.LAN", 22, A), Verdict::Known);
        assert_eq!(check(&file, "bad.lan", 22, A), unknown());
        assert_eq!(check(&format!("web,!web {A}\n"), "web", 22, A), unknown());
        assert_eq!(check(&format!("[web?]:* {A}\n"), "web1", 2222, A), Verdict::Known);
    }

    #[test]
    fn hashed_names() {
        let salt = [7u8; 20];
        let hash = |name: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
            format!(
                "|1|{}|{}",
                BASE64.encode(&salt),
                BASE64.encode(hmac::sign(&key, name.as_bytes()).as_ref())
            )
        };
        let file = format!("{} {A}\n{} {B}\n", hash("web"), hash("[web]:2222"));
        assert_eq!(check(&file, "Web", 22, A), Verdict::Known);
        assert_eq!(check(&file, "web", 2222, B), Verdict::Known);
        assert_eq!(check(&file, "web2", 22, A), unknown());
    }

    #[test]
    fn known_types_are_asked_for_first() {
        let mut known = KnownHosts::default();
        known.add("kh", format!("web {E}\n@revoked web {A}\n").as_bytes());
        let supported = [key(A).algorithm(), Algorithm::Rsa { hash: None }, key(E).algorithm()];
        let order = Arc::new(known).of_host("web", 22).order(&supported);
        assert_eq!(order[0], key(E).algorithm());
        assert_eq!(order.len(), 3);
    }

    #[test]
    fn lines_that_are_none_are_noted() {
        let mut known = KnownHosts::default();
        known.add("kh", b"web\n@marker web ssh-rsa AAAA\n|1|x|y ssh-rsa AAAA\n\xff\n");
        assert_eq!(known.notes.len(), 4);
    }

    fn hashed(name: &str, n: usize) -> String {
        let salt = [(n % 251) as u8; 20];
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        let hash = hmac::sign(&key, name.as_bytes());
        format!("|1|{}|{} {A}\n", BASE64.encode(&salt), BASE64.encode(hash.as_ref()))
    }

    /// Not a matter of time: all hosts have the same lines in their hands, also where each has a file of its own besides, and they
    /// are not on the disk any more.
    #[test]
    fn ten_thousand_hashed_lines_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("known_hosts");
        std::fs::write(&shared, (0..10_000).map(|n| hashed(&format!("h{n}"), n)).collect::<String>())
            .unwrap();
        let mut known = KnownFiles::default();
        let lists: Vec<Vec<PathBuf>> =
            (0..200).map(|n| vec![dir.path().join(format!("of-h{n}")), shared.clone()]).collect();
        for list in &lists {
            known.read(list).unwrap();
            // Whoever read it again would find nothing.
            let _ = std::fs::remove_file(&shared);
        }
        let first = known.of_host(&lists[0], "h0", 22);
        for (list, n) in lists.iter().zip([0, 4711, 9999]) {
            let keys = known.of_host(list, &format!("h{n}"), 22);
            assert_eq!(keys.check(&key(A)), Verdict::Known);
            assert!(Arc::ptr_eq(&keys.0[1].known, &first.0[1].known));
        }
        assert_eq!(known.of_host(&lists[7], "h10000", 22).check(&key(A)), unknown());
    }

    /// `cargo test --release -p herdiff-collector --lib -- --ignored --nocapture measure_hashed`
    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::print_stdout)]
    fn measure_hashed_lines() {
        let text: String = (0..10_000).map(|n| hashed(&format!("h{n}"), n)).collect();
        let start = std::time::Instant::now();
        let mut known = KnownHosts::default();
        known.add("kh", text.as_bytes());
        let (read, known, start) = (start.elapsed(), Arc::new(known), std::time::Instant::now());
        for n in 0..100 {
            assert_eq!(known.of_host(&format!("h{n}"), 22).check(&key(A)), Verdict::Known);
        }
        println!("10,000 hashed lines: read in {read:?}, {:?} a host", start.elapsed() / 100);
    }

    #[test]
    fn agrees_with_ssh_keygen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        std::fs::write(&file, format!("web.example.org {A}\n[web.example.org]:2222 {B}\n")).unwrap();
        let hashed = std::process::Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output();
        let Ok(hashed) = hashed else {
            let missing = "ssh-keygen is not there (apt-get install openssh-client)";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            // Past the test's own capture of output.
            let _ = writeln!(std::io::stderr(), "NOT TESTED: {missing}");
            return;
        };
        assert!(hashed.status.success(), "{hashed:?}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("example"), "it is hashed");
        assert_eq!(check(&text, "web.example.org", 22, A), Verdict::Known);
        assert_eq!(check(&text, "web.example.org", 2222, B), Verdict::Known);
        assert_eq!(check(&text, "other.example.org", 22, A), unknown());
    }
}

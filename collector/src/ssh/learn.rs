//! Adds keys of new hosts to known_hosts, under a lock, as other programs may do the same.

use super::known_hosts::{KnownHosts, Verdict};
use data_encoding::BASE64;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use russh::keys::PublicKey;
use rustix::fs::{FlockOperation, flock};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whoever holds the lock longer has hung.
const PATIENCE: Duration = Duration::from_secs(15);

/// The files that keys are added to.
#[derive(Debug, Default)]
pub(crate) struct Learner(Mutex<HashMap<PathBuf, Learned>>);

/// What was added to one file since the sweep started, by us and by others.
#[derive(Debug, Default)]
struct Learned {
    /// How much of the file was read.
    read: u64,
    new: Arc<KnownHosts>,
    added: usize,
}

impl Learner {
    /// How many keys were added, and where.
    pub(crate) fn added(&self) -> Vec<(PathBuf, usize)> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut added: Vec<_> = files.iter().map(|(file, learned)| (file.clone(), learned.added)).collect();
        added.retain(|(_, added)| *added > 0);
        added.sort();
        added
    }

    /// Adds the key of a host of which none was known when the sweep started, unless somebody added one meanwhile: then that
    /// one counts. Blocks.
    pub(crate) fn learn(
        &self,
        file: &Path,
        host: &str,
        port: u16,
        key: &PublicKey,
        hashed: bool,
    ) -> io::Result<Verdict> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let learned = files.entry(file.to_owned()).or_default();
        if let Some(parent) = file.parent().filter(|parent| !parent.exists()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file)?;
        lock(&open)?;
        learned.catch_up(file, &mut open)?;
        let verdict = learned.new.of_host(host, port).check(key);
        let Verdict::Unknown { .. } = verdict else { return Ok(verdict) };
        let name = if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) };
        let name = if hashed { hash(&name)? } else { name };
        let openssh = key.to_openssh().map_err(io::Error::other)?;
        let key = openssh.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let line = format!("{}{name} {key}\n", if ends_in_line(&mut open)? { "" } else { "\n" });
        // One write: a program that dies in between leaves no half of a line.
        open.write_all(line.as_bytes())?;
        learned.added += 1;
        learned.catch_up(file, &mut open)?;
        Ok(Verdict::Known)
    }
}

impl Learned {
    /// Reads what was added to the file.
    fn catch_up(&mut self, file: &Path, open: &mut File) -> io::Result<()> {
        let length = open.metadata()?.len();
        if length < self.read {
            // Somebody wrote it anew: all of it counts.
            (self.read, self.new) = (0, Arc::default());
        }
        if length > self.read {
            let mut bytes = Vec::new();
            open.seek(SeekFrom::Start(self.read))?;
            open.take(length - self.read).read_to_end(&mut bytes)?;
            Arc::make_mut(&mut self.new).add(&file.display().to_string(), &bytes);
            self.read = length;
        }
        Ok(())
    }
}

fn lock(file: &File) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn ends_in_line(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if length == 0 || !file.metadata()?.is_file() {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// As `ssh-keygen -H` writes it.
fn hash(name: &str) -> io::Result<String> {
    let mut salt = [0; 20];
    SystemRandom::new().fill(&mut salt).map_err(|_| io::Error::other("no random numbers"))?;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    let hash = hmac::sign(&key, name.as_bytes());
    Ok(format!("|1|{}|{}", BASE64.encode(&salt), BASE64.encode(hash.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";

    #[test]
    fn a_new_key_is_added_once_and_another_one_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/known_hosts");
        let (a, b) = (PublicKey::from_openssh(A).unwrap(), PublicKey::from_openssh(B).unwrap());
        let learner = Learner::default();
        assert_eq!(learner.learn(&file, "Web", 22, &a, false).unwrap(), Verdict::Known);
        assert_eq!(learner.learn(&file, "web", 22, &a, false).unwrap(), Verdict::Known);
        assert!(matches!(learner.learn(&file, "web", 22, &b, false).unwrap(), Verdict::Changed { .. }));
        assert_eq!(learner.learn(&file, "web", 2222, &b, true).unwrap(), Verdict::Known);
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().next().unwrap(), format!("web {A}"));
    }

    #[test]
    fn what_others_add_meanwhile_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let (a, b) = (PublicKey::from_openssh(A).unwrap(), PublicKey::from_openssh(B).unwrap());
        std::fs::write(&file, format!("other {A}")).unwrap();
        let learner = Learner::default();
        learner.learn(&file, "web", 22, &a, false).unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            format!("other {A}\nweb {A}\n"),
            "a line of its own"
        );
        let mut more = OpenOptions::new().append(true).open(&file).unwrap();
        writeln!(more, "db {A}").unwrap();
        assert!(matches!(learner.learn(&file, "db", 22, &b, false).unwrap(), Verdict::Changed { .. }));
        assert_eq!(learner.added(), [(file, 1)]);
    }

    /// What is written while somebody else has the lock is seen: so it was waited for.
    #[test]
    fn a_lock_that_is_held_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let mut holder = File::create(&file).unwrap();
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        let (sender, started) = std::sync::mpsc::channel();
        let (copy, a) = (file.clone(), PublicKey::from_openssh(A).unwrap());
        let waiting = std::thread::spawn(move || {
            sender.send(()).unwrap();
            Learner::default().learn(&copy, "web", 22, &a, true).unwrap()
        });
        started.recv().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        writeln!(holder, "web {B}").unwrap();
        drop(holder);
        assert!(matches!(waiting.join().unwrap(), Verdict::Changed { .. }));
        assert_eq!(std::fs::read_to_string(file).unwrap(), format!("web {B}\n"));
    }

    #[test]
    fn names_are_hashed_where_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        Learner::default().learn(&file, "web", 22, &PublicKey::from_openssh(A).unwrap(), true).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("|1|") && !text.contains("web"), "{text}");
    }

    /// A thousand hosts do not read the file a thousand times.
    #[test]
    fn many_new_hosts_cost_little_each() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let a = PublicKey::from_openssh(A).unwrap();
        let learner = Learner::default();
        let start = Instant::now();
        for n in 0..2000 {
            learner.learn(&file, &format!("h{n}"), 22, &a, false).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2000);
    }
}

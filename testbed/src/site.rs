//! Where a served fleet leaves what one needs to visit it: inventory, keys, known_hosts, ssh_config.
//!
//! The files are those that Ansible and OpenSSH know, so that `herdiff`, `ansible` and plain `ssh` can all use them.

use crate::serve::Endpoint;
use crate::serve::keys::{self, KeyError};
use russh::keys::PrivateKey;
use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// First line of the inventory. A directory that has it is ours to write again.
const MARK: &str = "# Simulated hosts, written by herdiff-testbed";
/// The user that everybody logs in as. The simulated hosts do not care.
pub const USER: &str = "root";

/// A directory with all that one needs to visit a fleet.
#[derive(Clone, Debug)]
pub struct Site {
    directory: PathBuf,
}

/// Why the files cannot be written.
#[derive(Debug, Error)]
pub enum SiteError {
    /// Somebody else's directory.
    #[error("`{0}` exists and was not made by herdiff-testbed; name another place with --dir")]
    NotOurs(PathBuf),
    /// The system refused.
    #[error("cannot write `{path}`: {cause}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Site {
    /// Takes a directory: a new one, an empty one, or one that an earlier run has left.
    ///
    /// # Errors
    /// Where it is somebody else's.
    pub fn open(directory: &Path) -> Result<Self, SiteError> {
        let site = Self { directory: directory.to_owned() };
        let is_empty = fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
        let is_ours = fs::read_to_string(site.inventory()).is_ok_and(|text| text.starts_with(MARK));
        if !is_empty && !is_ours {
            return Err(SiteError::NotOurs(directory.to_owned()));
        }
        fs::create_dir_all(directory)
            .map_err(|cause| SiteError::Write { path: directory.to_owned(), cause })?;
        Ok(site)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Hosts as Ansible's INI.
    pub fn inventory(&self) -> PathBuf {
        self.directory.join("inventory.ini")
    }

    /// The private key that opens every host.
    pub fn identity(&self) -> PathBuf {
        self.directory.join("id_ed25519")
    }

    /// The keys of the hosts.
    pub fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    /// For plain `ssh -F`.
    pub fn ssh_config(&self) -> PathBuf {
        self.directory.join("ssh_config")
    }

    /// Writes a new key pair.
    ///
    /// # Errors
    /// Where there is no key or it cannot be written.
    pub fn make_identity(&self) -> Result<PrivateKey, SiteError> {
        let key = keys::new("herdiff-testbed")?;
        let public = key.public_key().to_openssh().map_err(KeyError::from)?;
        self.write(&self.identity(), 0o600, &keys::file(&key)?)?;
        self.write(&self.identity().with_extension("pub"), 0o644, &format!("{public}\n"))?;
        Ok(key)
    }

    /// Writes where the hosts are.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn describe(&self, herd: &str, hosts: &[Endpoint]) -> Result<(), SiteError> {
        let mut inventory = format!("{MARK}. They answer on loopback while it runs.\n[{herd}]\n");
        let mut known = String::new();
        let mut config = String::new();
        for host in hosts {
            let (name, ip, port) = (&host.name, host.address.ip(), host.address.port());
            let _ = writeln!(inventory, "{name} ansible_host={ip} ansible_port={port} ansible_user={USER}");
            let key = host.key.to_openssh().map_err(KeyError::from)?;
            // Without the comment, which some readers take for a part of the key.
            let key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let _ = writeln!(known, "[{ip}]:{port} {key}");
            let _ = writeln!(config, "Host {name}\n  HostName {ip}\n  Port {port}");
        }
        let _ = write!(
            config,
            "Host *\n  User {USER}\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  UserKnownHostsFile \"{}\"\n  \
             StrictHostKeyChecking yes\n",
            absolute(&self.identity()).display(),
            absolute(&self.known_hosts()).display(),
        );
        self.write(&self.inventory(), 0o644, &inventory)?;
        self.write(&self.known_hosts(), 0o644, &known)?;
        self.write(&self.ssh_config(), 0o644, &config)
    }

    /// Takes away what is of no use when the hosts are gone.
    pub fn forget_identity(&self) {
        for path in [self.identity(), self.identity().with_extension("pub")] {
            let _ = fs::remove_file(path);
        }
    }

    /// A file below the directory, which is removed if an earlier run has left it.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn fresh(&self, name: &str) -> Result<PathBuf, SiteError> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(SiteError::Write { path, cause }),
            _ => Ok(path),
        }
    }

    fn write(&self, path: &Path, mode: u32, text: &str) -> Result<(), SiteError> {
        let write = || {
            // The mode counts for a new file only.
            if path.exists() {
                fs::remove_file(path)?;
            }
            OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
        };
        write().map_err(|cause| SiteError::Write { path: path.to_owned(), cause })
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn files_are_what_their_readers_expect() {
        let above = tempfile::tempdir().unwrap();
        let site = Site::open(&above.path().join("site")).unwrap();
        let key = site.make_identity().unwrap();
        let host = Endpoint {
            name: "web-01".to_owned(),
            address: "127.0.0.1:40001".parse().unwrap(),
            key: keys::new("web-01").unwrap().public_key().clone(),
        };
        site.describe("web", std::slice::from_ref(&host)).unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert!(
            read(site.inventory())
                .ends_with("[web]\nweb-01 ansible_host=127.0.0.1 ansible_port=40001 ansible_user=root\n")
        );
        assert!(read(site.known_hosts()).starts_with("[127.0.0.1]:40001 ssh-ed25519 AAAA"));
        assert_eq!(fs::metadata(site.identity()).unwrap().mode() & 0o777, 0o600);
        let back = PrivateKey::from_openssh(read(site.identity())).unwrap();
        assert_eq!(back.public_key(), key.public_key());
        // A second run writes over the first.
        Site::open(site.directory()).unwrap().make_identity().unwrap();
        site.forget_identity();
        assert!(!site.identity().exists());
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.tex"), "x").unwrap();
        let error = Site::open(directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("was not made by herdiff-testbed; name another place with --dir"), "{error}");
    }
}

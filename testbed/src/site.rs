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
const MARK: &str = "# Hosts of a test bed, written by herdiff-testbed";
/// The user that everybody logs in as. The simulated hosts do not care.
pub const USER: &str = "root";

/// A directory with all that one needs to visit a fleet.
#[derive(Clone, Debug)]
pub struct Site {
    directory: PathBuf,
}

/// How a host is visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its name in the inventory.
    pub name: String,
    /// Its group in the inventory.
    pub herd: String,
    /// Name or address to connect to, as seen from the jump host where there is one.
    pub address: String,
    /// The port there.
    pub port: u16,
    /// The host through which it is reached.
    pub jump: Option<String>,
    /// What known_hosts says of it.
    pub key: Known,
}

impl Way {
    /// To a host that is reached by its address, with the key that it has.
    ///
    /// # Errors
    /// Where the key cannot be written down.
    pub fn straight(endpoint: &Endpoint, herd: &str) -> Result<Self, SiteError> {
        let key = endpoint.key.to_openssh().map_err(KeyError::from)?;
        Ok(Self {
            name: endpoint.name.clone(),
            herd: herd.to_owned(),
            address: endpoint.address.ip().to_string(),
            port: endpoint.address.port(),
            jump: None,
            // Without the comment, which some readers take for a part of the key.
            key: Known::Key(key.split(' ').take(2).collect::<Vec<_>>().join(" ")),
        })
    }
}

/// What known_hosts says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// This is its key: algorithm and base64.
    Key(String),
    /// This key must not be accepted any more.
    Revoked(String),
    /// Nothing.
    Nothing,
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

    /// Writes where the hosts are. Those of a herd stand together.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn describe(&self, hosts: &[Way]) -> Result<(), SiteError> {
        let mut herds: Vec<&str> = Vec::new();
        for host in hosts.iter().filter(|host| !host.herd.is_empty()) {
            if !herds.contains(&host.herd.as_str()) {
                herds.push(&host.herd);
            }
        }
        let mut inventory = format!("{MARK}. They answer while it runs.\n");
        for herd in herds {
            let _ = writeln!(inventory, "[{herd}]");
            for host in hosts.iter().filter(|host| host.herd == herd) {
                let _ = writeln!(inventory, "{}", inventory_line(host));
            }
        }
        let mut known = String::new();
        let mut config = String::new();
        for host in hosts {
            let Way { name, address, port, .. } = host;
            let place = if *port == 22 { address.clone() } else { format!("[{address}]:{port}") };
            let _ = match &host.key {
                Known::Key(key) => writeln!(known, "{place} {key}"),
                Known::Revoked(key) => writeln!(known, "@revoked {place} {key}"),
                Known::Nothing => Ok(()),
            };
            let _ = writeln!(config, "Host {name}\n  HostName {address}\n  Port {port}");
            if let Some(jump) = &host.jump {
                let _ = writeln!(config, "  ProxyJump {jump}");
            }
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

    /// A file below the directory, with what is given.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(&self, name: &str, mode: u32, text: &str) -> Result<PathBuf, SiteError> {
        let path = self.directory.join(name);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(|cause| SiteError::Write { path: above.to_owned(), cause })?;
        }
        self.write(&path, mode, text)?;
        Ok(path)
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

/// A line of Ansible's inventory. What is behind a jump host is left to ssh_config, which all readers know.
fn inventory_line(host: &Way) -> String {
    let Way { name, address, port, .. } = host;
    match host.jump {
        Some(_) => format!("{name} ansible_user={USER}"),
        None => format!("{name} ansible_host={address} ansible_port={port} ansible_user={USER}"),
    }
}

/// A path that means the same from everywhere.
pub fn absolute(path: &Path) -> PathBuf {
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
        let plain = Way {
            name: "web-01".to_owned(),
            herd: "web".to_owned(),
            address: "127.0.0.1".to_owned(),
            port: 40001,
            jump: None,
            key: Known::Key("ssh-ed25519 AAAA".to_owned()),
        };
        let behind = Way {
            name: "web-02".to_owned(),
            address: "inner_web_2".to_owned(),
            port: 22,
            jump: Some("bastion-1".to_owned()),
            ..plain.clone()
        };
        let revoked = Way {
            name: "web-03".to_owned(),
            key: Known::Revoked("ssh-ed25519 BBBB".to_owned()),
            ..plain.clone()
        };
        let unknown = Way { name: "web-04".to_owned(), key: Known::Nothing, ..plain.clone() };
        site.describe(&[plain, behind, revoked, unknown]).unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert!(
            read(site.inventory()).contains(
                "[web]\nweb-01 ansible_host=127.0.0.1 ansible_port=40001 ansible_user=root\nweb-02 ansible_user=root\n"
            )
        );
        assert_eq!(
            read(site.known_hosts()),
            "[127.0.0.1]:40001 ssh-ed25519 AAAA\ninner_web_2 ssh-ed25519 AAAA\n@revoked [127.0.0.1]:40001 ssh-ed25519 BBBB\n"
        );
        assert!(
            read(site.ssh_config())
                .contains("Host web-02\n  HostName inner_web_2\n  Port 22\n  ProxyJump bastion-1\n")
        );
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

//! Faults that are none of the host's: what is written of it is wrong.

use super::Fault;
use crate::site::Site;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the files cannot be changed.
#[derive(Debug, Error)]
pub enum FilesError {
    /// The system refused.
    #[error("cannot change `{path}`: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// Nothing is written of it.
    #[error("there is no host `{host}` in `{path}`")]
    NoSuchHost {
        /// Which host.
        host: String,
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// Makes what a site says of a host wrong, as the fault says. Faults of the host itself change nothing.
///
/// # Errors
/// Where the host is not known there, or a file cannot be changed.
pub fn misdirect(site: &Site, host: &str, fault: Fault) -> Result<(), FilesError> {
    if !fault.is_in_files() {
        return Ok(());
    }
    let (config, known) = (site.ssh_config(), site.known_hosts());
    let text = read(&config)?;
    let missing = || FilesError::NoSuchHost { host: host.to_owned(), path: config.clone() };
    let place = place(&text, host).ok_or_else(missing)?;
    match fault {
        Fault::NoAddress => {
            let nowhere = format!("{host}.invalid");
            let block = format!("Host {host}\n  HostName {}\n", place.address);
            write(&config, &text.replace(&block, &format!("Host {host}\n  HostName {nowhere}\n")))?;
            let line = |line: &str| match line.strip_prefix(host) {
                Some(rest) if rest.starts_with(' ') => line.replace(
                    &format!(" ansible_host={} ", place.address),
                    &format!(" ansible_host={nowhere} "),
                ),
                _ => line.to_owned(),
            };
            write(&site.inventory(), &lines(&read(&site.inventory())?, |text| Some(line(text))))
        }
        Fault::UnknownHostKey => {
            write(&known, &lines(&read(&known)?, |line| (!place.is_of(line)).then(|| line.to_owned())))
        }
        Fault::RevokedHostKey => {
            let revoked =
                |line: &str| if place.is_of(line) { format!("@revoked {line}") } else { line.to_owned() };
            write(&known, &lines(&read(&known)?, |line| Some(revoked(line))))
        }
        _ => Ok(()),
    }
}

/// Where a host is, as `ssh_config` says.
struct Place {
    address: String,
    /// As known_hosts writes it.
    known: String,
}

impl Place {
    fn is_of(&self, line: &str) -> bool {
        line.split(' ').next() == Some(self.known.as_str())
    }
}

fn place(config: &str, host: &str) -> Option<Place> {
    let mut block = config.lines().skip_while(|line| *line != format!("Host {host}")).skip(1).map(str::trim);
    let address = block.next()?.strip_prefix("HostName ")?.to_owned();
    let port = block.next()?.strip_prefix("Port ")?;
    let known = if port == "22" { address.clone() } else { format!("[{address}]:{port}") };
    Some(Place { address, known })
}

fn lines(text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    text.lines().filter_map(change).map(|line| line + "\n").collect()
}

fn read(path: &Path) -> Result<String, FilesError> {
    fs::read_to_string(path).map_err(|cause| FilesError::File { path: path.to_owned(), cause })
}

/// Readers see the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), FilesError> {
    let new = path.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|cause| FilesError::File { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Known, Way};

    #[test]
    fn only_what_is_written_of_the_host_changes() {
        let above = tempfile::tempdir().unwrap();
        let site = Site::open(&above.path().join("site")).unwrap();
        let way = |number: u16| Way {
            name: format!("web-{number}"),
            herd: "web".to_owned(),
            address: "127.0.0.1".to_owned(),
            port: 40_000 + number,
            jump: None,
            key: Known::Key(format!("ssh-ed25519 KEY{number}")),
        };
        site.describe(&[way(1), way(10), way(2)]).unwrap();
        misdirect(&site, "web-1", Fault::NoAddress).unwrap();
        misdirect(&site, "web-10", Fault::UnknownHostKey).unwrap();
        misdirect(&site, "web-2", Fault::RevokedHostKey).unwrap();
        misdirect(&site, "web-2", Fault::Hang).unwrap();
        let inventory = read(&site.inventory()).unwrap();
        assert!(inventory.contains("web-1 ansible_host=web-1.invalid ansible_port=40001 "), "{inventory}");
        assert!(inventory.contains("web-10 ansible_host=127.0.0.1 ansible_port=40010 "), "{inventory}");
        let config = read(&site.ssh_config()).unwrap();
        assert!(
            config.starts_with(
                "Host web-1\n  HostName web-1.invalid\n  Port 40001\nHost web-10\n  HostName 127"
            )
        );
        assert_eq!(
            read(&site.known_hosts()).unwrap(),
            "[127.0.0.1]:40001 ssh-ed25519 KEY1\n@revoked [127.0.0.1]:40002 ssh-ed25519 KEY2\n"
        );
        let error = misdirect(&site, "web-3", Fault::NoAddress).unwrap_err().to_string();
        assert!(error.starts_with("there is no host `web-3` in `"), "{error}");
    }
}

//! Writes a described host to disk as a root tree that the probe can read in place of `/`.
//!
//! It is a picture, not a system: files, symbolic links, and a `/proc` and `/sys` of plain files in the kernel's formats.
//! Whoever writes it owns all of it; owners cannot be chosen without being root.

mod etc;
mod packages;
mod proc;

use crate::fleet::file::Content;
use crate::fleet::host::Host;
use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// A place of the tree that could not be written.
#[derive(Debug, Error)]
#[error("cannot write `{path}` of the host's tree: {cause}")]
pub struct TreeError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes a host below a directory, which is made.
///
/// # Errors
/// Where something cannot be written.
pub fn write(host: &Host, root: &Path) -> Result<TreeSize, TreeError> {
    let mut tree = Tree { root: root.to_owned(), made: HashSet::new(), size: TreeSize::default() };
    // As Debian lays it out since its directories were merged.
    for name in ["bin", "sbin", "lib", "lib64"] {
        tree.directory(&format!("/usr/{name}"), 0o755)?;
        tree.link(&format!("/{name}"), &format!("usr/{name}"))?;
    }
    etc::write(host, &mut tree)?;
    packages::write(host, &mut tree)?;
    proc::write(host, &mut tree)?;
    for (path, file) in host.files.iter() {
        match &file.content {
            Content::Directory => tree.directory(path, file.mode)?,
            Content::Link(target) => tree.link(path, target)?,
            Content::Text(_) | Content::Program(_) => {
                tree.file(path, file.mode, file.changed, &file.content.bytes())?;
            }
        }
    }
    // Last, since whatever is put into a directory changes its time.
    for (path, file) in host.files.iter().filter(|(_, file)| file.content == Content::Directory) {
        tree.date(path, file.changed)?;
    }
    Ok(tree.size)
}

/// A tree that is being written.
struct Tree {
    root: PathBuf,
    made: HashSet<PathBuf>,
    size: TreeSize,
}

impl Tree {
    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Makes the directory that something is to be in.
    fn room(&mut self, place: &Path) -> Result<(), TreeError> {
        let Some(above) = place.parent() else { return Ok(()) };
        if self.made.contains(above) {
            return Ok(());
        }
        fs::create_dir_all(above).map_err(|cause| TreeError { path: above.to_owned(), cause })?;
        self.made.insert(above.to_owned());
        Ok(())
    }

    fn directory(&mut self, path: &str, mode: u32) -> Result<(), TreeError> {
        let place = self.place(path);
        self.room(&place)?;
        let made = fs::create_dir_all(&place)
            .and_then(|()| fs::set_permissions(&place, Permissions::from_mode(mode)));
        made.map_err(|cause| TreeError { path: place.clone(), cause })?;
        self.made.insert(place);
        Ok(())
    }

    fn date(&self, path: &str, changed: u64) -> Result<(), TreeError> {
        let place = self.place(path);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
        let set = File::open(&place).and_then(|directory| directory.set_modified(time));
        set.map_err(|cause| TreeError { path: place, cause })
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), TreeError> {
        let place = self.place(path);
        self.room(&place)?;
        self.size.files += 1;
        symlink(target, &place).map_err(|cause| TreeError { path: place, cause })
    }

    /// A file whose mode and time can be seen.
    fn file(&mut self, path: &str, mode: u32, changed: u64, bytes: &[u8]) -> Result<(), TreeError> {
        let place = self.place(path);
        self.room(&place)?;
        self.size.files += 1;
        self.size.bytes += bytes.len() as u64;
        let write = || {
            let mut file = File::create(&place)?;
            file.write_all(bytes)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(changed))
        };
        write().map_err(|cause| TreeError { path: place.clone(), cause })
    }

    /// A file of which only the content can be seen.
    fn plain(&mut self, path: &str, text: impl AsRef<[u8]>) -> Result<(), TreeError> {
        let place = self.place(path);
        self.room(&place)?;
        self.size.files += 1;
        self.size.bytes += text.as_ref().len() as u64;
        fs::write(&place, text).map_err(|cause| TreeError { path: place, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::Attack;
    use crate::fleet::{Fleet, FleetPlan};
    use std::os::unix::fs::MetadataExt;

    fn written(attack: Option<Attack>) -> (Host, tempfile::TempDir) {
        let mut fleet = Fleet::grow(&FleetPlan { hosts: 1, ..FleetPlan::default() });
        if let Some(attack) = attack {
            fleet.plant("web-01", attack).unwrap();
        }
        let host = fleet.hosts.remove(0);
        // In memory where that can be had: a thousand tiny files take long on many a disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        write(&host, directory.path()).unwrap();
        (host, directory)
    }

    #[test]
    fn setuid_bits_and_times_are_on_the_files() {
        let (_, root) = written(None);
        let sudo = fs::metadata(root.path().join("bin/sudo")).unwrap();
        assert_eq!(sudo.mode() & 0o7777, 0o4755);
        for path in ["etc/crontab", "etc/systemd/system/multi-user.target.wants"] {
            let time = fs::metadata(root.path().join(path)).unwrap().mtime();
            assert!((1_700_000_000..1_760_000_000).contains(&time), "{path}: {time}");
        }
    }

    #[test]
    fn every_attack_is_on_disk_where_it_says() {
        let read = |root: &tempfile::TempDir, path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        let (_, root) = written(Some(Attack::CronImplant));
        assert!(read(&root, "etc/cron.d/fontconfig-cache").contains("/var/tmp/.cache/fontconfd -q"));
        assert!(!root.path().join("var/tmp/.cache/fontconfd").exists());
        assert!(root.path().join("var/tmp/.cache").is_dir());
        assert!(read(&root, "proc/net/tcp").contains(" 00000000:7A69 00000000:0000 0A "));
        let (_, root) = written(Some(Attack::BackdoorAccount));
        assert!(read(&root, "etc/passwd").contains("\nsysbackup:x:0:0:"));
        assert!(read(&root, "var/lib/sysbackup/.ssh/authorized_keys").contains("root@kali"));
        let (_, root) = written(Some(Attack::SetuidShell));
        assert_eq!(fs::metadata(root.path().join("usr/bin/.dbus-helper")).unwrap().mode() & 0o7777, 0o4755);
        for &attack in Attack::ALL {
            written(Some(attack));
        }
    }

    #[test]
    fn packages_are_in_dpkg_s_format() {
        let (host, root) = written(None);
        let status = fs::read_to_string(root.path().join("var/lib/dpkg/status")).unwrap();
        let blocks: Vec<_> = status.split("\n\n").filter(|block| !block.is_empty()).collect();
        assert_eq!(blocks.len(), host.packages.len());
        for block in blocks {
            assert!(block.starts_with("Package: "), "{block}");
            assert!(block.contains("\nStatus: install ok installed\n"), "{block}");
            assert!(block.contains("\nVersion: "), "{block}");
        }
    }
}

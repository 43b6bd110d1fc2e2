//! Resolves paths below a root so that no symbolic link leads out of it.
//!
//! `openat2` with `RESOLVE_IN_ROOT` does it in the kernel since Linux 5.6; before that the path is walked here, one
//! directory handle after the other, and `..` goes back along the handles, never along the file system.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
/// More parts than any path that the kernel takes; links can only add so many.
const MAX_PARTS: usize = 4096;

/// The directory that is taken for `/`.
pub(crate) struct Root {
    name: Vec<u8>,
    /// None for the running system, whose paths need no care.
    dir: Option<OwnedFd>,
    kernel_resolves: AtomicBool,
}

impl Root {
    /// The running system.
    pub(crate) fn live() -> Self {
        Root { name: b"/".to_vec(), dir: None, kernel_resolves: AtomicBool::new(true) }
    }

    /// A tree of files. `/` is the running system.
    ///
    /// # Errors
    /// As `open`.
    pub(crate) fn below(name: &OsStr) -> Result<Self, Errno> {
        let bytes = name.as_bytes();
        if !bytes.is_empty() && bytes.iter().all(|byte| *byte == b'/') {
            return Ok(Self::live());
        }
        let dir = rustix::fs::open(name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Root { name: bytes.to_vec(), dir: Some(dir), kernel_resolves: AtomicBool::new(true) })
    }

    pub(crate) fn is_live(&self) -> bool {
        self.dir.is_none()
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Opens a path of the host.
    pub(crate) fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let Some(dir) = &self.dir else {
            return rustix::fs::openat(CWD, OsStr::from_bytes(path), flags, Mode::empty());
        };
        if self.kernel_resolves.load(Ordering::Relaxed) {
            let relative = trim_slashes(path);
            let relative = if relative.is_empty() { b".".as_slice() } else { relative };
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            loop {
                match rustix::fs::openat2(dir, OsStr::from_bytes(relative), flags, Mode::empty(), resolve) {
                    // A rename elsewhere made the kernel unsure about a `..`; it asks to try again.
                    Err(Errno::AGAIN) => {}
                    // Old kernels do not know the call, some containers forbid it.
                    Err(Errno::NOSYS | Errno::PERM) => break,
                    result => return result,
                }
            }
            self.kernel_resolves.store(false, Ordering::Relaxed);
        }
        walk(dir, path, flags)
    }

    /// Where a symbolic link points to.
    pub(crate) fn read_link(&self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let target = if self.is_live() {
            rustix::fs::readlinkat(CWD, OsStr::from_bytes(path), Vec::new())?
        } else {
            let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)?;
            rustix::fs::readlinkat(&link, c"", Vec::new()).map_err(|errno| {
                // What the kernel says of an empty path on something that is no link.
                if errno == Errno::NOENT { Errno::INVAL } else { errno }
            })?
        };
        Ok(target.into_bytes())
    }
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let skip = path.iter().take_while(|byte| **byte == b'/').count();
    path.get(skip..).unwrap_or_default()
}

/// Opens a path below `root` without ever asking the kernel to follow a link or a `..`.
fn walk(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut parts: VecDeque<Vec<u8>> = split(path).collect();
    let must_be_directory = path.ends_with(b"/") || flags.contains(OFlags::DIRECTORY);
    let mut above: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(part) = parts.pop_front() {
        if part == b".." {
            above.pop();
            continue;
        }
        let here = above.last().unwrap_or(root).as_fd();
        let name = OsStr::from_bytes(&part);
        let found =
            rustix::fs::openat(here, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
        let last = parts.is_empty();
        if kind == FileType::Symlink && !(last && flags.contains(OFlags::NOFOLLOW) && !must_be_directory) {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP);
            }
            let target = rustix::fs::readlinkat(&found, c"", Vec::new())?.into_bytes();
            if target.starts_with(b"/") {
                above.clear();
            }
            for part in split(&target).collect::<Vec<_>>().into_iter().rev() {
                parts.push_front(part);
            }
            if parts.len() > MAX_PARTS {
                return Err(Errno::NAMETOOLONG);
            }
            continue;
        }
        if last {
            if flags.contains(OFlags::PATH) {
                if must_be_directory && kind != FileType::Directory {
                    return Err(Errno::NOTDIR);
                }
                return Ok(found);
            }
            return rustix::fs::openat(here, name, flags | OFlags::NOFOLLOW, Mode::empty());
        }
        if kind != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        above.push(found);
    }
    // The path ended in the root itself or in `..`.
    let here = above.last().unwrap_or(root).as_fd();
    rustix::fs::openat(here, c".", flags, Mode::empty())
}

fn split(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("root");
        std::fs::create_dir_all(inside.join("etc/deep")).unwrap();
        std::fs::write(dir.path().join("secret"), b"outside").unwrap();
        std::fs::write(inside.join("secret"), b"inside").unwrap();
        std::fs::write(inside.join("etc/passwd"), b"root").unwrap();
        symlink("/secret", inside.join("absolute")).unwrap();
        symlink("../../../../secret", inside.join("etc/deep/climbing")).unwrap();
        symlink("/secret", inside.join("etc/deep/absolute")).unwrap();
        symlink("loop", inside.join("loop")).unwrap();
        symlink("../..", inside.join("etc/up")).unwrap();
        symlink("/nowhere (deleted)", inside.join("dangling")).unwrap();
        dir
    }

    fn content(root: &Root, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = root.open(path.as_bytes(), OFlags::RDONLY)?;
        let mut buffer = Vec::new();
        crate::host::read_fd(&fd, &mut buffer, 100)?;
        Ok(buffer)
    }

    #[test]
    fn no_link_leads_out() {
        let dir = tree();
        for in_kernel in [true, false] {
            let root = Root::below(dir.path().join("root").as_os_str()).unwrap();
            root.kernel_resolves.store(in_kernel, Ordering::Relaxed);
            for path in [
                "/absolute",
                "etc/deep/climbing",
                "/etc/deep/absolute",
                "/etc/up/secret",
                "/../secret",
                "/etc/../../secret",
                "//secret",
                "/./etc/./up/absolute",
            ] {
                assert_eq!(content(&root, path).unwrap(), b"inside", "{path}, in kernel: {in_kernel}");
            }
            assert_eq!(content(&root, "/loop").unwrap_err(), Errno::LOOP);
            assert_eq!(content(&root, "/dangling").unwrap_err(), Errno::NOENT);
            assert_eq!(content(&root, "/secret/x").unwrap_err(), Errno::NOTDIR);
            assert_eq!(root.read_link(b"/dangling").unwrap(), b"/nowhere (deleted)");
            assert_eq!(root.read_link(b"/etc/up/absolute").unwrap(), b"/secret");
            assert_eq!(root.read_link(b"/secret").unwrap_err(), Errno::INVAL);
            assert!(root.open(b"/etc/..", OFlags::RDONLY | OFlags::DIRECTORY).is_ok());
            assert!(root.open(b"/", OFlags::PATH).is_ok());
        }
    }
}

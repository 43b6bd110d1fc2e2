//! The host that is looked at: where its files are, what of it could not be read, and how long looking may take.
//!
//! Every table reads through [`Host`]. It bounds what is read, keeps symbolic links inside the root, and counts
//! what was not seen, so that no table has to think of these again.

mod limits;
mod packet_filter;
mod root;
mod unread;

use std::any::Any;
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

pub(crate) use limits::{FILE_BYTES, SMALL_FILE_BYTES};
pub(crate) use packet_filter::PacketFilter;
pub(crate) use root::Root;
pub(crate) use unread::{Unread, UnreadEntry};

use crate::tables::{Failure, FailureKind};

/// Locks without the possibility of a panic: the data behind our locks stays meaningful after one.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One entry of a directory.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The name as the file system has it; any bytes but `/` and NUL.
    pub(crate) name: Vec<u8>,
    /// What the directory says it is; `Unknown` on file systems that do not say.
    pub(crate) kind: FileType,
}

/// The host that is looked at.
pub(crate) struct Host {
    root: Root,
    unread: Mutex<Unread>,
    deadline: Mutex<Option<Instant>>,
    failure: Mutex<Option<FailureKind>>,
    kernel: OnceLock<bool>,
    packet_filter: OnceLock<Arc<PacketFilter>>,
    known: Mutex<HashMap<&'static str, Arc<dyn Any + Send + Sync>>>,
}

impl Host {
    pub(crate) fn new(root: Root) -> Self {
        Host {
            root,
            unread: Mutex::new(Unread::default()),
            deadline: Mutex::new(None),
            failure: Mutex::new(None),
            kernel: OnceLock::new(),
            packet_filter: OnceLock::new(),
            known: Mutex::new(HashMap::new()),
        }
    }

    /// Whether this is the running system, and not a tree of files below some directory.
    pub(crate) fn is_live(&self) -> bool {
        self.root.is_live()
    }

    /// Keeps what the restraint let through.
    pub(crate) fn keep_packet_filter(&self, socket: Arc<PacketFilter>) {
        // There is only one.
        let _ = self.packet_filter.set(socket);
    }

    /// The socket for questions about the packet filter; only root gets one.
    pub(crate) fn packet_filter(&self) -> Option<&PacketFilter> {
        self.packet_filter.get().map(Arc::as_ref)
    }

    /// The root as it was named.
    pub(crate) fn root_name(&self) -> &[u8] {
        self.root.name()
    }

    /// Starts a new query: nothing unread yet, and this long to answer it.
    pub(crate) fn begin(&self, deadline: Option<Instant>) {
        *locked(&self.unread) = Unread::default();
        *locked(&self.failure) = None;
        locked(&self.known).clear();
        *locked(&self.deadline) = deadline;
    }

    /// Finds something out once a query: a join visits a table once for each row of the other.
    pub(crate) fn once<T: Send + Sync + 'static>(
        &self,
        name: &'static str,
        find: impl FnOnce() -> T,
    ) -> Arc<T> {
        let known = locked(&self.known).get(name).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<T>().ok()) {
            return known;
        }
        let found = Arc::new(find());
        locked(&self.known).insert(name, Arc::clone(&found) as Arc<dyn Any + Send + Sync>);
        found
    }

    /// Whether the time for this query is over. Long walks ask between steps.
    pub(crate) fn expired(&self) -> bool {
        locked(&self.deadline).is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Remembers why a table refused, since SQLite carries only the words.
    pub(crate) fn note_failure(&self, kind: FailureKind) {
        *locked(&self.failure) = Some(kind);
    }

    /// Why a table refused, if one did since [`Host::begin`].
    pub(crate) fn failure(&self) -> Option<FailureKind> {
        *locked(&self.failure)
    }

    /// What could not be read since [`Host::begin`].
    pub(crate) fn unread(&self) -> Vec<UnreadEntry> {
        locked(&self.unread).entries()
    }

    /// Counts something that could not be read.
    pub(crate) fn note(&self, what: impl AsRef<[u8]>, why: &str) {
        self.note_times(what, why, 1);
    }

    /// As [`Host::note`], for several at once.
    pub(crate) fn note_times(&self, what: impl AsRef<[u8]>, why: &str, times: u64) {
        locked(&self.unread).add(what.as_ref(), why, times);
    }

    /// Counts what could not be read, unless it is simply not there.
    pub(crate) fn note_errno(&self, path: &[u8], errno: Errno) {
        // A process that ended meanwhile is not there, like a file that is not: nothing remained unread. Were it
        // counted, no busy host could ever say that a process is missing.
        let ended = errno == Errno::SRCH && unread::is_process_path(path);
        if !ended && errno != Errno::NOENT && errno != Errno::NOTDIR {
            self.note(path, unread::reason(errno));
        }
    }

    /// The kernel's own tables: of the running system, or of a tree that brings a `/proc` of its own.
    ///
    /// # Errors
    /// [`FailureKind::Unsupported`] when the tree has none: then they are unknown, which is not empty.
    pub(crate) fn kernel(&self) -> Result<(), Failure> {
        let known = *self.kernel.get_or_init(|| self.is_live() || !self.list_quietly(b"/proc").is_empty());
        if known {
            Ok(())
        } else {
            Err(Failure::unsupported("the kernel's tables of another root cannot be known"))
        }
    }

    /// Only of the running system: what is asked of the kernel by other means than files.
    ///
    /// # Errors
    /// [`FailureKind::Unsupported`] for any other root.
    pub(crate) fn running(&self) -> Result<(), Failure> {
        if self.is_live() {
            Ok(())
        } else {
            Err(Failure::unsupported("this can be known of a running system only"))
        }
    }

    /// Opens a regular file to read it. Never blocks on a pipe, never becomes a controlling terminal.
    ///
    /// # Errors
    /// As `open`; a file that is not regular is `EINVAL`.
    pub(crate) fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let fd = self.root.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            Ok(fd)
        } else {
            Err(Errno::INVAL)
        }
    }

    /// The content of a file, at most [`FILE_BYTES`] of it. `None` when there is none or it cannot be read; the
    /// latter is counted, and so is a longer file.
    pub(crate) fn read(&self, path: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let path = path.as_ref();
        let mut content = Vec::new();
        self.read_into(path, &mut content, FILE_BYTES).then_some(content)
    }

    /// As [`Host::read`], into a buffer that is used again and again.
    pub(crate) fn read_into(&self, path: &[u8], buffer: &mut Vec<u8>, limit: usize) -> bool {
        match self.try_read_into(path, buffer, limit) {
            Ok(whole) => {
                if !whole {
                    self.note(path, "too long, cut");
                }
                true
            }
            Err(Errno::INVAL) => {
                self.note(path, "not a regular file");
                false
            }
            Err(errno) => {
                self.note_errno(path, errno);
                false
            }
        }
    }

    /// Reads at most `limit` bytes and says whether that was all; nothing is counted.
    ///
    /// # Errors
    /// As `open` and `read`.
    pub(crate) fn try_read_into(
        &self,
        path: &[u8],
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, Errno> {
        buffer.clear();
        let fd = self.open(path)?;
        // `EINVAL` is what `open` says of a file that is not regular.
        read_fd(&fd, buffer, limit).map_err(|errno| if errno == Errno::INVAL { Errno::IO } else { errno })
    }

    /// A small file of the kernel as text without the newline at its end. Nothing is counted when it is not there.
    pub(crate) fn read_line(&self, path: &str) -> Option<String> {
        let mut content = Vec::new();
        if !self.read_into(path.as_bytes(), &mut content, SMALL_FILE_BYTES) {
            return None;
        }
        Some(String::from_utf8_lossy(content.trim_ascii_end()).into_owned())
    }

    /// The entries of a directory in the order in which the file system has them. What cannot be read is counted,
    /// what is not there is empty.
    pub(crate) fn list(&self, path: impl AsRef<[u8]>) -> Vec<Entry> {
        let path = path.as_ref();
        match self.try_list(path) {
            Ok(entries) => entries,
            Err(errno) => {
                self.note_errno(path, errno);
                Vec::new()
            }
        }
    }

    /// As [`Host::list`], sorted by name.
    pub(crate) fn list_sorted(&self, path: impl AsRef<[u8]>) -> Vec<Entry> {
        let mut entries = self.list(path);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    fn list_quietly(&self, path: &[u8]) -> Vec<Entry> {
        self.try_list(path).unwrap_or_default()
    }

    /// The entries of a directory without `.` and `..`; nothing is counted.
    ///
    /// # Errors
    /// As `open` and `getdents64`.
    pub(crate) fn try_list(&self, path: &[u8]) -> Result<Vec<Entry>, Errno> {
        let fd = self.root.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::new(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            entries.push(Entry { name: name.to_vec(), kind: entry.file_type() });
            if entries.len() >= limits::DIRECTORY_ENTRIES {
                self.note(path, "too many entries, cut");
                break;
            }
        }
        Ok(entries)
    }

    /// Shows every entry of a directory together with the open directory, so that a walk over many files need not
    /// resolve every path from its beginning. What cannot be read is counted.
    pub(crate) fn visit(&self, path: &[u8], each: &mut dyn FnMut(BorrowedFd<'_>, &CStr, FileType)) {
        let mut visited = || {
            let fd = self.root.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
            let mut directory = rustix::fs::Dir::new(fd)?;
            while let Some(entry) = directory.read() {
                let entry = entry?;
                let name = entry.file_name();
                if name != c"." && name != c".." {
                    each(directory.fd()?, name, entry.file_type());
                }
            }
            Ok(())
        };
        if let Err(errno) = visited() {
            self.note_errno(path, errno);
        }
    }

    /// Where a symbolic link points to, as it is written there.
    ///
    /// # Errors
    /// As `readlink`.
    pub(crate) fn read_link(&self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        self.root.read_link(path)
    }

    /// What a path is, through symbolic links or not. The old call, since kernels before 4.11 have no `statx`.
    ///
    /// # Errors
    /// As `stat`.
    pub(crate) fn stat(&self, path: &[u8], follow: bool) -> Result<Stat, Errno> {
        if self.is_live() {
            let name = OsStr::from_bytes(path);
            return if follow { rustix::fs::stat(name) } else { rustix::fs::lstat(name) };
        }
        let mut flags = OFlags::PATH;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        rustix::fs::fstat(self.root.open(path, flags)?)
    }

    /// As [`Host::stat`]; what cannot be looked at is counted, what is not there is not.
    pub(crate) fn look(&self, path: &[u8], follow: bool) -> Option<Stat> {
        self.stat(path, follow).map_err(|errno| self.note_errno(path, errno)).ok()
    }

    /// Counts a directory that is not gone into, because it lies deeper than anything that is meant to be found.
    pub(crate) fn note_too_deep(&self, directory: &[u8]) {
        self.note(directory, "too deep, not looked into");
    }

    /// Whether this is a directory, through symbolic links.
    pub(crate) fn is_directory(&self, path: impl AsRef<[u8]>) -> bool {
        self.stat(path.as_ref(), true).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
    }

    /// Whether something is at this path, through symbolic links.
    pub(crate) fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        self.stat(path.as_ref(), true).is_ok()
    }

    /// Opens anything below the root, for the few who need more than a regular file.
    ///
    /// # Errors
    /// As `open`.
    pub(crate) fn open_with(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        self.root.open(path, flags)
    }
}

/// Reads from a file to its end or `limit`; says whether the end was reached.
pub(crate) fn read_fd(fd: &OwnedFd, buffer: &mut Vec<u8>, limit: usize) -> Result<bool, Errno> {
    loop {
        if buffer.len() >= limit {
            let mut probe = [0_u8; 1];
            return Ok(rustix::io::read(fd, &mut probe)? == 0);
        }
        let step = if buffer.is_empty() { 4096 } else { buffer.len().min(1 << 20) };
        buffer.reserve_exact(step.min(limit - buffer.len()).max(1));
        let room = limit - buffer.len();
        let spare = rustix::buffer::spare_capacity(buffer);
        let got = match rustix::io::read(fd, spare) {
            Ok(got) => got,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        if got == 0 {
            return Ok(true);
        }
        if got > room {
            buffer.truncate(limit);
            return Ok(false);
        }
    }
}

/// The error as the operating system words it, without Rust's number behind it.
pub(crate) fn os_words(errno: Errno) -> String {
    let text = io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
    match text.find(" (os error") {
        Some(at) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}

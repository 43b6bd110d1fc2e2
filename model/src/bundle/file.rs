//! Bundles as files on disk: going on with an unfinished one, sealing a finished one. The only place of this crate that
//! opens files.

use super::frame::{FrameKind, FrameReader};
use super::seal::{Sealed, SealedWriter};
use super::{Archive, Bundle, BundleError, BundleWriter, Ending, Resumed, content, read};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

impl BundleWriter<File> {
    /// Goes on with a bundle whose sweep was killed or interrupted: an unfinished last frame is cut off, nothing whole is
    /// ever damaged. Also says which hosts it has, with how each visit ended. A sealed bundle becomes a journal again.
    ///
    /// The file is locked: who resumes it twice at a time is told so.
    pub fn resume(path: &Path) -> Result<(Self, Resumed), BundleError> {
        let file = open(path)?;
        if Archive::open(&file)?.is_none() {
            return Self::resume_journal(file);
        }
        let bundle = Bundle::read(rewound(&file)?)?;
        if !bundle.parts.is_empty() {
            return Err(BundleError::Merged);
        }
        let beside = Beside::create(path, &file)?;
        let mut journal = BundleWriter::start(&beside.file, &bundle.facts, &bundle.pack)?;
        for visit in (0..bundle.snapshots.len()).filter_map(|number| bundle.visit(number)) {
            journal.append(&visit)?;
        }
        drop(journal);
        let journal = open(&beside.path)?;
        beside.replace(path)?;
        Self::resume_journal(journal)
    }
}

/// Opens a bundle to write to it, if nobody else does.
fn open(path: &Path) -> Result<File, BundleError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BundleError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn rewound(mut file: &File) -> std::io::Result<BufReader<&File>> {
    file.rewind()?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

/// Seals the bundle of a finished sweep: what is kept is a fraction of what was written while it ran, and can be read in
/// parts. It is written beside the file and takes its place when it is whole and on disk; until then, and if anything
/// fails, the file stays as it is.
pub fn seal(path: &Path) -> Result<Sealed, BundleError> {
    let file = open(path)?;
    if let Some(archive) = Archive::open(&file)? {
        return Ok(Sealed { seal: archive.seal(), file: archive.file_digest() });
    }
    let beside = Beside::create(path, &file)?;
    let sealed = seal_journal(rewound(&file)?, &beside.file)?;
    beside.replace(path)?;
    Ok(sealed)
}

fn seal_journal(mut source: impl Read, sink: &File) -> Result<Sealed, BundleError> {
    let preamble = read::preamble(&mut source)?;
    let mut frames = FrameReader::after(preamble, source);
    let (first, payload, pack) = read::sweep(&mut frames)?;
    let of_sweep = content::of_sweep(&payload)?;
    let mut writer = SealedWriter::start(sink, &payload.facts.into(), &pack, &[])?;
    let mut leaves = Vec::new();
    while let Some(frame) = frames.next()? {
        match frame.kind {
            FrameKind::Sweep if frame.payload == first.payload => {}
            FrameKind::Visit => {
                let (visit, leaf) = read::visit(&frame, pack.queries().len())?;
                if writer.append(&visit, 0)? != leaf {
                    return Err(frame.damaged("its rows are not those that its digest stands for"));
                }
                leaves.push(leaf);
            }
            FrameKind::End => {
                let Ending::Whole { end, seal } = read::end(&frame, of_sweep, &leaves)? else { continue };
                let (_, sealed) = writer.finish(end)?;
                if sealed.seal != seal {
                    return Err(frame.damaged("what was sealed is not what was written"));
                }
                return Ok(sealed);
            }
            _ => return Err(frame.damaged("it has no place here")),
        }
    }
    Err(BundleError::Unfinished)
}

/// A file beside another one, whose place it takes in the end. If it does not it is removed.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    /// With the rights of the other one.
    fn create(path: &Path, other: &File) -> std::io::Result<Self> {
        let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".new");
        let path = path.with_file_name(name);
        // What a killed run left behind; the other file's lock says that nobody is writing it.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let beside = Self { path, file };
        beside.file.set_permissions(other.metadata()?.permissions())?;
        Ok(beside)
    }

    fn replace(mut self, path: &Path) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.sync_all()?;
        std::fs::rename(&self.path, path)?;
        self.path = PathBuf::new();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // The rename itself. Where a directory cannot be synced it was done all the same.
        let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

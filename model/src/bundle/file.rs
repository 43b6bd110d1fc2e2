//! Bundles as files on disk: going on with an unfinished one, sealing a finished one. The only place of this crate that
//! opens files.

use super::frame::{FrameKind, FrameReader};
use super::runs::{Runs, are_runs};
use super::seal::{Sealed, SealedWriter};
use super::wire::{EndPayload, LastPayload};
use super::{Archive, BundleError, BundleWriter, Ending, Resumed, read};
use crate::sweep::SweepFacts;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

impl BundleWriter<File> {
    /// Goes on with a bundle whose sweep was killed or interrupted: an unfinished last frame is cut off, nothing whole is
    /// ever damaged. Also says which hosts it has, with how each visit ended. A sealed bundle becomes a journal again.
    ///
    /// `facts` are those of the run that goes on with it, made when it is known what is there. They are written with the first thing
    /// that is added.
    ///
    /// The file is locked: who resumes it twice at a time is told so.
    pub fn resume(
        path: &Path,
        facts: impl FnOnce(&Resumed) -> SweepFacts,
    ) -> Result<(Self, Resumed), BundleError> {
        let file = open(path)?;
        let Some(mut archive) = Archive::open(rewound(&file)?)? else {
            return Self::resume_journal(file, facts);
        };
        let beside = Beside::create(path, &file)?;
        unseal(&mut archive, &beside.file)?;
        let journal = open(&beside.path)?;
        beside.replace(path)?;
        Self::resume_journal(journal, facts)
    }
}

/// Writes what a sealed bundle says as the journal that it was. In memory are the rows of a group of hosts.
fn unseal(archive: &mut Archive<BufReader<&File>>, sink: &File) -> Result<(), BundleError> {
    let parts = archive.parts().to_vec();
    if !parts.is_empty() && !are_runs(archive.facts(), &parts) {
        return Err(BundleError::Merged);
    }
    let other = |why: &str| BundleError::Damaged { frame: 0, offset: 0, why: why.into() };
    let mut journal = BundleWriter::start(sink, archive.facts(), archive.pack())?;
    // The run that is being written, and how many there are.
    let (mut run, runs) = (0, parts.len().max(1) as u32);
    let mut begin = |journal: &mut BundleWriter<&File>, wanted: u32| -> Result<(), BundleError> {
        while run < wanted {
            let (before, next) = (parts.get(run as usize), parts.get(run as usize + 1));
            let Some((before, next)) = before.zip(next) else { break };
            journal.go_on(before.end.map(EndPayload::from), (&next.facts).into())?;
            run += 1;
        }
        if run == wanted { Ok(()) } else { Err(other("its hosts do not stand in the order of its runs")) }
    };
    archive.each_visit(|visit, part| {
        begin(&mut journal, part)?;
        journal.append(&visit).map_err(BundleError::from)
    })?;
    begin(&mut journal, runs - 1)?;
    let end = archive.end();
    let (_, seal) = journal.finish(end.finished, end.interrupted)?;
    if seal != archive.seal() {
        return Err(other("the rows of its hosts are not those that its seal stands for"));
    }
    Ok(())
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
    let runs = runs_of(rewound(&file)?)?;
    let sealed = seal_journal(rewound(&file)?, &runs, &beside.file)?;
    beside.replace(path)?;
    Ok(sealed)
}

/// All runs of a journal: a sealed bundle tells them before its hosts.
fn runs_of(mut source: impl Read) -> Result<Runs, BundleError> {
    let preamble = read::preamble(&mut source)?;
    let mut frames = FrameReader::after(preamble, source);
    let (_, payload, _) = read::sweep(&mut frames)?;
    let mut runs = Runs::of(payload);
    while let Some(frame) = frames.next()? {
        match frame.kind {
            FrameKind::Run => runs.read(&frame)?,
            FrameKind::End => runs.end(&read::payload::<LastPayload>(&frame)?.end),
            _ => {}
        }
    }
    Ok(runs)
}

fn seal_journal(mut source: impl Read, all: &Runs, sink: &File) -> Result<Sealed, BundleError> {
    let preamble = read::preamble(&mut source)?;
    let mut frames = FrameReader::after(preamble, source);
    let (first, payload, pack) = read::sweep(&mut frames)?;
    let mut runs = Runs::of(payload);
    let mut writer = SealedWriter::start(sink, &runs.sweep().facts.clone().into(), &pack, &all.parts())?;
    let mut leaves = Vec::new();
    while let Some(frame) = frames.next()? {
        match frame.kind {
            FrameKind::Sweep if frame.payload == first.payload => {}
            FrameKind::Visit => {
                let (visit, leaf) = read::visit(&frame, pack.queries().len(), runs.current())?;
                if writer.append(&visit, runs.current())? != leaf {
                    return Err(frame.damaged("its rows are not those that its digest stands for"));
                }
                leaves.push(leaf);
            }
            FrameKind::Run => runs.read(&frame)?,
            FrameKind::End => {
                let Ending::Whole { end, seal } = read::end(&frame, &mut runs, &leaves)? else { continue };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Pack;
    use crate::sweep::UnixMillis;

    #[test]
    fn what_was_sealed_is_compared_with_what_was_written() {
        let pack = Pack::of_names(["users".into()]);
        let journal = |operator: &str| {
            let facts = SweepFacts { operator: operator.into(), ..SweepFacts::default() };
            let writer = BundleWriter::start(Vec::new(), &facts, &pack).unwrap();
            writer.finish(UnixMillis(9), false).unwrap().0
        };
        let (one, other) = (journal("ada"), journal("bob"));
        let mut runs = runs_of(&*one).unwrap();
        assert!(seal_journal(&*one, &runs, &tempfile::tempfile().unwrap()).is_ok());
        // As where the file became another one between two looks at it.
        runs.begin(None, runs_of(&*other).unwrap().sweep().facts.clone());
        let error = seal_journal(&*one, &runs, &tempfile::tempfile().unwrap()).unwrap_err();
        assert!(error.to_string().contains("what was sealed is not what was written"), "{error}");
    }
}

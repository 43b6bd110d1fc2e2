//! Where a file grows that is worth nothing until it is whole: beside its final name, which it gets in the end. What fails is removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file or directory that is not whole yet.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    to: PathBuf,
    is_directory: bool,
    whole: bool,
}

impl Place {
    /// A directory that only its owner can read.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn directory(to: &Path) -> io::Result<Self> {
        Self::make(to, true, |path| DirBuilder::new().mode(0o700).create(path))
    }

    /// A file that only its owner can read.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn file(to: &Path) -> io::Result<Self> {
        let create =
            |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop);
        Self::make(to, false, create)
    }

    fn make(to: &Path, is_directory: bool, create: impl Fn(&Path) -> io::Result<()>) -> io::Result<Self> {
        let name = to.file_name().ok_or_else(|| io::Error::other("it has no name of its own"))?;
        // One that was killed may have left its own, under the number that this process has now.
        const MOST_TRIES: u32 = 100;
        let mut tries = 0..MOST_TRIES;
        loop {
            let mut partial = std::ffi::OsString::from(".");
            partial.push(name);
            partial.push(format!(".partial-{}", std::process::id()));
            let Some(try_) = tries.next() else { return Err(io::ErrorKind::AlreadyExists.into()) };
            if try_ > 0 {
                partial.push(format!("-{try_}"));
            }
            let path = to.with_file_name(partial);
            match create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => {
                    return created.map(|()| Self { path, to: to.to_owned(), is_directory, whole: false });
                }
            }
        }
    }

    /// What it is called until it is whole.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to write to.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(&self.path)
    }

    /// Makes sure that it is on the disk, and gives it its name. Something that has come to stand there is not
    /// written over.
    ///
    /// # Errors
    /// When the system refuses, or something has come to stand there.
    pub fn finish(mut self) -> io::Result<()> {
        if self.is_directory {
            sync_below(&self.path)?;
        }
        File::open(&self.path)?.sync_all()?;
        rustix::fs::renameat_with(
            rustix::fs::CWD,
            &self.path,
            rustix::fs::CWD,
            &self.to,
            rustix::fs::RenameFlags::NOREPLACE,
        )
        .or_else(|error| match error {
            // A file system that does not know the flag.
            rustix::io::Errno::INVAL if self.to.symlink_metadata().is_err() => {
                fs::rename(&self.path, &self.to).map_err(|_| error)
            }
            _ => Err(error),
        })?;
        self.settle();
        Ok(())
    }

    /// The same where it takes the place of what stands there, which was made for it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn replace(mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.to)?;
        self.settle();
        Ok(())
    }

    fn settle(&mut self) {
        self.whole = true;
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        // The name is on the disk when its directory is; not every file system can be asked for that.
        drop(File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all()));
    }
}

/// Without this a file could be empty after a power cut, under a name that says it is whole.
fn sync_below(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_below(&entry.path())?;
        }
        File::open(entry.path())?.sync_data()?;
    }
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.whole {
            // There is nobody to tell, and the name says that it is partial.
            drop(if self.is_directory {
                fs::remove_dir_all(&self.path)
            } else {
                fs::remove_file(&self.path)
            });
        }
    }
}

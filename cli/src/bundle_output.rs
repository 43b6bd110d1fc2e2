//! Bundles that are written: never over another one, encrypted where that was asked for, and those that are made at once only under
//! their name when they are whole.

use crate::bundle_origin::is_remote;
use crate::error::Failure;
use crate::output::say;
use herdiff_envelope::{Recipients, Sealing};
use herdiff_exchange::place::Place as Growing;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Creates a bundle that only its owner can read: it holds what an attacker would like to know.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| not_created(path, &error))?;
    // So that nobody resumes a sweep that is running. Not every file system can, and nothing else depends on it.
    let _ = file.try_lock();
    Ok(file)
}

fn not_created(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::file("create the bundle", path, error);
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            failure.next("bundles are never overwritten: choose another name with -o")
        }
        _ => failure,
    }
}

/// Where a bundle is written: the file itself, or one that is sent to where it belongs when it is whole.
pub(crate) struct Place {
    local: PathBuf,
    #[cfg(feature = "aws")]
    remote: Option<crate::aws::Remote>,
}

impl Place {
    /// A file on this machine, which is there already.
    pub(crate) fn here(path: &Path) -> Result<Self, Failure> {
        if is_remote(path) {
            return Err(Failure::usage(format!("cannot go on with {}", path.display()))
                .why("what is in S3 is not written to again")
                .next("a sweep that was stopped left its bundle on the machine that ran it"));
        }
        Ok(Self {
            local: path.to_owned(),
            #[cfg(feature = "aws")]
            remote: None,
        })
    }

    /// Looks whether it can be kept there, before anything is collected.
    pub(crate) fn of(output: &Path) -> Result<Self, Failure> {
        if !is_remote(output) {
            return Self::here(output);
        }
        #[cfg(feature = "aws")]
        {
            let remote = crate::aws::Remote::vacant(output)?;
            Ok(Self { local: crate::environment::spool_name(), remote: Some(remote) })
        }
        #[cfg(not(feature = "aws"))]
        Err(crate::bundle_origin::without_aws(output))
    }

    /// Where it is written.
    pub(crate) fn local(&self) -> &Path {
        &self.local
    }

    /// The bundle is whole.
    pub(crate) fn keep(&self) -> Result<(), Failure> {
        #[cfg(feature = "aws")]
        if let Some(remote) = &self.remote {
            remote.send(&self.local)?;
            if let Err(error) = std::fs::remove_file(&self.local) {
                say(&format!("a copy stays in {}: {error}", self.local.display()));
            }
        }
        Ok(())
    }

    /// As the operator calls it.
    pub(crate) fn shown(&self) -> PathBuf {
        #[cfg(feature = "aws")]
        if let Some(remote) = &self.remote {
            return remote.name().into();
        }
        self.local.clone()
    }
}

/// Writes a bundle that is only worth keeping when it is whole: until then it stands beside its name, and where writing fails nothing
/// is left of it.
pub(crate) fn write_sealed<T>(
    path: &Path,
    recipients: Option<&Recipients>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let place = Place::of(path)?;
    let written = write_whole(place.local(), recipients, write)?;
    place.keep()?;
    Ok(written)
}

fn write_whole<T>(
    path: &Path,
    recipients: Option<&Recipients>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Said before the work and not after it.
    if path.symlink_metadata().is_ok() {
        return Err(not_created(
            path,
            &io::Error::from_raw_os_error(rustix::io::Errno::EXIST.raw_os_error()),
        ));
    }
    let failed = |error: io::Error| Failure::file("write the bundle", path, &error);
    let place = Growing::file(path).map_err(|error| not_created(path, &error))?;
    let file = place.open().map_err(failed)?;
    let written = match recipients {
        None => write(&mut &file)?,
        Some(recipients) => {
            let mut sink = Sealing::start(&file, recipients).map_err(failed)?;
            let written = write(&mut sink)?;
            sink.finish().map_err(failed)?;
            written
        }
    };
    place.finish().map_err(|error| not_created(path, &error))?;
    Ok(written)
}

/// Seals the bundle of a sweep that is over. Where that fails it is whole all the same, and only larger.
pub(crate) fn seal(path: &Path) {
    if let Err(error) = herdiff_model::bundle::seal(path) {
        say(&format!("{} stays as it was written while the sweep ran: {error}", path.display()));
    }
}

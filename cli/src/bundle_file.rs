//! Bundles on disk: opened with everything that can be wrong said, created without ever overwriting one.

#[cfg(not(feature = "aws"))]
use crate::bundle_source::without_aws;
use crate::bundle_source::{Source, is_remote};
use crate::error::Failure;
use crate::output::say;
use herdiff_exchange::Stored;
use herdiff_model::bundle::{Archive, Bundle, BundleError};
use herdiff_model::knowledge::Tables;
use std::fs::{File, OpenOptions};
use std::io::BufReader;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Reads and checks a whole bundle.
pub(crate) fn read(path: &Path) -> Result<Bundle, Failure> {
    let file = Source::open(path)?;
    Bundle::read(BufReader::with_capacity(1 << 20, file)).map_err(|error| Failure::bundle(path, &error))
}

/// Reads one host, with all its visits; of a sealed bundle nothing but what it needs.
pub(crate) fn read_host(path: &Path, host: &str) -> Result<Bundle, Failure> {
    read_part(path, |archive| archive.only(host))
}

/// Reads how visits and queries ended; of a sealed bundle no row, and of others all that there are.
pub(crate) fn read_without_rows(path: &Path) -> Result<Bundle, Failure> {
    read_part(path, Archive::without_rows)
}

fn read_part(
    path: &Path,
    part: impl FnOnce(&mut Archive<BufReader<Source>>) -> Result<Bundle, BundleError>,
) -> Result<Bundle, Failure> {
    let file = Source::open(path)?;
    let unreadable = |error: BundleError| Failure::bundle(path, &error);
    // What cannot be gone back in, a pipe, is read whole.
    match Archive::open(BufReader::new(file)) {
        Ok(Some(mut archive)) => part(&mut archive).map_err(unreadable),
        Ok(None) | Err(BundleError::Io(_)) => read(path),
        Err(error) => Err(unreadable(error)),
    }
}

/// Opens a bundle to read of it what is asked for.
pub(crate) fn open(path: &Path) -> Result<Stored, Failure> {
    let file = Source::open(path)?;
    Stored::open(file).map_err(|error| Failure::bundle(path, &error))
}

/// Creates a bundle that only its owner can read: it holds what an attacker would like to know.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        let failure = Failure::file("create the bundle", path, &error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                failure.next("bundles are never overwritten: choose another name with -o")
            }
            _ => failure,
        }
    })?;
    // So that nobody resumes a sweep that is running. Not every file system can, and nothing else depends on it.
    let _ = file.try_lock();
    Ok(file)
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
        Err(without_aws(output))
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

/// Writes a bundle that is only worth keeping when it is whole: where that fails, nothing is left of it.
pub(crate) fn write_sealed<T>(
    path: &Path,
    write: impl FnOnce(&File) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let place = Place::of(path)?;
    let local = place.local();
    let file = create(local)?;
    let written = write(&file).and_then(|written| {
        file.sync_all().map_err(|error| Failure::file("write the bundle", local, &error))?;
        Ok(written)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(local);
        return written;
    }
    place.keep()?;
    written
}

/// Seals the bundle of a sweep that is over. Where that fails it is whole all the same, and only larger.
pub(crate) fn seal(path: &Path) {
    if let Err(error) = herdiff_model::bundle::seal(path) {
        say(&format!("{} stays as it was written while the sweep ran: {error}", path.display()));
    }
}

/// What is known of osquery's tables.
pub(crate) fn tables() -> Result<Tables, Failure> {
    Tables::builtin()
        .map_err(|error| Failure::usage("the built-in knowledge of tables cannot be read").why(error))
}

//! Bundles in S3: read by ranges, written once.

use super::remote_file::RemoteFile;
use super::{Calls, refused};
use crate::error::Failure;
use herdiff_aws::Access;
use herdiff_aws::store::{Bucket, Location};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Larger bundles are not read. None is: parts of one upload come to less.
const MOST: u64 = 1 << 40;

/// A bundle's place in S3.
pub(crate) struct Remote {
    calls: Arc<Calls>,
    bucket: Bucket,
    location: Location,
}

impl Remote {
    fn of(path: &Path) -> Result<Self, Failure> {
        let name = path.to_string_lossy();
        let unusable = |why: String| Failure::usage(format!("cannot use {name}")).why(why);
        let location = Location::parse(&name).map_err(unusable)?;
        if location.key.is_empty() || location.key.ends_with('/') {
            return Err(unusable("it names no file in the bucket".to_owned()));
        }
        let calls = Arc::new(Calls::open(&Access::default())?);
        let bucket = Bucket::open(&calls.session.home, &location.bucket).map_err(|error| refused(&error))?;
        Ok(Self { calls, bucket, location })
    }

    /// A place where nothing is yet. Known before anything is collected; who comes first is decided when it is sent.
    pub(crate) fn vacant(path: &Path) -> Result<Self, Failure> {
        let remote = Self::of(path)?;
        if remote.calls.ask(remote.bucket.exists(&remote.location.key))? {
            return Err(Failure::usage(format!("cannot create the bundle {}", remote.location))
                .why("it exists")
                .next("bundles are never overwritten: choose another name with -o"));
        }
        Ok(remote)
    }

    /// As the operator calls it.
    pub(crate) fn name(&self) -> String {
        self.location.to_string()
    }

    /// Sends a whole bundle there.
    pub(crate) fn send(&self, local: &Path) -> Result<(), Failure> {
        let stays = |failure: Failure| {
            failure.next(format!("the bundle is whole and stays in {}: copy it by hand", local.display()))
        };
        let cannot = |error: std::io::Error| stays(Failure::file("send the bundle", local, &error));
        let mut file = File::open(local).map_err(cannot)?;
        let size = file.metadata().map_err(cannot)?.len();
        let sent = self.calls.runtime.block_on(self.bucket.write_once(&self.location.key, &mut file, size));
        sent.map_err(|error| stays(Failure::usage(format!("cannot write {}", self.location)).why(error)))
    }
}

/// A bundle in S3, for reading.
pub(crate) fn open(path: &Path) -> Result<RemoteFile, Failure> {
    let Remote { calls, bucket, location } = Remote::of(path)?;
    let object = calls.runtime.block_on(bucket.object(&location.key, MOST));
    let object =
        object.map_err(|error| Failure::usage(format!("cannot open the bundle {location}")).why(error))?;
    Ok(RemoteFile::new(calls, object))
}

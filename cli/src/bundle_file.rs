//! Bundles that are read: opened with everything that can be wrong said, decrypted where they are encrypted.

use crate::bundle_origin::Origin;
use crate::envelope::{self, IdentityArgs};
use crate::error::Failure;
use herdiff_envelope::{is_encrypted, open as decrypted, salvage};
use herdiff_exchange::{Source, Stored};
use herdiff_model::bundle::{Archive, Bundle, BundleError};
use herdiff_model::knowledge::Tables;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

/// Reads and checks a whole bundle.
pub(crate) fn read(path: &Path, identity: &IdentityArgs) -> Result<Bundle, Failure> {
    let source = source(path, identity)?;
    Bundle::read(BufReader::with_capacity(1 << 20, source)).map_err(|error| Failure::bundle(path, &error))
}

/// The bytes of a bundle: of a file here, or a copy of what is in S3; decrypted where they are encrypted.
pub(crate) fn source(path: &Path, identity: &IdentityArgs) -> Result<Box<dyn Source>, Failure> {
    let (file, is_encrypted) = opened(path)?;
    if !is_encrypted {
        return Ok(Box::new(file));
    }
    let opened = decrypted(file, &identity.read(path)?).map_err(|error| envelope::failure(path, &error))?;
    Ok(Box::new(opened))
}

/// What can be read of a bundle that may be damaged, so that what is intact of it can be saved.
pub(crate) fn remains(path: &Path, identity: &IdentityArgs) -> Result<Box<dyn Source>, Failure> {
    let (file, is_encrypted) = opened(path)?;
    if !is_encrypted {
        return Ok(Box::new(file));
    }
    let plain = salvage(file, &identity.read(path)?).map_err(|error| envelope::failure(path, &error))?;
    Ok(Box::new(Cursor::new(plain)))
}

/// The file itself, and whether it is encrypted.
fn opened(path: &Path) -> Result<(Origin, bool), Failure> {
    let cannot = |error: std::io::Error| Failure::file("open the bundle", path, &error);
    let mut file = Origin::open(path)?;
    // Of what cannot be gone back in, a pipe, nothing is to be taken.
    if file.stream_position().is_err() {
        return Ok((file, false));
    }
    let mut head = Vec::new();
    file.by_ref().take(64).read_to_end(&mut head).map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    Ok((file, is_encrypted(&head)))
}

/// Whether the file is encrypted.
pub(crate) fn is_sealed_to_others(path: &Path) -> Result<bool, Failure> {
    Ok(opened(path)?.1)
}

/// Reads one host, with all its visits; of a sealed bundle nothing but what it needs.
pub(crate) fn read_host(path: &Path, host: &str, identity: &IdentityArgs) -> Result<Bundle, Failure> {
    read_part(path, identity, |archive| archive.only(host))
}

/// Reads how visits and queries ended; of a sealed bundle no row, and of others all that there are.
pub(crate) fn read_without_rows(path: &Path, identity: &IdentityArgs) -> Result<Bundle, Failure> {
    read_part(path, identity, Archive::without_rows)
}

fn read_part(
    path: &Path,
    identity: &IdentityArgs,
    part: impl FnOnce(&mut Archive<BufReader<Box<dyn Source>>>) -> Result<Bundle, BundleError>,
) -> Result<Bundle, Failure> {
    let source = source(path, identity)?;
    let unreadable = |error: BundleError| Failure::bundle(path, &error);
    // What cannot be gone back in, a pipe, is read whole.
    match Archive::open(BufReader::new(source)) {
        Ok(Some(mut archive)) => part(&mut archive).map_err(unreadable),
        Ok(None) | Err(BundleError::Io(_)) => read(path, identity),
        Err(error) => Err(unreadable(error)),
    }
}

/// Opens a bundle to read of it what is asked for.
pub(crate) fn open(path: &Path, identity: &IdentityArgs) -> Result<Stored, Failure> {
    Stored::open(source(path, identity)?).map_err(|error| Failure::bundle(path, &error))
}

/// What is known of osquery's tables.
pub(crate) fn tables() -> Result<Tables, Failure> {
    Tables::builtin()
        .map_err(|error| Failure::usage("the built-in knowledge of tables cannot be read").why(error))
}

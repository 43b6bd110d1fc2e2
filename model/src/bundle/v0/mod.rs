//! Reads format 0.1, which was written before 1.0: a chain of frames in which a host refers to rows of hosts before it.

mod frame;
mod read;
mod wire;

pub(super) use read::{read, read_prefix};

use super::Version;

/// The only version of it.
pub(super) const VERSION: Version = Version { major: 0, minor: 1 };

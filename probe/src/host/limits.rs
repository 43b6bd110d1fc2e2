//! How much is read of anything that an attacker may have made endless.

/// Bytes of one configuration or list file. dpkg's status of a large host is about 10 MB.
pub(crate) const FILE_BYTES: usize = 32 << 20;
/// Bytes of a small file of the kernel, as below `/sys`.
pub(crate) const SMALL_FILE_BYTES: usize = 64 << 10;
/// Entries of one directory.
pub(crate) const DIRECTORY_ENTRIES: usize = 1_000_000;

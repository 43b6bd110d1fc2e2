//! Files: what they are, what is in them, which of them lend their owner's rights.

pub(super) mod extended_attributes;
pub(super) mod file;
pub(super) mod hash;
mod pattern;
pub(super) mod suid_bin;

#[cfg(any(test, fuzzing))]
pub(super) use pattern::matches as pattern_matches;

//! Installed software, and where it comes from.

pub(super) mod deb;

//! Installed software, and where it comes from.

pub(super) mod apt_sources;
pub(super) mod deb;
pub(super) mod deb_files;
pub(super) mod docker;
pub(super) mod npm_packages;
pub(super) mod python_packages;
pub(super) mod rpm;
pub(super) mod yum_sources;

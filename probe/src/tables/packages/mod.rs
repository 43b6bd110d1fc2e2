//! Installed software, and where it comes from.

pub(super) mod apt_sources;
pub(super) mod deb;
pub(super) mod deb_files;
pub(super) mod docker;
pub(super) mod npm_packages;
pub(super) mod python_packages;
pub(super) mod rpm;
pub(super) mod yum_sources;

/// The reader of Docker's answers, for the tests that feed it broken ones.
#[cfg(any(test, fuzzing))]
pub(super) fn docker_answer(bytes: &[u8]) {
    drop(docker::parse(bytes));
}

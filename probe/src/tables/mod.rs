//! The tables: what each is called, which columns it has, and where its rows come from.
//!
//! A table is one [`Table`] in one file; [`ALL`] lists them. Everything else (SQL, documentation, the check of
//! required columns) is made from that declaration.

mod cell;
mod document;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod lines;
mod scan;
mod schema;

mod accounts;
mod files;
mod hidden;
mod network;
mod packages;
mod process;
mod schedule;
mod system;

pub(crate) use cell::{Cell, Row};
pub(crate) use document::document;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::fuzz_readers;
pub(crate) use lines::{each_line, note_malformed};
pub(crate) use scan::{Constraint, Operator, Rows, Scan, all, none};
pub(crate) use schema::{ColumnType, Table, bigint, integer, text, unsigned};

/// Makes a [`Row`] from the values of all columns in their order.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::tables::Cell::from($value)),*] };
}
pub(crate) use row;

/// Every table, in the order of the documentation.
pub(crate) static ALL: &[&Table] = &[
    &process::processes::TABLE,
    &process::details::ENVS,
    &process::details::OPEN_FILES,
    &process::details::OPEN_PIPES,
    &process::details::MEMORY_MAP,
    &process::details::PROCESS_NAMESPACES,
    &network::sockets::PROCESS_OPEN_SOCKETS,
    &network::listening::TABLE,
    &network::connections::TABLE,
    &hidden::TABLE,
    &network::interfaces::INTERFACE_ADDRESSES,
    &network::links::INTERFACE_DETAILS,
    &network::links::INTERFACE_IPV6,
    &network::routes::ROUTES,
    &network::routes::ARP_CACHE,
    &network::iptables::TABLE,
    &network::dns_resolvers::TABLE,
    &accounts::users::TABLE,
    &accounts::groups::TABLE,
    &accounts::groups::USER_GROUPS,
    &accounts::shadow::TABLE,
    &accounts::sudoers::TABLE,
    &accounts::authorized_keys::TABLE,
    &accounts::ssh::KNOWN_HOSTS,
    &accounts::ssh::SSH_CONFIGS,
    &accounts::ssh::USER_SSH_KEYS,
    &accounts::shell_history::TABLE,
    &accounts::logins::LAST,
    &accounts::logins::LOGGED_IN_USERS,
    &schedule::crontab::TABLE,
    &schedule::startup_items::TABLE,
    &schedule::systemd::TABLE,
    &packages::deb::DEB_PACKAGES,
    &packages::deb_files::TABLE,
    &packages::rpm::RPM_PACKAGES,
    &packages::rpm::RPM_PACKAGE_FILES,
    &packages::docker::TABLE,
    &packages::apt_sources::TABLE,
    &packages::yum_sources::TABLE,
    &packages::python_packages::TABLE,
    &packages::npm_packages::TABLE,
    &files::file::TABLE,
    &files::hash::TABLE,
    &files::extended_attributes::TABLE,
    &files::suid_bin::TABLE,
    &system::etc_hosts::TABLE,
    &system::etc_services::ETC_SERVICES,
    &system::etc_services::ETC_PROTOCOLS,
    &system::kernel_modules::TABLE,
    &system::kernel_info::TABLE,
    &system::settings::KERNEL_KEYS,
    &system::settings::SYSTEM_CONTROLS,
    &system::settings::APPARMOR_PROFILES,
    &system::settings::SELINUX_SETTINGS,
    &system::memory::MEMORY_INFO,
    &system::memory::MEMORY_MAP,
    &system::memory::SHARED_MEMORY,
    &system::load::LOAD_AVERAGE,
    &system::load::CPU_INFO,
    &system::load::ULIMIT_INFO,
    &system::time::TABLE,
    &system::block_devices::TABLE,
    &system::mounts::TABLE,
    &system::os_version::TABLE,
    &system::system_info::TABLE,
    &system::uptime::TABLE,
];

/// Why a table gave no rows at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// A column that must be in the WHERE is not there.
    Constraint,
    /// It cannot be known here.
    Unsupported,
    /// Everything else.
    Internal,
}

/// A table's refusal, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn unsupported(words: impl Into<String>) -> Self {
        Failure { kind: FailureKind::Unsupported, words: words.into() }
    }

    pub(crate) fn internal(words: impl Into<String>) -> Self {
        Failure { kind: FailureKind::Internal, words: words.into() }
    }
}

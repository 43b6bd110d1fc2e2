//! Who may use the host: accounts, groups, keys, what they typed.

pub(super) mod authorized_keys;
pub(super) mod groups;
pub(super) mod logins;
pub(super) mod passwd;
pub(super) mod private_key;
pub(super) mod shadow;
pub(super) mod shell_history;
pub(super) mod ssh;
pub(super) mod sudoers;
pub(super) mod users;

use crate::tables::Scan;
use passwd::User;

/// The uids that a per-user table is asked about, else the caller's own, as osquery does it.
pub(super) fn own_or_asked(scan: &Scan) -> Vec<i64> {
    scan.equal_numbers("uid").unwrap_or_else(|| vec![i64::from(rustix::process::getuid().as_raw())])
}

/// The accounts with these uids. Two accounts with one uid both answer.
pub(super) fn users_asked_for(scan: &Scan) -> Vec<User> {
    let uids = own_or_asked(scan);
    let users = passwd::users(&scan.host);
    users.iter().filter(|user| uids.contains(&i64::from(user.uid))).cloned().collect()
}

//! Who may use the host: accounts, groups, keys, what they typed.

pub(super) mod authorized_keys;
pub(super) mod groups;
pub(super) mod passwd;
pub(super) mod users;

use crate::tables::Scan;
use passwd::User;

/// The accounts that a per-user table is asked about: those with the given uids, else the caller's own, as osquery
/// does it. Two accounts with one uid both answer.
fn users_asked_for(scan: &Scan) -> Vec<User> {
    let own = || vec![i64::from(rustix::process::getuid().as_raw())];
    let uids = scan.equal_numbers("uid").unwrap_or_else(own);
    let mut users = passwd::users(&scan.host);
    users.retain(|user| uids.contains(&i64::from(user.uid)));
    users
}

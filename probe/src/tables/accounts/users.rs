//! `users`: the accounts of the host.

use super::passwd;
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "users",
    about: "Accounts of the host.",
    sources: "/etc/passwd",
    differences: "osquery ends at a line longer than about 1 kB, which hides all accounts after it; here every \
                  line counts. Only the file is read: accounts of LDAP or systemd-homed are not seen.",
    columns: &[
        bigint("uid").pushed(),
        bigint("gid"),
        bigint("uid_signed"),
        bigint("gid_signed"),
        text("username").pushed(),
        text("description"),
        text("directory"),
        text("shell"),
        text("uuid"),
        text("type").hidden(),
        integer("is_hidden").hidden(),
        integer("pid_with_namespace").hidden(),
        integer("include_remote").pushed().hidden(),
    ],
    per_user: false,
    rows,
};

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let uids = scan.equal_numbers("uid");
    let remote = scan.equal_numbers("include_remote").and_then(|given| given.first().copied()).unwrap_or(0);
    let mut rows = Vec::new();
    for user in passwd::users(&scan.host).iter() {
        if uids.as_ref().is_some_and(|uids| !uids.contains(&i64::from(user.uid)))
            || !scan.wants_text("username", &user.name)
        {
            continue;
        }
        rows.push(row![
            user.uid,
            user.gid,
            user.uid as i32,
            user.gid as i32,
            &user.name,
            &user.description,
            &user.directory,
            &user.shell,
            "",
            "",
            Cell::Null,
            0,
            remote
        ]);
    }
    Ok(all(rows))
}

//! `groups` and `user_groups`: the groups of the host, and who is in them.

use std::collections::HashSet;

use super::passwd;
use crate::tables::{Cell, Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "groups",
    about: "Groups of the host.",
    sources: "/etc/group",
    differences: "",
    columns: &[
        bigint("gid").pushed(),
        bigint("gid_signed"),
        text("groupname"),
        text("group_sid").hidden().absent(),
        text("comment").hidden().absent(),
        integer("is_hidden").hidden().absent(),
        integer("pid_with_namespace").hidden(),
    ],
    per_user: false,
    rows: group_rows,
};

fn group_rows(scan: &Scan) -> Result<Rows, Failure> {
    let gids = scan.equal_numbers("gid");
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for group in passwd::groups(&scan.host).iter() {
        if gids.as_ref().is_some_and(|gids| !gids.contains(&i64::from(group.gid))) || !seen.insert(group.gid)
        {
            continue;
        }
        rows.push(row![group.gid, group.gid as i32, &group.name, Cell::Null, Cell::Null, Cell::Null, 0]);
    }
    Ok(all(rows))
}

pub(crate) static USER_GROUPS: Table = Table {
    name: "user_groups",
    about: "Which account is in which group.",
    sources: "/etc/passwd, /etc/group",
    differences: "osquery ends at a passwd line longer than about 1 kB; here every line counts.",
    columns: &[bigint("uid").pushed(), bigint("gid")],
    per_user: false,
    rows: user_group_rows,
};

fn user_group_rows(scan: &Scan) -> Result<Rows, Failure> {
    let uids = scan.equal_numbers("uid");
    let groups = passwd::groups(&scan.host);
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for user in passwd::users(&scan.host).iter() {
        let wanted = uids.as_ref().is_none_or(|uids| uids.contains(&i64::from(user.uid as i32)));
        // Of accounts with the same uid the first one answers, as a look-up by uid would.
        if !seen.insert(user.uid) || !wanted {
            continue;
        }
        let mut gids = vec![user.gid];
        for group in groups.iter() {
            if group.members.contains(&user.name) && !gids.contains(&group.gid) {
                gids.push(group.gid);
            }
        }
        rows.extend(gids.into_iter().map(|gid| row![user.uid as i32, gid]));
    }
    Ok(all(rows))
}

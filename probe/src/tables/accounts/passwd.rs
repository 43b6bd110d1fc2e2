//! `/etc/passwd` and `/etc/group`, read as glibc reads them but without its limits on the length of a line.
//!
//! No name service is asked: a static binary has none, and files are what an intruder edits.

use std::collections::HashMap;
use std::sync::Arc;

use crate::host::Host;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: Vec<u8>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) description: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    pub(crate) shell: Vec<u8>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: Vec<u8>,
    pub(crate) gid: u32,
    pub(crate) members: Vec<Vec<u8>>,
}

/// All accounts in the order of the file.
pub(crate) fn users(host: &Host) -> Arc<Vec<User>> {
    host.once("users", || host.read("/etc/passwd").map(|content| parse_users(&content)).unwrap_or_default())
}

/// All groups in the order of the file.
pub(crate) fn groups(host: &Host) -> Arc<Vec<Group>> {
    host.once("groups", || host.read("/etc/group").map(|content| parse_groups(&content)).unwrap_or_default())
}

/// The first name of each uid.
pub(crate) fn user_names(host: &Host) -> HashMap<u32, Vec<u8>> {
    let mut names = HashMap::new();
    for user in users(host).iter() {
        names.entry(user.uid).or_insert_with(|| user.name.clone());
    }
    names
}

/// The first name of each gid.
pub(crate) fn group_names(host: &Host) -> HashMap<u32, Vec<u8>> {
    let mut names = HashMap::new();
    for group in groups(host).iter() {
        names.entry(group.gid).or_insert_with(|| group.name.clone());
    }
    names
}

/// Lines that say something: without leading blanks, comments and emptiness.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_start)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

/// A user or group id as glibc takes it: digits only, 32 bits.
fn id(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Accounts of a passwd file. Lines without a number where the numbers belong are no accounts.
pub(crate) fn parse_users(content: &[u8]) -> Vec<User> {
    lines(content)
        .filter_map(|line| {
            let mut fields = line.splitn(7, |byte| *byte == b':');
            let name = fields.next()?;
            let _password = fields.next()?;
            let uid = id(fields.next()?)?;
            let gid = id(fields.next()?)?;
            let mut text = || fields.next().unwrap_or_default().to_vec();
            Some(User {
                name: name.to_vec(),
                uid,
                gid,
                description: text(),
                directory: text(),
                shell: text(),
            })
        })
        .collect()
}

/// Groups of a group file.
pub(crate) fn parse_groups(content: &[u8]) -> Vec<Group> {
    lines(content)
        .filter_map(|line| {
            let mut fields = line.splitn(4, |byte| *byte == b':');
            let name = fields.next()?;
            let _password = fields.next()?;
            let gid = id(fields.next()?)?;
            let members = fields.next().unwrap_or_default();
            let members = members.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            Some(Group {
                name: name.to_vec(),
                gid,
                members: members.filter(|member| !member.is_empty()).map(<[u8]>::to_vec).collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_hides_nothing() {
        let long = "x".repeat(100_000);
        let content = format!("root:x:0:0:{long}:/root:/bin/sh\nevil:x:0:0::/:/bin/sh\n");
        let users = parse_users(content.as_bytes());
        assert_eq!(users.len(), 2);
        assert_eq!(users[1].name, b"evil");
    }

    #[test]
    fn broken_lines_are_no_accounts() {
        let users = parse_users(b"a:x:-1:0::/:\nb:x:4294967296:0::/:\nc:x:1\n:::\n\xff:x:5:5\n#c:x:1:1\n");
        assert_eq!(users.len(), 1);
        assert_eq!((users[0].name.as_slice(), users[0].uid), (b"\xff".as_slice(), 5));
    }

    #[test]
    fn members_are_split() {
        let groups = parse_groups(b"adm:x:4:a,b, c,\nbad\n");
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].members, [b"a", b"b", b"c"]);
    }
}

//! `/etc/passwd` and `/etc/group`, read as glibc reads them but without its limits on the length of a line.
//!
//! No name service is asked: a static binary has none, and files are what an intruder edits.

use std::collections::HashMap;
use std::sync::Arc;

use crate::host::Host;
use crate::tables::each_line;

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
    host.once("users", || {
        let content = host.read("/etc/passwd").unwrap_or_default();
        let mut users = Vec::new();
        each_line(host, "/etc/passwd", &content, |line| parses(parse_user(line), line, &mut users));
        users
    })
}

/// All groups in the order of the file.
pub(crate) fn groups(host: &Host) -> Arc<Vec<Group>> {
    host.once("groups", || {
        let content = host.read("/etc/group").unwrap_or_default();
        let mut groups = Vec::new();
        each_line(host, "/etc/group", &content, |line| parses(parse_group(line), line, &mut groups));
        groups
    })
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

/// Keeps what was found in a line. One that begins with a sign asks a name service, and makes sense without a row.
fn parses<T>(found: Option<T>, line: &[u8], all: &mut Vec<T>) -> bool {
    let sign = matches!(line.trim_ascii_start().first(), Some(b'+' | b'-'));
    let makes_sense = found.is_some() || sign;
    all.extend(found);
    makes_sense
}

/// A user or group id as glibc takes it: digits only, 32 bits.
fn id(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// An account of a passwd file. A line without a number where the numbers belong is none.
pub(crate) fn parse_user(line: &[u8]) -> Option<User> {
    let mut fields = line.trim_ascii_start().splitn(7, |byte| *byte == b':');
    let name = fields.next()?;
    let _password = fields.next()?;
    let uid = id(fields.next()?)?;
    let gid = id(fields.next()?)?;
    let mut text = || fields.next().unwrap_or_default().to_vec();
    Some(User { name: name.to_vec(), uid, gid, description: text(), directory: text(), shell: text() })
}

/// A group of a group file.
pub(crate) fn parse_group(line: &[u8]) -> Option<Group> {
    let mut fields = line.trim_ascii_start().splitn(4, |byte| *byte == b':');
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_hides_nothing() {
        let line = format!("root:x:0:0:{}:/root:/bin/sh", "x".repeat(100_000));
        assert_eq!(parse_user(line.as_bytes()).unwrap().directory, b"/root");
    }

    #[test]
    fn broken_lines_are_no_accounts() {
        for line in [b"a:x:-1:0::/:".as_slice(), b"b:x:4294967296:0::/:", b"c:x:1", b":::", b"\xff"] {
            assert_eq!(parse_user(line), None, "{line:?}");
        }
        let user = parse_user(b"\xff:x:5:5").unwrap();
        assert_eq!((user.name.as_slice(), user.uid), (b"\xff".as_slice(), 5));
    }

    #[test]
    fn members_are_split() {
        assert_eq!(parse_group(b"adm:x:4:a,b, c,").unwrap().members, [b"a", b"b", b"c"]);
        assert_eq!(parse_group(b"bad"), None);
    }
}

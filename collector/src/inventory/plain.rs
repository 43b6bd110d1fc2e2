//! Plain lists: one host a line, as `[user@]host[:port]`, with `#` for comments.

use super::{MOST_HOSTS, Target, range};
use std::fmt::Display;

/// What is wrong in which line.
pub(super) type LineError = (usize, String);

pub(super) fn parse(text: &str) -> Result<Vec<Target>, LineError> {
    let mut targets = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let said = line.split('#').next().unwrap_or_default();
        for word in said
            .split([' ', '\t', ','])
            .filter(|_| !has_range(said))
            .chain(Some(said).filter(|_| has_range(said)))
        {
            let word = word.trim();
            if word.is_empty() {
                continue;
            }
            let (user, place) = match word.rsplit_once('@') {
                Some((user, place)) => (Some(user), place),
                None => (None, word),
            };
            let fail = |why: String| (number, why);
            for name in range::expand(place).map_err(fail)? {
                let (host, port) = split_port(&name).map_err(fail)?;
                check_name(&host).map_err(fail)?;
                if let Some(user) = user {
                    check_user(user).map_err(fail)?;
                }
                targets.push(target(&host, port, user));
            }
            if targets.len() > MOST_HOSTS {
                return Err((number, format!("there are more than {MOST_HOSTS} hosts")));
            }
        }
    }
    Ok(targets)
}

/// A comma within brackets parts no hosts.
fn has_range(line: &str) -> bool {
    line.contains('[')
}

fn target(host: &str, port: Option<u16>, user: Option<&str>) -> Target {
    Target {
        host: host.into(),
        herd: "all".into(),
        groups: Vec::new(),
        address: host.to_owned(),
        port,
        user: user.map(str::to_owned),
        identity: None,
    }
}

/// `host`, `host:port`, `[address]:port`; a bare IPv6 address has colons and no port.
pub(super) fn split_port(name: &str) -> Result<(String, Option<u16>), String> {
    if let Some(rest) = name.strip_prefix('[') {
        let (address, after) =
            rest.split_once(']').ok_or_else(|| format!("{name}: the bracket is not closed"))?;
        return match after.strip_prefix(':') {
            Some(digits) => Ok((address.to_owned(), Some(port(digits)?))),
            None if after.is_empty() => Ok((address.to_owned(), None)),
            None => Err(format!("{name}: after the bracket comes :port or nothing")),
        };
    }
    match name.split_once(':') {
        Some((host, digits)) if !digits.contains(':') => Ok((host.to_owned(), Some(port(digits)?))),
        _ => Ok((name.to_owned(), None)),
    }
}

pub(super) fn port(digits: &str) -> Result<u16, String> {
    match digits.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{digits} is not a port: a number from 1 to 65535")),
    }
}

/// Letters, digits and what stands in names and addresses: no spaces, no options, nothing that acts on a terminal.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || "-_.:%".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(fits) {
        return Err(wrong(name, "is not the name or address of a host"));
    }
    Ok(())
}

pub(super) fn check_user(user: &str) -> Result<(), String> {
    if user.is_empty() || user.starts_with('-') || user.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong(user, "is not the name of a user"));
    }
    Ok(())
}

fn wrong(what: impl Display, why: &str) -> String {
    format!("{:?} {why}", what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let line = |target: Target| format!("{} {:?} {:?}", target.address, target.port, target.user);
        parse(text).unwrap().into_iter().map(line).collect()
    }

    #[test]
    fn hosts_with_users_and_ports() {
        assert_eq!(
            told("# fleet\nweb-01\nroot@web-02:2222 # odd one\n\n[fe80::1]:22\n::1\nweb[3-4]:80\na b,c\n"),
            [
                "web-01 None None",
                "web-02 Some(2222) Some(\"root\")",
                "fe80::1 Some(22) None",
                "::1 None None",
                "web3 Some(80) None",
                "web4 Some(80) None",
                "a None None",
                "b None None",
                "c None None"
            ]
        );
    }

    #[test]
    fn what_is_no_host_is_named_with_its_line() {
        for (text, line, why) in [
            ("ok\nweb:99999", 2, "not a port"),
            ("-oProxyCommand=x", 1, "not the name or address"),
            ("ok\n\nx;y", 3, "not the name or address"),
            ("[::1", 1, "bracket"),
            ("@x", 1, "not the name of a user"),
        ] {
            let (at, said) = parse(text).unwrap_err();
            assert!(at == line && said.contains(why), "{text}: {at} {said}");
        }
    }
}

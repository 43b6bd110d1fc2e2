//! One host as a word: `[user@]host[:port]`, with node-sets and IPv6 addresses.

use super::range::expand;
use std::net::Ipv6Addr;

/// What a word says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostWord {
    pub(crate) user: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) port: Option<u16>,
}

pub(crate) fn parse(word: &str) -> Result<HostWord, String> {
    let (user, rest) = match word.rsplit_once('@') {
        Some((user, rest)) => {
            check_user(user)?;
            (Some(user.to_owned()), rest)
        }
        None => (None, word),
    };
    let (pattern, port) = split_port(rest)?;
    let names = if pattern.parse::<Ipv6Addr>().is_ok() { vec![pattern.to_owned()] } else { expand(pattern)? };
    for name in &names {
        check_name(name)?;
    }
    Ok(HostWord { user, names, port })
}

/// A name that may come from anywhere, but must not be taken for an option, a path or several names.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if name.is_empty() || name.starts_with(['-', '.']) || name.len() > 253 || !name.chars().all(fits) {
        return Err(format!("{name:?} cannot be the name or address of a host"));
    }
    Ok(())
}

/// A user's name, which nothing must take for an option or for more than a name: as OpenSSH has it.
pub(super) fn check_user(user: &str) -> Result<(), String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "'`\"$;&<>|(){}!".contains(c);
    if user.is_empty() || user.starts_with('-') || user.ends_with('\\') || user.chars().any(odd) {
        return Err(format!("{user:?} cannot be the name of a user"));
    }
    Ok(())
}

fn split_port(rest: &str) -> Result<(&str, Option<u16>), String> {
    if rest.parse::<Ipv6Addr>().is_ok() {
        return Ok((rest, None));
    }
    if let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && inside.parse::<Ipv6Addr>().is_ok()
    {
        return match after.strip_prefix(':') {
            Some(port) => Ok((inside, Some(parse_port(port)?))),
            None if after.is_empty() => Ok((inside, None)),
            None => Err(format!("{rest:?} has something other than :port after its address")),
        };
    }
    // Colons within brackets belong to ranges.
    let tail = rest.rfind(']').unwrap_or(0);
    match rest.rfind(':').filter(|&colon| colon >= tail).and_then(|colon| rest.split_at_checked(colon)) {
        Some((name, port)) => Ok((name, Some(parse_port(port.trim_start_matches(':'))?))),
        None => Ok((rest, None)),
    }
}

pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|&port| port > 0);
    port.ok_or_else(|| format!("{text:?} is not a port: a number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(word: &str) -> String {
        let HostWord { user, names, port } = parse(word).unwrap();
        format!("{} {} {}", user.unwrap_or_default(), names.join(","), port.unwrap_or_default())
    }

    #[test]
    fn all_parts_are_found() {
        assert_eq!(short("web-1"), " web-1 0");
        assert_eq!(short("root@web.lan:2222"), "root web.lan 2222");
        assert_eq!(short("ada@w[1:2]:22"), "ada w1,w2 22");
        assert_eq!(short("w[1-2]"), " w1,w2 0");
        assert_eq!(short("::1"), " ::1 0");
        assert_eq!(short("me@[fe80::1]:2200"), "me fe80::1 2200");
        assert_eq!(short("[::1]"), " ::1 0");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for word in [
            "@web",
            "web:",
            "web:0",
            "web:70000",
            "-oProxyCommand=x",
            "$(id)@web",
            "a`id`@web",
            "a/b",
            "a b",
            "",
            "..",
            "[::1]x",
            "w\u{1b}[1-2]",
        ] {
            assert!(parse(word).is_err(), "{word:?}");
        }
    }
}

//! Patterns that choose hosts, as Ansible users know them: `web*:!web-07`, `prod:&db`.

use super::{LimitError, Target};
use std::collections::HashSet;

pub(super) fn apply(targets: &mut Vec<Target>, pattern: &str) -> Result<(), LimitError> {
    let (mut chosen, mut any) = (HashSet::new(), false);
    let (mut both, mut without) = (Vec::new(), Vec::new());
    for part in parts(pattern) {
        let (list, word): (Option<&mut Vec<HashSet<usize>>>, &str) = match part.split_at_checked(1) {
            Some(("!", word)) => (Some(&mut without), word),
            Some(("&", word)) => (Some(&mut both), word),
            _ => (None, part),
        };
        let found = match word.strip_prefix('~') {
            Some(regex) => by_regex(targets, regex)?,
            None => by_name(targets, word)?,
        };
        match list {
            // What is taken away or kept may be nothing: that leaves the rest as it is, or nothing.
            Some(list) => list.push(found),
            None if found.is_empty() => return Err(LimitError::NoMatch(word.to_owned())),
            None => {
                any = true;
                chosen.extend(found);
            }
        }
    }
    let keep = |n: &usize| {
        (!any || chosen.contains(n))
            && both.iter().all(|set| set.contains(n))
            && !without.iter().any(|set| set.contains(n))
    };
    let kept: Vec<_> = std::mem::take(targets).into_iter().enumerate().collect();
    *targets = kept.into_iter().filter(|(n, _)| keep(n)).map(|(_, target)| target).collect();
    if targets.is_empty() { Err(LimitError::NothingLeft(pattern.to_owned())) } else { Ok(()) }
}

/// Parts are separated by commas, and by colons where they do not belong to an address or stand in brackets.
fn parts(pattern: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in split(pattern, ',') {
        let address = part.trim().trim_start_matches(['!', '&']).parse::<std::net::Ipv6Addr>().is_ok();
        if address {
            parts.push(part);
        } else {
            parts.extend(split(part, ':'));
        }
    }
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Splits outside brackets.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (place, c) in text.char_indices() {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.saturating_sub(1),
            _ if c == at && depth == 0 => {
                parts.push(text.get(start..place).unwrap_or_default());
                start = place + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn by_regex(targets: &[Target], regex: &str) -> Result<HashSet<usize>, LimitError> {
    let wrong = |error: regex_lite::Error| LimitError::Regex(regex.to_owned(), error.to_string());
    // As Python's `match`, which Ansible uses: from the start, and not to the end.
    let regex = regex_lite::Regex::new(&format!("^(?:{regex})")).map_err(wrong)?;
    let fits = |target: &Target| {
        regex.is_match(target.host.as_str()) || target.groups.iter().any(|group| regex.is_match(group))
    };
    Ok(targets.iter().enumerate().filter(|(_, target)| fits(target)).map(|(n, _)| n).collect())
}

/// A name, or some of the hosts that it stands for: `web[0]`, `web[0:4]`, `web[-1]`, counted from 0, the last included.
fn by_name(targets: &[Target], word: &str) -> Result<HashSet<usize>, LimitError> {
    let Some((name, inside)) = word.strip_suffix(']').and_then(|word| word.split_once('[')) else {
        return Ok(matching(targets, word));
    };
    let unsupported = || LimitError::Unsupported(word.to_owned());
    let mut all: Vec<usize> = matching(targets, name).into_iter().collect();
    all.sort_unstable();
    let place = |text: &str, otherwise: usize| -> Result<usize, LimitError> {
        match text.strip_prefix('-') {
            _ if text.is_empty() => Ok(otherwise),
            Some(back) => {
                let back: usize = back.parse().map_err(|_| unsupported())?;
                Ok(all.len().saturating_sub(back))
            }
            None => text.parse().map_err(|_| unsupported()),
        }
    };
    let (first, last) = match inside.split_once([':', '-']).filter(|_| !inside.starts_with('-')) {
        Some((first, last)) => (place(first, 0)?, place(last, usize::MAX)?),
        None if inside.is_empty() => return Err(unsupported()),
        None => (place(inside, 0)?, place(inside, 0)?),
    };
    Ok(all
        .iter()
        .enumerate()
        .filter(|(n, _)| (first..=last).contains(n))
        .map(|(_, &target)| target)
        .collect())
}

fn matching(targets: &[Target], word: &str) -> HashSet<usize> {
    let fits = |target: &Target| {
        word == "all"
            || glob(word, target.host.as_str())
            || target.groups.iter().any(|group| glob(word, group))
            || (word == "ungrouped" && target.groups.is_empty())
    };
    targets.iter().enumerate().filter(|(_, target)| fits(target)).map(|(n, _)| n).collect()
}

/// `*` stands for any characters, `?` for one.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => (p, t) = (p + 1, t + 1),
            found if found == text.get(t) => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    fn limited(pattern: &str) -> Result<String, LimitError> {
        let text = "lone\n[web]\nweb-[1:3]\n[db]\ndb-1\nweb-3\n[prod:children]\ndb\n";
        let mut inventory = Inventory::parse("f", text).unwrap();
        inventory.limit(pattern)?;
        let names: Vec<_> = inventory.targets.iter().map(|target| target.host.to_string()).collect();
        Ok(names.join(" "))
    }

    #[test]
    fn patterns_choose_hosts_and_groups() {
        assert_eq!(limited("web").unwrap(), "web-1 web-2 web-3");
        assert_eq!(limited("web-1,db-*").unwrap(), "web-1 db-1");
        assert_eq!(limited("all:!web").unwrap(), "lone db-1");
        assert_eq!(limited("!web").unwrap(), "lone db-1");
        assert_eq!(limited("web:&prod").unwrap(), "web-3");
        assert_eq!(limited("ungrouped").unwrap(), "lone");
        assert_eq!(limited(r"~(web|db)-\d:!~web-[12]").unwrap(), "web-3 db-1");
        assert_eq!(limited("web[0]").unwrap(), "web-1");
        assert_eq!(limited("web[1:]").unwrap(), "web-2 web-3");
        assert_eq!(limited("web[0:1],db").unwrap(), "web-1 web-2 web-3 db-1");
        assert_eq!(limited("web[-1]").unwrap(), "web-3");
    }

    #[test]
    fn a_slip_is_an_error_and_not_an_empty_sweep() {
        assert_eq!(limited("wbe"), Err(LimitError::NoMatch("wbe".into())));
        assert_eq!(limited("lone:&web"), Err(LimitError::NothingLeft("lone:&web".into())));
        assert!(matches!(limited("~web("), Err(LimitError::Regex(..))));
        assert!(matches!(limited("web[x]"), Err(LimitError::Unsupported(_))));
        assert_eq!(limited("web[7]"), Err(LimitError::NoMatch("web[7]".into())));
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*b*", "abc"), ("**", "x"), ("a*b*c", "aXbYbZc")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a?c", "ac"), ("a*c", "ab"), ("?", "")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}

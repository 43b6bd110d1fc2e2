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
        if word.starts_with('~') || word.contains(['[', ']']) {
            return Err(LimitError::Unsupported(part.to_owned()));
        }
        let found = matching(targets, word);
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

/// Parts are separated by commas, and by colons where they do not belong to an address.
fn parts(pattern: &str) -> impl Iterator<Item = &str> {
    let parts = pattern.split(',').flat_map(|part| {
        let address = part.trim_start_matches(['!', '&']).parse::<std::net::Ipv6Addr>().is_ok();
        let colon = if address { '\0' } else { ':' };
        part.split(colon)
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
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
    }

    #[test]
    fn a_slip_is_an_error_and_not_an_empty_sweep() {
        assert_eq!(limited("wbe"), Err(LimitError::NoMatch("wbe".into())));
        assert_eq!(limited("lone:&web"), Err(LimitError::NothingLeft("lone:&web".into())));
        assert!(matches!(limited("~web.*"), Err(LimitError::Unsupported(_))));
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

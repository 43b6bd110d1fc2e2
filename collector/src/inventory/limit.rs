//! Patterns that choose hosts, as Ansible users know them: `web:&prod:!web-03`.

use super::Target;

/// A pattern, understood.
pub(super) struct Limit(Vec<Term>);

enum Term {
    Add(String),
    Keep(String),
    Remove(String),
}

impl Limit {
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for word in pattern.split([',', ':']).map(str::trim).filter(|word| !word.is_empty()) {
            if word.starts_with('~') {
                return Err(format!(
                    "{word}: regular expressions are not understood; use wildcards, as in web-*"
                ));
            }
            if word.starts_with('@') {
                return Err(format!("{word}: files of hosts are not understood here; give them with -i"));
            }
            terms.push(match word.split_at_checked(1) {
                Some(("!", name)) => Term::Remove(name.to_owned()),
                Some(("&", name)) => Term::Keep(name.to_owned()),
                _ => Term::Add(word.to_owned()),
            });
        }
        if terms.is_empty() {
            return Err("it names nothing".to_owned());
        }
        Ok(Self(terms))
    }

    /// Ansible's order: what is added, then what is kept of it, then what is taken away.
    pub(super) fn admits(&self, target: &Target) -> bool {
        let names = |pattern: &String| {
            pattern == "all"
                || glob(pattern, target.host.as_str())
                || target.groups.iter().any(|group| glob(pattern, group))
        };
        let mut adds = self
            .0
            .iter()
            .filter_map(|term| if let Term::Add(name) = term { Some(name) } else { None })
            .peekable();
        let added = adds.peek().is_none() || adds.any(names);
        let kept = self.0.iter().all(|term| if let Term::Keep(name) = term { names(name) } else { true });
        let removed =
            self.0.iter().any(|term| if let Term::Remove(name) = term { names(name) } else { false });
        added && kept && !removed
    }
}

/// `*` stands for anything, `?` for one character. Takes time in proportion to both lengths, whatever the pattern.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // For each length of the text's start: whether the pattern so far can be it.
    let mut matches = vec![false; text.chars().count() + 1];
    matches.iter_mut().take(1).for_each(|empty| *empty = true);
    for wanted in pattern {
        let mut next = vec![false; matches.len()];
        let mut any = false;
        for (at, place) in next.iter_mut().enumerate() {
            let here = matches.get(at).copied().unwrap_or_default();
            any |= here;
            let before = at.checked_sub(1).and_then(|at| matches.get(at)).copied().unwrap_or_default();
            let letter = at.checked_sub(1).and_then(|at| text.chars().nth(at));
            *place = match wanted {
                '*' => any,
                '?' => before,
                wanted => before && letter == Some(wanted),
            };
        }
        matches = next;
    }
    matches.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    fn kept(pattern: &str) -> String {
        let text = "[web]\nweb-01\nweb-02\nweb-03\n[db]\ndb-01\n[prod]\nweb-01\ndb-01\n";
        let mut inventory = Inventory::parse("x", text).unwrap();
        inventory.limit(pattern).unwrap();
        inventory.targets.iter().map(|target| target.host.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn chooses_as_ansible_does() {
        assert_eq!(kept("web"), "web-01 web-02 web-03");
        assert_eq!(kept("web:!web-02"), "web-01 web-03");
        assert_eq!(kept("!web"), "db-01");
        assert_eq!(kept("web:&prod"), "web-01");
        assert_eq!(kept("*-01"), "web-01 db-01");
        assert_eq!(kept("web-0[0-9]"), "");
        assert_eq!(kept("db, web-?3"), "web-03 db-01");
        assert_eq!(kept("all:!prod"), "web-02 web-03");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(
            Limit::parse("~web").is_err() && Limit::parse("").is_err() && Limit::parse("@retry").is_err()
        );
    }

    #[test]
    fn wildcards() {
        assert!(glob("a*b*c", "axxbyyc") && glob("*", "") && !glob("a", "") && !glob("", "a"));
        assert!(!glob(&"*a".repeat(200), &"a".repeat(150)));
    }
}

//! Puts deviations together that tell one story: the process, its socket, its cron line; the user and his key.
//!
//! Two deviations belong together when the same hosts have both and both name one thing that no other host's rows
//! name: a path, a user, or (on the first host) a process id.

use crate::deviation::{Deviation, HostIndex, QueryView};
use crate::finding::Kind;
use crate::split::is_part;
use bstr::{BStr, ByteSlice};
use herdiff_model::row::Row;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Below this many bits a deviation says too little to link others.
const FLOOR: f64 = 2.0;

/// It takes less to belong to one that names the same.
const FLOOR_NAMED: f64 = 0.5;

/// That just these hosts, and so many, have several oddities is one cause.
const TOGETHER: usize = 3;

/// It takes less to belong to such a cause.
const FLOOR_TOGETHER: f64 = 0.5;

/// Shorter paths name too much.
const SHORTEST_PATH: usize = 6;

/// Groups of places in `deviations`, each with its strongest first; the strongest group first.
pub(crate) fn stories(
    deviations: &[Deviation<'_>],
    views: &[QueryView<'_>],
    hosts: usize,
) -> Vec<Vec<usize>> {
    let score = |n: usize| deviations.get(n).map_or(0.0, |deviation| deviation.score);
    let worth: Vec<usize> = (0..deviations.len()).filter(|&n| score(n) >= FLOOR_NAMED).collect();
    let mut groups = Groups::new(deviations.len());
    // For each that is too weak to link others: the strongest that names the same.
    let mut strongest: BTreeMap<usize, usize> = BTreeMap::new();
    for links in links(deviations, views, &worth).into_values() {
        let (strong, weak): (Vec<usize>, Vec<usize>) = links.into_iter().partition(|&n| score(n) >= FLOOR);
        strong.windows(2).for_each(|pair| {
            if let [one, other] = pair {
                groups.join(*one, *other);
            }
        });
        let best =
            strong.into_iter().reduce(|best, other| if score(other) > score(best) { other } else { best });
        for (weak, best) in weak.into_iter().filter_map(|weak| Some((weak, best?))) {
            let known = strongest.entry(weak).or_insert(best);
            if score(best) > score(*known) {
                *known = best;
            }
        }
    }
    strongest.into_iter().for_each(|(weak, strong)| groups.join(weak, strong));
    let mut together: HashMap<&[HostIndex], usize> = HashMap::new();
    for (n, deviation) in deviations.iter().enumerate() {
        let is_of_part = is_part(deviation.hosts.len(), hosts);
        if deviation.hosts.len() >= TOGETHER && (deviation.score >= FLOOR_TOGETHER || is_of_part) {
            groups.join(*together.entry(&deviation.hosts).or_insert(n), n);
        }
    }
    let mut stories: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for n in 0..deviations.len() {
        stories.entry(groups.find(n)).or_default().push(n);
    }
    let mut stories: Vec<Vec<usize>> = stories.into_values().collect();
    // Stable sorts: what scores the same stays in the order of the pack and of the rows.
    stories.iter_mut().for_each(|story| story.sort_by(|a, b| score(*b).total_cmp(&score(*a))));
    stories
}

/// Something that a row names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Token<'a> {
    Path(&'a BStr),
    Gone(&'a BStr),
    User(&'a BStr),
    Process(&'a BStr),
    Content(&'a BStr),
}

type Link<'d, 'a> = (&'d [HostIndex], Token<'a>);

/// For each thing that several deviations of the same hosts name, those deviations.
fn links<'d, 'a>(
    deviations: &'d [Deviation<'a>],
    views: &[QueryView<'a>],
    worth: &[usize],
) -> BTreeMap<Link<'d, 'a>, Vec<usize>> {
    let mut links: BTreeMap<Link<'d, 'a>, Vec<usize>> = BTreeMap::new();
    for (n, deviation) in worth.iter().filter_map(|&n| Some((n, deviations.get(n)?))) {
        let mut tokens = Vec::new();
        each_token(deviation.row, |token| tokens.push(token));
        if deviation.change.kind() == Kind::Missing {
            // What others have is named everywhere, and is gone from here with all that belongs to it.
            tokens.iter_mut().for_each(|token| {
                if let Token::Path(path) = *token {
                    *token = Token::Gone(path);
                }
            });
        }
        tokens.sort_unstable();
        tokens.dedup();
        for token in tokens {
            links.entry((&deviation.hosts, token)).or_default().push(n);
        }
    }
    links.retain(|_, deviations| deviations.len() > 1);

    let common = named_elsewhere(views, &links);
    links.retain(|link, _| !common.contains(link));
    links
}

/// Those links whose thing is named by a value that more hosts share: they link nothing.
fn named_elsewhere<'d, 'a>(
    views: &[QueryView<'a>],
    links: &BTreeMap<Link<'d, 'a>, Vec<usize>>,
) -> HashSet<Link<'d, 'a>> {
    let mut candidates: HashMap<&BStr, Vec<Link<'d, 'a>>> = HashMap::new();
    for link in links.keys() {
        if let Token::Path(name) | Token::User(name) | Token::Content(name) = link.1 {
            candidates.entry(name).or_default().push(*link);
        }
    }
    let mut common = HashSet::new();
    if candidates.is_empty() {
        return common;
    }
    for (value, hosts) in views.iter().flat_map(|view| &view.shared) {
        let mut named = |name: &BStr| {
            let claims = candidates.get(name).into_iter().flatten();
            common.extend(claims.filter(|(claim, _)| claim.len() < *hosts as usize).copied());
        };
        named(value);
        paths(value, named);
    }
    common
}

fn each_token<'a>(row: Row<'a>, mut found: impl FnMut(Token<'a>)) {
    for (column, cell) in row.iter() {
        match column.as_str() {
            "pid" | "parent" if !matches!(cell.as_bytes(), b"" | b"-1" | b"0" | b"1" | b"2") => {
                found(Token::Process(cell));
            }
            "username" | "user" if !cell.is_empty() => found(Token::User(cell)),
            _ if is_digest(cell) => found(Token::Content(cell)),
            _ => paths(cell, |path| found(Token::Path(path))),
        }
    }
}

/// A digest of a content, in hexadecimal digits: MD5 or longer.
fn is_digest(cell: &BStr) -> bool {
    cell.len() >= 32 && cell.iter().all(u8::is_ascii_hexdigit)
}

/// The absolute paths in a text.
fn paths<'a>(text: &'a BStr, mut found: impl FnMut(&'a BStr)) {
    let breaks = |c: char| c.is_whitespace() || "\"'`;|&<>()=,:".contains(c);
    for word in text.fields_with(breaks) {
        if word.len() < SHORTEST_PATH || word.first() != Some(&b'/') {
            continue;
        }
        let path = word.trim_end_with(|c| c == '/').as_bstr();
        found(path);
        // A directory that nobody else names is as telling as what is in it.
        if let Some(end) = path.rfind_byte(b'/').filter(|&end| end >= SHORTEST_PATH) {
            found(path.get(..end).unwrap_or_default().as_bstr());
        }
    }
}

/// Disjoint sets of numbers.
struct Groups(Vec<usize>);

impl Groups {
    fn new(size: usize) -> Self {
        Self((0..size).collect())
    }

    fn find(&mut self, of: usize) -> usize {
        let mut root = of;
        while let Some(&parent) = self.0.get(root).filter(|&&parent| parent != root) {
            root = parent;
        }
        // Shortens the way for the next time.
        let mut at = of;
        while at != root {
            let Some(place) = self.0.get_mut(at) else { break };
            at = std::mem::replace(place, root);
        }
        root
    }

    /// The smaller number stands for both.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        if let Some(place) = self.0.get_mut(one.max(other)) {
            *place = one.min(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_paths_in_command_lines() {
        let mut found = Vec::new();
        paths("/bin/sh -c 'exec /var/tmp/.x/upd --log=/tmp/.l; true' /a".into(), |path| {
            found.push(path.to_string())
        });
        assert_eq!(found, ["/bin/sh", "/var/tmp/.x/upd", "/var/tmp/.x", "/tmp/.l"]);
    }

    #[test]
    fn groups_join_transitively() {
        let mut groups = Groups::new(5);
        groups.join(3, 1);
        groups.join(4, 3);
        assert_eq!((groups.find(4), groups.find(0), groups.find(2)), (1, 0, 2));
    }
}

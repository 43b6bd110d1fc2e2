//! A deviation: one thing that some hosts have otherwise than they should, before it is scored and put in words.

use crate::finding::{Kind, Method, Prevalence};
use crate::gather::Alike;
use crate::identity::{Compared, HostIdentities, Identities, IdentityId};
use crate::reason::Worth;
use crate::roster::{Asked, Roster};
use bstr::{BStr, BString};
use herdiff_model::knowledge::{Knowledge, Sign};
use herdiff_model::pack::Query;
use herdiff_model::row::Row;
use std::collections::BTreeMap;

/// A host's place in the roster that is looked at.
pub(crate) type HostIndex = usize;

/// One thing on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) host: HostIndex,
    pub(crate) change: Change,
}

/// What happened, with the hosts where it did, ascending.
pub(crate) type Changes = BTreeMap<Change, Vec<HostIndex>>;

/// What happened, apart from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Added(IdentityId),
    Missing(IdentityId),
    Changed { from: IdentityId, to: IdentityId },
}

impl Change {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Added(_) => Kind::Added,
            Self::Missing(_) => Kind::Missing,
            Self::Changed { .. } => Kind::Changed,
        }
    }

    /// The identity that the finding shows: what is there, or what should be.
    pub(crate) fn shown(self) -> IdentityId {
        match self {
            Self::Added(id) | Self::Missing(id) | Self::Changed { to: id, .. } => id,
        }
    }
}

/// One query as it is compared: what was asked, who answered what, and what is known of its rows.
pub(crate) struct QueryView<'a> {
    pub(crate) query: &'a Query,
    /// What its hosts are compared with.
    pub(crate) method: Method,
    pub(crate) knowledge: Knowledge,
    pub(crate) compared: Compared,
    pub(crate) identities: Identities,
    pub(crate) asked: Asked<'a>,
    /// How many hosts have rows that lack a compared column, so that they are not compared.
    pub(crate) other_columns: usize,
    /// The values that several hosts have, with how many.
    pub(crate) shared: Vec<(&'a BStr, u32)>,
    /// What the clean hosts have, where it is a baseline that they are compared with.
    pub(crate) clean: Option<Clean>,
}

/// What some clean host has.
pub(crate) struct Clean {
    /// For each identity of the view.
    pub(crate) has: Vec<bool>,
    /// Whether something can be said to be new.
    pub(crate) tells: bool,
}

impl Clean {
    /// Whether clean hosts have it; `None` where that is not known.
    pub(crate) fn has(&self, id: IdentityId) -> Option<bool> {
        match self.has.get(id.0 as usize) {
            Some(true) => Some(true),
            Some(false) if self.tells => Some(false),
            _ => None,
        }
    }
}

/// What a baseline says of something that is odd in a herd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// The clean hosts have it, too, or lack it, too.
    Has,
    /// It differs from the baseline as well.
    HasNot,
}

/// One thing on all the hosts that have it.
pub(crate) struct Deviation<'a> {
    /// The place of its query among the views.
    pub(crate) view: usize,
    pub(crate) change: Change,
    /// All its changes, with that one.
    pub(crate) all: Vec<Change>,
    /// What makes its rows one thing, where there are several.
    pub(crate) several: Option<Alike>,
    /// Ascending.
    pub(crate) hosts: Vec<HostIndex>,
    /// What the first of the hosts has; what the others have, where it is missing.
    pub(crate) row: Row<'a>,
    /// The rows of the other members, with what the others have instead, where they are changed.
    pub(crate) others: Vec<(Row<'a>, Option<Row<'a>>)>,
    /// What the others have, where it is changed.
    pub(crate) before: Option<Row<'a>>,
    pub(crate) prevalence: Prevalence,
    /// Bit n: the row shows the n-th sign that is known for its query.
    pub(crate) signs: u64,
    /// The name that the others have and that this one is almost.
    pub(crate) almost: Option<BString>,
    /// What a baseline says of what is odd in the herd, where there is one that can tell.
    pub(crate) baseline: Option<Baseline>,
    /// In bits: what the herd itself does not explain.
    pub(crate) surprise: f64,
    /// Whether an upgrade explains it, or a content that most hosts have.
    pub(crate) is_explained: bool,
    /// In bits: what its signs say about danger; below zero where they say that it is harmless.
    pub(crate) alarm: f64,
    /// In bits: what such a thing says about danger, if it is surprising.
    pub(crate) danger: f64,
    pub(crate) score: f64,
    /// What the score is made of.
    pub(crate) worth: Worth,
}

impl<'a> Deviation<'a> {
    /// Its rows, with what the others have instead, where they are changed.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Row<'a>, Option<Row<'a>>)> {
        std::iter::once((self.row, self.before)).chain(self.others.iter().copied())
    }

    /// How many rows it has.
    pub(crate) fn members(&self) -> usize {
        self.others.len() + 1
    }

    /// The signs that the row shows, one of those that say the same.
    pub(crate) fn shown_signs<'k>(&self, knowledge: &'k Knowledge) -> impl Iterator<Item = &'k Sign> {
        let shown = self.signs;
        knowledge
            .signs
            .iter()
            .take(64)
            .enumerate()
            .filter(move |(n, _)| shown >> n & 1 == 1)
            .map(|(_, sign)| sign)
            .filter(move |sign| is_first(knowledge, shown, sign))
    }
}

/// Whether none of the signs before it that are shown says the same.
fn is_first(knowledge: &Knowledge, shown: u64, sign: &Sign) -> bool {
    let same = knowledge
        .signs
        .iter()
        .take(64)
        .enumerate()
        .find(|(n, other)| shown >> n & 1 == 1 && other.say == sign.say);
    same.is_some_and(|(_, first)| std::ptr::eq(first, sign))
}

/// Which signs a row shows that is there: bit n is the n-th that is known for its query. Those that speak of changes are among them
/// whether it changed or not.
pub(crate) fn signs(row: Row<'_>, knowledge: &Knowledge) -> u64 {
    mask(knowledge, |sign| {
        !sign.missing && sign.holds(|column| row.get(column).map(|cell| -> &[u8] { cell }))
    })
}

/// Which signs it is that a row is not there.
pub(crate) fn signs_of_missing(row: Row<'_>, knowledge: &Knowledge) -> u64 {
    mask(knowledge, |sign| sign.missing && sign.holds(|column| row.get(column).map(|cell| -> &[u8] { cell })))
}

/// Of all signs those that speak where `before` has become `row`; where there is nothing before, those of rows.
pub(crate) fn signs_that_speak(row: Row<'_>, before: Option<Row<'_>>, knowledge: &Knowledge) -> u64 {
    let differs = |column: &str| before.is_some_and(|before| before.get(column) != row.get(column));
    mask(knowledge, |sign| !sign.changed || differs(sign.when.column.as_str()))
}

fn mask(knowledge: &Knowledge, is_one: impl Fn(&Sign) -> bool) -> u64 {
    let signs = knowledge.signs.iter().take(64).enumerate();
    signs.filter(|(_, sign)| is_one(sign)).fold(0, |mask, (n, _)| mask | 1 << n)
}

/// How many hosts have rows that cannot be compared.
pub(crate) fn other_columns(hosts: &[HostIdentities]) -> usize {
    hosts.iter().filter(|host| host.has_other_columns).count()
}

/// Names of hosts, as the roster has them.
pub(crate) fn names(roster: &Roster<'_>, hosts: &[HostIndex]) -> Vec<herdiff_model::name::HostName> {
    hosts.iter().filter_map(|&host| roster.host(host)).map(|snapshot| snapshot.host.clone()).collect()
}

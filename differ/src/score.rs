//! How much a deviation matters, in bits: how surprising it is in its herd, and how much such a thing says about danger. What an
//! upgrade explains matters less; what is older than everywhere else matters more.

use crate::deviation::{Baseline, Deviation, HostIndex, QueryView};
use crate::finding::{Kind, Method};
use crate::reason::Worth;
use crate::version;
use bstr::BStr;
use herdiff_model::knowledge::Sign;
use herdiff_model::row::Row;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

/// What a baseline's disagreement is worth, however many hosts share it.
const NOT_IN_BASELINE: f64 = 5.5;
/// What was there when the baseline was made and is gone is worth less: keys are withdrawn, packages are removed.
const ONLY_IN_BASELINE: f64 = 4.0;
/// What is odd in the herd and not in the baseline either is a little odder.
const AGREED: f64 = 1.0;
/// Danger counts in full only for what is at least this surprising, or as surprising as anything can be in a small herd: what
/// every host has is not dangerous for its name.
const SURPRISING: f64 = 2.5;
/// What an upgrade explains, or what a baseline has as well, keeps this share of its bits.
const EXPLAINED: f64 = 0.35;
/// As many changed files on one host have a common cause, and where its packages are newer, that is known.
const MANY: usize = 2;
/// A release takes some packages back as it brings others forward.
const FEW: usize = 10;
/// A name that is almost another's.
const IMPOSTOR: f64 = 3.0;
/// As many packages that are older than elsewhere were not upgraded yet.
const LATE: usize = 3;
/// More hosts than these with one older version were not upgraded yet, either.
const FEW_BACK: usize = 2;
/// A package that went back.
const OLDER: f64 = 4.0;

/// Sets the scores.
pub(crate) fn score(deviations: &mut [Deviation<'_>], views: &[QueryView<'_>], hosts: usize) {
    let mut upgraded: BTreeSet<HostIndex> = BTreeSet::new();
    for deviation in deviations.iter() {
        // Forward, or not yet: those who are late have other files, too.
        if versions(deviation, views).is_some() {
            upgraded.extend(&deviation.hosts);
        }
    }
    let known_contents = contents(views, hosts);
    let most = (hosts.max(2) as f64).log2();
    let surprising = SURPRISING.min(most);
    for deviation in deviations {
        let Some(view) = views.get(deviation.view) else { continue };
        let known = match view.method {
            Method::Herd => 0.0,
            Method::Baseline if deviation.change.kind() == Kind::Missing => ONLY_IN_BASELINE,
            Method::Baseline => NOT_IN_BASELINE,
        };
        // Who was upgraded has other contents, and not all of them can be told from what an intruder changed.
        let is_upgraded = deviation.hosts.iter().all(|host| upgraded.contains(host));
        let speaks = |sign: &&Sign| !(is_upgraded && sign.speaks_of_content());
        let danger: f64 = deviation.shown_signs(&view.knowledge).filter(speaks).map(|sign| sign.bits).sum();
        let impostor = if deviation.almost.is_some() { IMPOSTOR } else { 0.0 };
        deviation.alarm = danger + impostor;
        let seen = known + deviation.surprise;
        let surprise = known + calibrated(deviation.surprise, most);
        deviation.danger = deviation.alarm + view.knowledge.weight;
        let share = (seen / surprising).min(1.0);
        let danger = deviation.danger * share;
        let versions = versions(deviation, views);
        let is_forward = versions.is_some_and(|(newer, older)| newer > older * FEW);
        // Who has many packages as they were is late.
        let is_late = versions.is_some_and(|(_, older)| !is_forward && older >= LATE);
        deviation.is_explained = is_forward
            || is_late
            || versions.is_none()
                && (is_explained(deviation, view, &upgraded) || is_known(deviation, &known_contents));
        // Some are always late; who is alone with one older version went back.
        let went_back = versions.is_some() && !is_forward && !is_late && deviation.hosts.len() <= FEW_BACK;
        deviation.worth = Worth {
            surprise,
            share,
            contents_count: !is_upgraded,
            impostor,
            older: if went_back { OLDER * ((surprise - 2.0) / 3.0).clamp(0.0, 1.0) } else { 0.0 },
            // Not what is late: who takes many packages back must not hide in that.
            explained: if deviation.is_explained && !is_late { EXPLAINED } else { 1.0 },
            known: if deviation.baseline == Some(Baseline::Has) { EXPLAINED } else { 1.0 },
            unknown: if deviation.baseline == Some(Baseline::HasNot) { AGREED } else { 0.0 },
        };
        let Worth { older, explained, known, unknown, .. } = deviation.worth;
        deviation.score = (surprise + danger + older) * explained * known + unknown;
    }
}

/// In a large herd something is always the only one of its kind: from some point on, more hosts make it little more telling. And
/// where several hosts have something as odd, each of these oddities is one more to read, and less likely the one that matters.
fn calibrated(surprise: f64, most: f64) -> f64 {
    let company = (most - surprise).max(0.0);
    (surprise.min(PLAIN) + (surprise - PLAIN).max(0.0) * BEYOND - (company * COMPANY).min(MOST_COMPANY))
        .max(0.0)
}

/// Up to here bits count in full, beyond by this share.
const PLAIN: f64 = 5.6;
const BEYOND: f64 = 0.35;
/// What each doubling of the hosts that have something as odd takes away.
const COMPANY: f64 = 0.3;
/// And the most that they take: what a third of the herd has must not sink out of sight.
const MOST_COMPANY: f64 = 1.0;

/// Of a package's changes: how many went forward, and how many back.
fn versions(deviation: &Deviation<'_>, views: &[QueryView<'_>]) -> Option<(usize, usize)> {
    let view = views.get(deviation.view)?;
    let is_package = view.knowledge.key.iter().any(|column| column.as_str() == "name")
        && view.compared.columns().iter().any(|column| column.as_str() == "version");
    if deviation.change.kind() != Kind::Changed || !is_package {
        return None;
    }
    let changes = deviation
        .rows()
        .filter_map(|(row, before)| Some(version::compare(row.get("version")?, before?.get("version")?)));
    let (mut newer, mut older) = (0, 0);
    for order in changes {
        match order {
            Ordering::Greater => newer += 1,
            Ordering::Less => older += 1,
            // The same version in another state is nothing that an upgrade does.
            Ordering::Equal => older += 1,
        }
    }
    Some((newer, older))
}

/// Whether an upgrade of these hosts explains it: many changed files, or a service that still runs what was replaced.
fn is_explained(deviation: &Deviation<'_>, view: &QueryView<'_>, upgraded: &BTreeSet<HostIndex>) -> bool {
    let only_deleted = || {
        deviation.rows().all(|(row, before)| {
            let differs = view.compared.columns().iter().filter(|column| {
                before.is_some_and(|before| before.get(column.as_str()) != row.get(column.as_str()))
            });
            differs.map(|column| column.as_str()).eq(["on_disk"])
        })
    };
    deviation.change.kind() == Kind::Changed
        && deviation.hosts.iter().all(|host| upgraded.contains(host))
        && (deviation.members() >= MANY || only_deleted())
}

/// Digests of contents that at least half of the hosts have.
fn contents<'a>(views: &[QueryView<'a>], hosts: usize) -> HashSet<&'a BStr> {
    let shared = views.iter().flat_map(|view| &view.shared);
    let is_digest = |value: &BStr| value.len() >= 32 && value.iter().all(u8::is_ascii_hexdigit);
    shared
        .filter(|(value, on)| *on as usize * 2 >= hosts && is_digest(value))
        .map(|(value, _)| *value)
        .collect()
}

/// A file that is new in one place and on most hosts in another is none that an intruder brought.
fn is_known(deviation: &Deviation<'_>, contents: &HashSet<&BStr>) -> bool {
    let digest = |row: Row<'_>| row.iter().any(|(_, cell)| contents.contains(cell));
    deviation.change.kind() == Kind::Added && deviation.rows().all(|(row, _)| digest(row))
}

//! What a part of the herd has and the others have not: another image, role or release where it is much, and where it is little, perhaps an
//! intruder who is on a third of the herd.

use crate::deviation::{Baseline, Deviation, HostIndex};
use crate::finding::Kind;
use crate::gather::Alike;
use std::collections::HashMap;

/// From this share on, hosts are a part of the herd and not outliers, and up to that one.
const PART_OF_HERD: f64 = 0.08;
const LARGEST_PART: f64 = 0.45;
const FEWEST: usize = 3;
/// An intruder leaves fewer rows than another image.
const MANY_ROWS: usize = 20;
/// Hosts that share as much of their differences with an image are those of the image: some of them could not tell everything.
const SAME_HOSTS: f64 = 0.75;
/// What it is worth that rows split a herd, before what they say about danger.
const SPLIT: f64 = 4.0;
/// And the most that counts of that: what so many have is not as dangerous as it looks, more often than not.
const MOST_DANGER: f64 = 6.0;
/// Less is no sign of danger: signs of harmlessness count below zero, and one that all rows show for nothing.
pub(crate) const ALARMING: f64 = 0.5;

/// Whether so many of all hosts are a part of them.
pub(crate) fn is_part(some: usize, all: usize) -> bool {
    let share = some as f64 / all.max(1) as f64;
    some >= FEWEST && (PART_OF_HERD..=LARGEST_PART).contains(&share)
}

/// The parts of one herd.
pub(crate) struct Splits<'d> {
    hosts: usize,
    /// Those that differ in so much that they are other images, roles or releases.
    images: Vec<&'d [HostIndex]>,
    /// For each query, how many stories of parts of the herd begin with it.
    of_query: HashMap<usize, usize>,
}

impl<'d> Splits<'d> {
    /// From all stories of a herd of so many hosts.
    pub(crate) fn of(stories: &[Vec<usize>], deviations: &'d [Deviation<'_>], hosts: usize) -> Self {
        let mut splits = Self { hosts, images: Vec::new(), of_query: HashMap::new() };
        let members = |story: &[usize]| -> Vec<&'d Deviation<'_>> {
            story.iter().filter_map(|&n| deviations.get(n)).collect()
        };
        for story in stories {
            let members = members(story);
            if let Some(first) = members.first()
                && splits.is_image(&members)
            {
                splits.images.push(&first.hosts);
            }
        }
        for story in stories {
            let members = members(story);
            if let Some(first) = members.first()
                && splits.is_unexplained(&members)
            {
                *splits.of_query.entry(first.view).or_default() += 1;
            }
        }
        splits
    }

    /// Another image, role or release.
    pub(crate) fn is_image(&self, story: &[&Deviation<'_>]) -> bool {
        let hosts = story.first().map_or(0, |deviation| deviation.hosts.len());
        let rows = story.iter().map(|deviation| deviation.members()).sum::<usize>();
        hosts >= FEWEST && hosts as f64 >= self.hosts as f64 * PART_OF_HERD && rows >= MANY_ROWS
    }

    /// A few rows, on just the same hosts, which are too many to be odd by being few, and of which neither an image nor an upgrade is the
    /// cause.
    fn is_unexplained(&self, story: &[&Deviation<'_>]) -> bool {
        let Some(first) = story.first() else { return false };
        let is_new = |deviation: &&Deviation<'_>| {
            !deviation.is_explained
                && !matches!(deviation.several, Some(Alike::Everywhere(_)))
                && deviation.change.kind() != Kind::Missing
                && deviation.baseline != Some(Baseline::Has)
        };
        is_part(first.hosts.len(), self.hosts)
            && !self.is_image(story)
            && story.iter().all(is_new)
            && !self.images.iter().any(|image| are_same(image, &first.hosts))
    }

    /// What it is worth that the rows split the herd, in bits, and what they say about danger: the less, the more such splits there are in
    /// the query. What is of several kinds is another role as often as not, and must show a sign of danger.
    pub(crate) fn worth(&self, story: &[&Deviation<'_>], kinds: usize) -> Option<(f64, f64)> {
        let first = story.first()?;
        let alarm = story.iter().map(|deviation| deviation.alarm).fold(0.0, f64::max);
        if !self.is_unexplained(story) || kinds > 1 && alarm < ALARMING {
            return None;
        }
        let danger = story.iter().map(|deviation| deviation.danger).fold(0.0, f64::max);
        let such = self.of_query.get(&first.view).copied().unwrap_or(1).max(1) as f64;
        Some(((SPLIT - such.log2()).max(0.0), danger.min(MOST_DANGER)))
    }
}

/// Both ascending.
fn are_same(one: &[HostIndex], other: &[HostIndex]) -> bool {
    let both = one.iter().filter(|host| other.binary_search(host).is_ok()).count();
    let either = one.len() + other.len() - both;
    both as f64 >= either as f64 * SAME_HOSTS
}

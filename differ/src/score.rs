//! How much a deviation matters, in bits: how surprising it is in its herd, how much such a thing says about danger,
//! and how quiet its class otherwise is. One odd row where no host has any is worth far more than one of fifty.

use crate::deviation::{Deviation, QueryView};
use crate::finding::{Kind, Method};
use std::collections::HashMap;

/// Deviations that are alike: how many of them a host usually has says what one more is worth.
#[derive(PartialEq, Eq, Hash)]
struct Class {
    view: usize,
    kind: Kind,
    signs: u64,
}

impl Class {
    fn of(deviation: &Deviation<'_>) -> Self {
        Self { view: deviation.view, kind: deviation.change.kind(), signs: deviation.signs }
    }
}

/// What a baseline's disagreement is worth, however many hosts share it.
const NOT_IN_BASELINE: f64 = 4.0;

/// Sets the scores.
pub(crate) fn score(deviations: &mut [Deviation<'_>], views: &[QueryView<'_>], hosts: usize, method: Method) {
    let noise = noise(deviations, hosts);
    for deviation in deviations {
        let Some(view) = views.get(deviation.view) else { continue };
        let known = match method {
            Method::Herd => 0.0,
            Method::Baseline => NOT_IN_BASELINE,
        };
        let danger: f64 = deviation.shown_signs(&view.knowledge).map(|sign| sign.bits).sum();
        let noise = noise.get(&Class::of(deviation)).copied().unwrap_or_default();
        deviation.score = (known + deviation.surprise + view.knowledge.weight + danger) / (1.0 + noise);
    }
}

/// How many deviations of a class the median host has. What an intruder did on fewer than half of the hosts, however
/// often, does not make his own class look noisy.
fn noise(deviations: &[Deviation<'_>], hosts: usize) -> HashMap<Class, f64> {
    let mut counts: HashMap<Class, HashMap<usize, u32>> = HashMap::new();
    for deviation in deviations {
        let of_hosts = counts.entry(Class::of(deviation)).or_default();
        deviation.hosts.iter().for_each(|&host| *of_hosts.entry(host).or_default() += 1);
    }
    let usual = |counts: HashMap<usize, u32>| {
        let mut counts: Vec<u32> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        // Hosts that are not counted have none.
        f64::from(counts.get(hosts / 2).copied().unwrap_or_default())
    };
    counts.into_iter().map(|(class, counts)| (class, usual(counts))).collect()
}

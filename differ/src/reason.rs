//! How the bits of a finding came about, one line for each thing that added to them or took from them.

use crate::deviation::{Deviation, QueryView};
use serde::Serialize;

/// Something that adds to the score of a finding, or takes from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// How much.
    pub bits: f64,
    /// What it is.
    pub say: String,
}

/// What made the score of one deviation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Worth {
    /// How odd it is, in bits.
    pub(crate) surprise: f64,
    /// The share of what it says about danger that counts: all where it is surprising.
    pub(crate) share: f64,
    /// Whether what signs say of contents counts.
    pub(crate) contents_count: bool,
    /// That it is almost the name of something else.
    pub(crate) impostor: f64,
    /// That a package went back.
    pub(crate) older: f64,
    /// What is left of it where an upgrade explains it.
    pub(crate) explained: f64,
    /// What is left of it where a baseline has it as well.
    pub(crate) known: f64,
    /// What is added where a baseline has it not.
    pub(crate) unknown: f64,
}

/// What made the score of a story out of that of its strongest deviation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// That a part of the herd has it, and the danger that counts, in place of what the rows are worth one by one.
    pub(crate) split: Option<(f64, f64)>,
    /// Further kinds of rows that tell the same.
    pub(crate) kinds: f64,
    /// What is left where it is another image.
    pub(crate) image: f64,
}

/// Adds up what made a score.
#[derive(Default)]
struct Sum {
    total: f64,
    reasons: Vec<Reason>,
}

impl Sum {
    fn add(&mut self, bits: f64, say: impl Into<String>) {
        self.total += bits;
        // What rounds to nothing is none.
        if bits.abs() >= 0.05 {
            self.reasons.push(Reason { bits: (bits * 10.0).round() / 10.0, say: say.into() });
        }
    }

    fn keep(&mut self, share: f64, say: &str) {
        self.add(self.total * (share - 1.0), say);
    }
}

/// Why a story has its score, in the order in which it came about.
pub(crate) fn reasons(strongest: &Deviation<'_>, view: &QueryView<'_>, told: Told) -> Vec<Reason> {
    let mut sum = Sum::default();
    match told.split {
        Some((split, danger)) => {
            sum.add(
                split,
                "a part of the herd has it, and neither an image nor an upgrade is known to be the cause",
            );
            sum.add(danger, "what its rows say about danger");
        }
        None => of_one(&mut sum, strongest, view),
    }
    sum.add(told.kinds, "other kinds of rows tell the same");
    sum.keep(told.image, "so many rows on so many hosts are another image, role or release");
    sum.reasons
}

fn of_one(sum: &mut Sum, deviation: &Deviation<'_>, view: &QueryView<'_>) {
    let worth = deviation.worth;
    sum.add(worth.surprise, "how rare it is");
    sum.add(
        view.knowledge.weight * worth.share,
        format!("a difference of this kind ({})", view.knowledge.noun),
    );
    let speaking = deviation.shown_signs(&view.knowledge);
    for sign in speaking.filter(|sign| worth.contents_count || !sign.speaks_of_content()) {
        sum.add(sign.bits * worth.share, sign.say.as_str());
    }
    sum.add(worth.impostor * worth.share, "its name is almost another");
    sum.add(worth.older, "it went back to an older version");
    sum.keep(worth.explained, "an upgrade explains it, or most hosts have its content");
    sum.keep(worth.known, "the baseline has it as well");
    sum.add(worth.unknown, "it is not as in the baseline, either");
}

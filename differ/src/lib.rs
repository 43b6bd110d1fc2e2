//! Compares: a host with its herd, or with a baseline, and says what stands out, best first.
//!
//! A pure function of bundles: no network, no clock, no terminal; same bundles in, same findings out, in the same
//! order. The way of the data:
//! `roster` (which hosts) -> `identity` (what is compared) -> `herd` or `baseline` (what deviates) -> `surprise` and `score` (how much
//! it matters) -> `story` (what belongs together) -> `explain` (in words) -> [`Report`].

mod baseline;
mod coverage;
mod deviation;
mod explain;
mod finding;
mod gather;
mod herd;
mod identity;
mod pairing;
mod report;
mod roster;
mod score;
mod story;
mod surprise;
mod template;

pub use coverage::{Coverage, QueryCoverage};
pub use finding::{Finding, FindingId, Kind, Method, Part, Prevalence, Suspect};
pub use report::{Note, Report, diff, outliers};

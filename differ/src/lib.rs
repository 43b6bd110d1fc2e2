//! Compares: a host with its herd, or with a baseline, and says what stands out, best first.
//!
//! A pure function of bundles: no network, no clock, no terminal; same bundles in, same findings out, in the same
//! order. The way of the data:
//! `roster` (which hosts) -> `identity` (what is compared) -> `herd` or `baseline` (what deviates) -> `usual` and `score` (how much
//! it matters) -> `story` (what belongs together) -> `explain` (in words) -> [`Report`].

mod accepted;
mod attribute;
mod baseline;
mod both;
mod class;
mod columns;
mod coverage;
mod deviation;
mod explain;
mod finding;
mod gather;
mod herd;
mod identity;
mod learned;
mod lookalike;
mod names;
mod nearest;
mod normalisation;
mod pairing;
mod reason;
mod report;
mod roster;
mod scope;
mod score;
mod seen;
mod side_by_side;
mod split;
mod story;
mod template;
mod usual;
mod version;
mod vet;
mod voices;

pub use accepted::{Accepted, BadLine, Day, Entry};
pub use coverage::{Coverage, QueryCoverage};
pub use finding::{Cells, Finding, FindingId, Kind, Method, Part, Prevalence, Suspect};
pub use normalisation::{Mask, Masked, Normalisation, normalisation};
pub use reason::Reason;
pub use report::{Note, Options, Report, diff, outliers, outliers_with};
pub use scope::{Indicator, Likeness, Scope, Shared, Sighting, scope};
pub use vet::vet;

//! Measures how well the differ finds what was planted: herds with the noise of real ones, scenarios with ground truth.
//!
//! Nothing here is known to the differ, and nothing of the differ is used to make the herds.

mod desk;
mod herd;
pub mod measure;
pub mod naive;
mod noise;
mod scenario;

pub use desk::{Desk, Mark, Oddity};
pub use herd::{Herd, HerdPlan};
pub use scenario::{SCENARIOS, Scenario};

use herdiff_model::bundle::Bundle;
use measure::Truth;

/// A herd with scenarios planted, and the truth about them.
pub fn plant(herd: &Herd, scenario: Scenario, hosts: usize) -> (Bundle, Truth) {
    let mut bundle = herd.bundle.clone();
    let mut truth = Truth::new();
    for place in herd.victims(scenario.name, hosts) {
        plant_on(herd, &mut bundle, &mut truth, scenario, place);
    }
    (bundle, truth)
}

/// Every scenario once, each on a host of its own as far as there are hosts.
pub fn plant_all(herd: &Herd) -> (Bundle, Truth) {
    let mut bundle = herd.bundle.clone();
    let mut truth = Truth::new();
    for (place, scenario) in herd.victims("all", SCENARIOS.len()).into_iter().zip(SCENARIOS) {
        plant_on(herd, &mut bundle, &mut truth, *scenario, place);
    }
    (bundle, truth)
}

fn plant_on(herd: &Herd, bundle: &mut Bundle, truth: &mut Truth, scenario: Scenario, place: usize) {
    let Some(mut desk) = herd.desk(place, scenario.name) else { return };
    (scenario.plant)(&mut desk);
    let Desk { tables, marks, .. } = desk;
    herd.replace(bundle, place, tables);
    if let Some(host) = herd.bundle.snapshots.get(place) {
        truth.insert(host.host.to_string(), marks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_makes_rows_odd() {
        let herd = Herd::grow(HerdPlan {
            hosts: 4,
            rows: 2500,
            seed: 3,
            mixed: false,
            foreign: false,
            words: false,
        })
        .unwrap();
        for &scenario in SCENARIOS {
            let (bundle, truth) = plant(&herd, scenario, 1);
            let marks: Vec<_> = truth.values().flatten().collect();
            assert!(!marks.is_empty(), "{}", scenario.name);
            assert_eq!(bundle.snapshots.len(), 4);
            for mark in marks {
                assert!(
                    herd.bundle.pack.queries().iter().any(|query| query.name.as_str() == mark.query),
                    "{}: {}",
                    scenario.name,
                    mark.query
                );
            }
        }
    }
}

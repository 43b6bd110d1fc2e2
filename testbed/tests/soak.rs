//! The soak in its short form: sweeps over hosts that misbehave leave nothing. The long form is `herdiff-testbed soak`.

#![allow(clippy::unwrap_used, reason = "a test stops where its ground is missing")]

mod common;

use common::{Place, TESTBED, text};

#[test]
fn sweeps_over_hosts_that_misbehave_leave_nothing() {
    let place = Place::new();
    let faults =
        "1=refuse 1=silent 1=not-ssh 1=reject-key 1=hang 1=half-blind 1=garbage 1=half-answer 1=endless";
    let faults: Vec<&str> = faults.split(' ').flat_map(|fault| ["--fault", fault]).collect();
    // Outcomes are not what this is about: a deadline may come early.
    let soak = ["soak", "--sweeps", "5", "--hosts", "24", "--host-timeout", "5"];
    let output = place.run(TESTBED, &[&soak[..], &faults].concat());
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    print!("{}", text(&output.stdout));
}

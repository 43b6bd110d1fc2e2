//! What holds for every fleet.

use crate::fleet::{Fleet, tables};
use herdiff_differ::{Kind, Options, outliers};
use proptest::prelude::*;

const NAMES: [&str; 6] = ["ada", "bob", "cyd", "dan", "eve", "fay"];

/// Per host and row: has it, has it not, or could not tell at all.
fn fleet(table: &[Vec<bool>], deaf: &[bool]) -> Fleet {
    let mut fleet = Fleet::new(&["users"], table.len());
    for (host, rows) in table.iter().enumerate() {
        for (row, _) in rows.iter().enumerate().filter(|(_, has)| **has) {
            // Names, as numbered users could be taken for one thing on several hosts.
            fleet.row(host, "users", &format!("username={}|uid=9{row}", NAMES[row]));
        }
        if deaf[host] {
            fleet.fail(host, "users");
        }
    }
    fleet
}

proptest! {
    #[test]
    fn every_count_is_the_truth(
        table in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 6), 3..14),
        deaf in proptest::collection::vec(proptest::bool::weighted(0.2), 14),
    ) {
        let report = outliers(&fleet(&table, &deaf).bundle(), &tables(), &Options::default());
        for finding in &report.findings {
            for (part, _) in finding.parts.iter().zip(0..1) {
                let name = part.row.iter().find(|(column, _)| *column == "username").unwrap().1;
                let row = NAMES.iter().position(|known| *known == name).unwrap();
                let of = |has: bool| (0..table.len()).filter(|&host| !deaf[host] && table[host][row] == has).count() as u32;
                prop_assert_eq!(finding.prevalence.present, of(true));
                prop_assert_eq!(finding.prevalence.absent, of(false));
                prop_assert_eq!(finding.prevalence.unknown as usize, deaf[..table.len()].iter().filter(|deaf| **deaf).count());
                let on = if part.kind == Kind::Missing { of(false) } else { of(true) };
                prop_assert_eq!(finding.hosts.len() as u32, on);
            }
        }
    }

    #[test]
    fn the_same_bundle_gives_the_same_bytes(
        table in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 6), 3..14),
    ) {
        let bundle = fleet(&table, &[false; 14]).bundle();
        let told = || serde_json::to_string(&outliers(&bundle, &tables(), &Options::default())).unwrap();
        prop_assert_eq!(told(), told());
    }
}

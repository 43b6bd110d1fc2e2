//! Hosts answer in any order, and so do their engines: neither may be seen in what a comparison says.

use crate::fleet::{Fleet, tables};
use herdiff_differ::{Options, diff, outliers};
use herdiff_model::row::RowBatch;
use herdiff_model::visit::Answer;
use proptest::prelude::*;

const QUERIES: [&str; 5] = ["crontab", "processes", "listening_ports", "deb_packages", "process_hashes"];

/// A host's rows: for each kind of row a number, which decides whether the host has it and with which values.
type Traits = Vec<u8>;

fn traits() -> impl Strategy<Value = Vec<Traits>> {
    proptest::collection::vec(proptest::collection::vec(0u8..24, 12), 4..15)
}

/// Rows that are often equally odd, so that whatever breaks ties by order is found out.
fn fleet(hosts: &[Traits]) -> Fleet {
    let mut fleet = Fleet::new(&QUERIES, hosts.len());
    for (host, traits) in hosts.iter().enumerate() {
        let mut put = |query: &str, row: String| {
            fleet.row(host, query, &row);
        };
        put("crontab", "path=/etc/crontab|command=root run-parts /etc/cron.hourly".into());
        for (n, &value) in traits.iter().enumerate() {
            let word = ["ash", "birch", "cedar", "dogwood", "elm"][usize::from(value) % 5];
            match (n, value) {
                (0..3, 0..12) => {
                    let pid = 100 + usize::from(value) * 7 + host;
                    let row = |pid: usize| {
                        format!(
                            "pid={pid}|name={word}|path=/usr/bin/{word}|cmdline={word} -{n}|on_disk=1|uid=0"
                        )
                    };
                    // Twice the same but for what differs without meaning anything.
                    put("processes", row(pid));
                    put("processes", row(900 - pid));
                    put(
                        "listening_ports",
                        format!("pid={pid}|address=0.0.0.0|port={n}{value}|protocol=6|path="),
                    );
                }
                (3..6, 0..6) => {
                    put("crontab", format!("path=/etc/cron.d/{word}|command=root /opt/{word}/{value}"))
                }
                (6..9, _) => put("deb_packages", format!("name=lib{n}|version=1.{}|arch=amd64", value % 4)),
                (9..11, 0..16) => {
                    put("process_hashes", format!("path=/usr/bin/{word}{n}|sha256={:064x}", value % 3))
                }
                // Another engine, which knows a column more or less.
                (11, 0..3) => put("crontab", format!("path=/etc/crontab|command={word}|minute=1")),
                (11, 3..6) => put("process_hashes", format!("path=/usr/bin/{word}")),
                _ => {}
            }
        }
    }
    fleet
}

/// The same hosts with the same rows, finished in another order, and each answer in another order of rows.
fn shuffled(mut fleet: Fleet, keys: &[u64]) -> Fleet {
    let key = |n: usize, salt: usize| {
        let key = keys[(n + salt) % keys.len()] ^ (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        key.rotate_left(salt as u32 % 64)
    };
    for (host, visit) in fleet.visits.iter_mut().enumerate() {
        for answer in &mut visit.answers {
            if let Answer::Rows { batches, .. } = answer {
                let mut keyed: Vec<(u64, RowBatch)> =
                    batches.drain(..).enumerate().map(|(n, batch)| (key(n, host + 1), batch)).collect();
                keyed.sort_by_key(|(key, _)| *key);
                batches.extend(keyed.into_iter().map(|(_, batch)| batch));
            }
        }
    }
    let mut keyed: Vec<_> = fleet.visits.drain(..).enumerate().map(|(n, visit)| (key(n, 0), visit)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    fleet.visits.extend(keyed.into_iter().map(|(_, visit)| visit));
    fleet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn of_hosts_and_rows_does_not_change_outliers(hosts in traits(), keys in proptest::collection::vec(any::<u64>(), 16)) {
        let told = |fleet: Fleet| {
            serde_json::to_string_pretty(&outliers(&fleet.bundle(), &tables(), &Options::default())).unwrap()
        };
        prop_assert_eq!(told(fleet(&hosts)), told(shuffled(fleet(&hosts), &keys)));
    }

    #[test]
    fn of_hosts_and_rows_does_not_change_a_comparison_with_a_baseline(
        clean in traits(),
        hosts in traits(),
        keys in proptest::collection::vec(any::<u64>(), 16),
    ) {
        let told = |clean: Fleet, hosts: Fleet| {
            let report = diff(&[&clean.bundle()], &hosts.bundle(), &tables(), &Options::default());
            serde_json::to_string_pretty(&report).unwrap()
        };
        prop_assert_eq!(
            told(fleet(&clean), fleet(&hosts)),
            told(shuffled(fleet(&clean), &keys), shuffled(fleet(&hosts), &keys))
        );
    }
}

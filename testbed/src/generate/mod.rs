//! Saved osquery output of a described fleet: `DIR/<host>/<query>.json` as osqueryi prints it, the pack behind the
//! names, and the truth about what was planted.
//!
//! What is here is made from the same description as the trees, without a probe and without SSH: thousands of hosts in
//! seconds, for trying out how comparisons behave at size.

mod accounts;
mod activity;
mod bulk;
mod files;
mod network;
mod pack;
mod processes;
mod row;
mod system;
mod truth;

pub use pack::{PackError, merged as merged_pack, triage as triage_pack};

use crate::fleet::Fleet;
use crate::fleet::host::Host;
use row::osqueryi;
pub use row::{Row, Rows};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Hosts.
    pub hosts: u64,
    /// Rows of all hosts.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why it cannot be written.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// The system refused.
    #[error("cannot write `{path}`: {cause}")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// The place is taken.
    #[error("`{0}` is not empty")]
    NotEmpty(PathBuf),
    /// A pack of this program cannot be read.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Writes a fleet below a new or empty directory, with about that many rows a host.
///
/// # Errors
/// Where something cannot be written.
pub fn write(fleet: &Fleet, rows: usize, directory: &Path) -> Result<Written, GenerateError> {
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(GenerateError::NotEmpty(directory.to_owned()));
    }
    let put = |path: PathBuf, text: &[u8]| {
        fs::write(&path, text).map_err(|cause| GenerateError::Write { path, cause })
    };
    let make = |path: &Path| {
        fs::create_dir_all(path).map_err(|cause| GenerateError::Write { path: path.to_owned(), cause })
    };
    make(directory)?;
    put(directory.join("pack.conf"), merged_pack()?.as_bytes())?;
    put(directory.join("truth.json"), truth::document(fleet).as_bytes())?;
    let (total, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = |host: &Host| -> Result<(), GenerateError> {
        let home = directory.join(&host.name);
        make(&home)?;
        for (query, table) in tables(host, rows) {
            let text = osqueryi(&table);
            total.fetch_add(table.len() as u64, Ordering::Relaxed);
            bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
            put(home.join(format!("{query}.json")), text.as_bytes())?;
        }
        Ok(())
    };
    crate::side_by_side(&fleet.hosts, |host| one(host))?;
    Ok(Written { hosts: fleet.hosts.len() as u64, rows: total.into_inner(), bytes: bytes.into_inner() })
}

/// About how many rows a host has besides the bulk, whose size must not give away what else there is.
const BESIDES: usize = 1200;

/// All answers of a host, by query.
pub fn tables(host: &Host, rows: usize) -> Vec<(&'static str, Rows)> {
    let mut tables = Vec::new();
    processes::add(host, &mut tables);
    network::add(host, &mut tables);
    accounts::add(host, &mut tables);
    system::add(host, &mut tables);
    files::add(host, &mut tables);
    activity::add(host, &mut tables);
    bulk::add(host, rows.saturating_sub(BESIDES), &mut tables);
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{Attack, TraceKind};
    use crate::fleet::{FleetPlan, Noise};
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    fn fleet(hosts: u32) -> Fleet {
        Fleet::grow(&FleetPlan { hosts, noise: Noise::Hard, ..FleetPlan::default() })
    }

    /// The names of a statement's columns, as far as our packs need it.
    fn selected(sql: &str) -> BTreeSet<String> {
        let list = sql.split_once("SELECT ").unwrap().1.split_once(" FROM ").unwrap().0;
        let name = |item: &str| item.rsplit(' ').next().unwrap().rsplit('.').next().unwrap().to_owned();
        list.trim_start_matches("DISTINCT ").split(", ").map(name).collect()
    }

    #[test]
    fn every_query_of_the_pack_is_answered_with_its_columns() {
        let pack: serde_json::Value = serde_json::from_str(&merged_pack().unwrap()).unwrap();
        let queries = pack["queries"].as_object().unwrap();
        let mut with_rows = BTreeSet::new();
        for host in fleet(24).hosts {
            let tables: BTreeMap<_, _> = tables(&host, 3000).into_iter().collect();
            let answered: BTreeSet<_> = tables.keys().map(|name| (*name).to_owned()).collect();
            assert_eq!(answered, queries.keys().cloned().collect());
            for (name, table) in tables {
                let columns = selected(queries[name]["query"].as_str().unwrap());
                for row in &table {
                    let ours: BTreeSet<_> = row.keys().map(|column| (*column).to_owned()).collect();
                    assert_eq!(ours, columns, "{name}");
                }
                with_rows.extend(Some(name).filter(|_| !table.is_empty()));
            }
        }
        assert!(queries.len() >= 25);
        assert_eq!(with_rows.len(), queries.len(), "{with_rows:?}");
    }

    #[test]
    fn a_host_has_as_many_rows_as_asked_for() {
        for rows in [1500, 3000, 6000] {
            let count: usize = tables(&fleet(1).hosts[0], rows).iter().map(|(_, table)| table.len()).sum();
            assert!(count.abs_diff(rows) <= rows / 20, "{count} of {rows}");
        }
    }

    #[test]
    fn a_herd_is_as_different_as_herds_are() {
        let fleet = fleet(40);
        let mut hosts_with = HashMap::new();
        let mut total = 0_usize;
        for host in &fleet.hosts {
            let rows = tables(host, 3000)
                .into_iter()
                .flat_map(|(query, table)| table.into_iter().map(move |row| (query, row)));
            for row in rows.collect::<BTreeSet<_>>() {
                *hosts_with.entry(format!("{row:?}")).or_insert(0_usize) += 1;
                total += 1;
            }
        }
        let own = hosts_with.values().filter(|&&hosts| hosts == 1).count() / fleet.hosts.len();
        let distinct = hosts_with.len() * 100 / total;
        assert!((350..550).contains(&own), "{own} rows a host are its own");
        assert!((15..26).contains(&distinct), "{distinct} % of the rows are distinct");
    }

    #[test]
    fn the_truth_is_in_the_rows() {
        for &attack in Attack::ALL {
            let mut fleet = fleet(3);
            fleet.plant("web-02", attack).unwrap();
            let clean: BTreeMap<_, _> = tables(&fleet.hosts[0], 3000).into_iter().collect();
            let bad: BTreeMap<_, _> = tables(&fleet.hosts[1], 3000).into_iter().collect();
            // Saved output answers the triage and the survey pack, not the hunt.
            let hunt = include_str!("../../data/hunt.conf");
            for trace in &fleet.planted[0].traces {
                if hunt.contains(&format!("\"{}\"", trace.query)) {
                    continue;
                }
                let has = |tables: &BTreeMap<&str, Rows>| {
                    let matches =
                        |row: &Row| trace.cells.iter().all(|(column, value)| row.get(column) == Some(value));
                    tables[trace.query].iter().any(matches)
                };
                let expected = if trace.kind == TraceKind::Missing { (true, false) } else { (false, true) };
                // A changed row is known by its key alone, which both have.
                let key_only = trace.kind == TraceKind::Changed && trace.cells.len() == 1;
                assert!(key_only || (has(&clean), has(&bad)) == expected, "{attack}: {trace:?}");
            }
        }
    }

    #[test]
    fn what_is_written_is_the_layout_of_import() {
        let directory = tempfile::tempdir().unwrap();
        let mut fleet = fleet(2);
        fleet.plant("web-02", Attack::BackdoorAccount).unwrap();
        let written = write(&fleet, 1500, &directory.path().join("out")).unwrap();
        assert_eq!(written.hosts, 2);
        let read = |path: &str| fs::read_to_string(directory.path().join("out").join(path)).unwrap();
        let users = read("web-02/users.json");
        assert!(users.starts_with("[\n  {\"description\":") && users.ends_with("}\n]\n"), "{users}");
        let users: Vec<BTreeMap<String, String>> = serde_json::from_str(&users).unwrap();
        assert!(users.iter().any(|user| user["username"] == "sysbackup" && user["uid"] == "0"));
        let truth: serde_json::Value = serde_json::from_str(&read("truth.json")).unwrap();
        assert_eq!(truth["planted"][0]["host"], "web-02");
        assert_eq!(truth["planted"][0]["traces"][0]["query"], "users");
        assert!(matches!(
            write(&fleet, 1500, &directory.path().join("out")),
            Err(GenerateError::NotEmpty(_))
        ));
    }
}

//! Which hosts are compared: of each host the last snapshot, by herd.

use herdiff_model::bundle::Bundle;
use herdiff_model::name::{HerdName, HostName};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::row::Row;
use herdiff_model::rowtable::{RowId, RowTable};
use herdiff_model::snapshot::Snapshot;
use std::collections::BTreeMap;

/// Hosts of one bundle.
#[derive(Clone)]
pub(crate) struct Roster<'a> {
    pub(crate) bundle: &'a Bundle,
    /// Ordered by name.
    pub(crate) hosts: Vec<&'a Snapshot>,
}

impl<'a> Roster<'a> {
    /// Every host of a bundle with its last snapshot, by herd. A sweep that was resumed has a host twice; what it said
    /// last counts.
    pub(crate) fn herds(bundle: &'a Bundle) -> Vec<(HerdName, Self)> {
        let mut last: BTreeMap<(&HerdName, &HostName), &Snapshot> = BTreeMap::new();
        for snapshot in &bundle.snapshots {
            last.insert((&snapshot.herd, &snapshot.host), snapshot);
        }
        let mut herds: Vec<(HerdName, Self)> = Vec::new();
        for ((herd, _), snapshot) in last {
            match herds.last_mut().filter(|(name, _)| name == herd) {
                Some((_, roster)) => roster.hosts.push(snapshot),
                None => herds.push((herd.clone(), Self { bundle, hosts: vec![snapshot] })),
            }
        }
        herds
    }

    /// The hosts of all herds together.
    pub(crate) fn everyone(bundle: &'a Bundle) -> Self {
        let hosts = Self::herds(bundle).into_iter().flat_map(|(_, roster)| roster.hosts).collect();
        Self { bundle, hosts }
    }

    /// One query of these hosts; nothing where the bundle's pack does not have it.
    pub(crate) fn ask(&self, name: &str) -> Option<Asked<'a>> {
        let (id, _, table) = self.bundle.queries().find(|(_, query, _)| query.name.as_str() == name)?;
        Some(Asked { table, outcomes: self.hosts.iter().map(|host| host.query(id)).collect() })
    }

    pub(crate) fn host(&self, index: usize) -> Option<&'a Snapshot> {
        self.hosts.get(index).copied()
    }
}

/// What the hosts of a roster answered to one query.
pub(crate) struct Asked<'a> {
    pub(crate) table: &'a RowTable,
    /// In the order of the roster's hosts.
    pub(crate) outcomes: Vec<Option<&'a QueryOutcome>>,
}

impl<'a> Asked<'a> {
    pub(crate) fn row(&self, id: RowId) -> Option<Row<'a>> {
        self.table.row(id)
    }
}

//! Which hosts are compared: of each host the last snapshot, by herd.

use crate::names::HerdNames;
use herdiff_model::bundle::Bundle;
use herdiff_model::name::{HerdName, HostName};
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::row::{Columns, Row};
use herdiff_model::rowtable::{RowId, RowTable};
use herdiff_model::snapshot::Snapshot;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Hosts of one bundle.
#[derive(Clone)]
pub(crate) struct Roster<'a> {
    pub(crate) bundle: &'a Bundle,
    /// Ordered by name.
    pub(crate) hosts: Vec<&'a Snapshot>,
    names: Arc<HerdNames>,
}

impl<'a> Roster<'a> {
    /// Every host of a bundle with its last snapshot, by herd. A sweep that was resumed has a host twice; what it said
    /// last counts.
    pub(crate) fn herds(bundle: &'a Bundle) -> Vec<(HerdName, Self)> {
        let mut last: BTreeMap<(&HerdName, &HostName), &Snapshot> = BTreeMap::new();
        for snapshot in &bundle.snapshots {
            last.insert((&snapshot.herd, &snapshot.host), snapshot);
        }
        let mut herds: Vec<(HerdName, Vec<&Snapshot>)> = Vec::new();
        for ((herd, _), snapshot) in last {
            match herds.last_mut().filter(|(name, _)| name == herd) {
                Some((_, hosts)) => hosts.push(snapshot),
                None => herds.push((herd.clone(), vec![snapshot])),
            }
        }
        herds.into_iter().map(|(herd, hosts)| (herd, Self::new(bundle, hosts))).collect()
    }

    fn new(bundle: &'a Bundle, hosts: Vec<&'a Snapshot>) -> Self {
        let names = Arc::new(HerdNames::of(bundle, &hosts));
        Self { bundle, hosts, names }
    }

    /// The hosts of all herds together.
    pub(crate) fn everyone(bundle: &'a Bundle) -> Self {
        let hosts = Self::herds(bundle).into_iter().flat_map(|(_, roster)| roster.hosts).collect();
        Self::new(bundle, hosts)
    }

    /// Some of these hosts.
    pub(crate) fn part(&self, hosts: Vec<&'a Snapshot>) -> Self {
        Self { hosts, ..self.clone() }
    }

    /// One query of these hosts; nothing where the bundle's pack does not have it.
    pub(crate) fn ask(&self, name: &str) -> Option<Asked<'a>> {
        let (id, _, table) = self.bundle.queries().find(|(_, query, _)| query.name.as_str() == name)?;
        let outcomes = self.hosts.iter().map(|host| host.query(id)).collect();
        Some(Asked { table, outcomes, names: Arc::clone(&self.names) })
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
    /// What the hosts are called.
    pub(crate) names: Arc<HerdNames>,
}

impl<'a> Asked<'a> {
    pub(crate) fn row(&self, id: RowId) -> Option<Row<'a>> {
        self.table.row(id)
    }

    /// The order of two rows by what they say. Their numbers tell who answered first.
    pub(crate) fn by_content(&self, one: RowId, other: RowId) -> Ordering {
        let content = |id| self.row(id).into_iter().flat_map(Row::iter);
        content(one).cmp(content(other))
    }

    /// For each list of columns that the table has, how many hosts with rows use it. A host has one voice: where its rows have
    /// several, the one that most of them have counts.
    pub(crate) fn hosts_of_shapes(&self) -> Vec<usize> {
        let shapes = self.table.shapes();
        let with_rows = self.outcomes.iter().flatten().filter_map(|outcome| outcome.rows());
        if shapes.len() == 1 {
            return vec![with_rows.filter(|rows| !rows.ids.is_empty()).count()];
        }
        let mut hosts = vec![0; shapes.len()];
        let mut rows = vec![0usize; shapes.len()];
        for outcome in self.outcomes.iter().flatten() {
            rows.fill(0);
            for shape in outcome.rows().into_iter().flat_map(|rows| rows.distinct()) {
                let shape = self.table.shape(shape).and_then(|shape| rows.get_mut(shape.0 as usize));
                shape.into_iter().for_each(|rows| *rows += 1);
            }
            let most = most(&rows, shapes).and_then(|shape| hosts.get_mut(shape));
            most.into_iter().for_each(|hosts| *hosts += 1);
        }
        hosts
    }

    /// The list of columns that most hosts use, for finding out what the rows are about.
    pub(crate) fn usual_shape(&self) -> &'a [Columns] {
        let shapes = self.table.shapes();
        let usual = most(&self.hosts_of_shapes(), shapes);
        usual.and_then(|shape| shapes.get(shape..=shape)).unwrap_or_default()
    }
}

/// The list of columns with the highest count; of equals the first by name, as they are numbered in the order in which they came.
fn most(counts: &[usize], shapes: &[Columns]) -> Option<usize> {
    let seen = counts.iter().zip(shapes).enumerate().filter(|(_, (count, _))| **count > 0);
    let best = seen.min_by(|(_, (count, shape)), (_, (other, other_shape))| {
        Reverse(count).cmp(&Reverse(other)).then_with(|| shape.iter().cmp(other_shape.iter()))
    });
    best.map(|(shape, _)| shape)
}

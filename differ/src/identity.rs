//! What is compared of a row: its columns that mean something, hashed with BLAKE3. Rows with one hash are the same
//! thing, on whichever host and in whichever bundle.

use crate::finding::Prevalence;
use crate::roster::Asked;
use herdiff_model::knowledge::Knowledge;
use herdiff_model::name::ColumnName;
use herdiff_model::outcome::QueryOutcome;
use herdiff_model::row::{Columns, Row};
use herdiff_model::rowtable::RowId;
use std::collections::{BTreeSet, HashMap};

/// The BLAKE3 hash of what is compared of a row.
pub(crate) type IdentityHash = [u8; 32];

/// Identities of one query, numbered in the order of their hashes: whichever host answered first, the same rows have the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IdentityId(pub(crate) u32);

/// How much of the truth a host told about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// All: what is not there is absent.
    Whole,
    /// Some: what is there is present, and of the rest nothing is known.
    Partly,
    /// Nothing that can be compared.
    Nothing,
}

/// One host's identities of one query, ascending, each with one of its rows: of several the first by content, as rows are
/// numbered in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct HostIdentities {
    pub(crate) told: Told,
    /// Whether some of its rows lack a column that is compared, so that they are not.
    pub(crate) has_other_columns: bool,
    pub(crate) rows: Vec<(IdentityId, RowId)>,
}

impl HostIdentities {
    pub(crate) fn row_of(&self, id: IdentityId) -> Option<RowId> {
        let at = self.rows.binary_search_by_key(&id, |&(id, _)| id).ok()?;
        self.rows.get(at).map(|&(_, row)| row)
    }
}

/// Which columns of a query are compared, and which of them say what a row is about.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    columns: Vec<ColumnName>,
    key: Vec<ColumnName>,
    lost: Vec<ColumnName>,
}

impl Compared {
    /// The columns that nearly all of the answering hosts have, on every side, without the volatile ones. A column that one side's
    /// engine, or that of a good part of the hosts, does not know is unknown there and so is not compared; that a few hosts
    /// leave one out takes nothing away from the comparison of the others.
    pub(crate) fn of(sides: &[&Asked<'_>], knowledge: &Knowledge) -> Self {
        let usual: Vec<_> = sides.iter().filter_map(|side| usual_columns(side)).collect();
        let everywhere = |column: &ColumnName| usual.iter().all(|columns| columns.contains(column));
        let meant = |column: &&ColumnName| !knowledge.volatile.contains(column) && everywhere(column);
        let columns: Vec<_> = usual.first().into_iter().flatten().filter(meant).cloned().collect();
        let wanted = &knowledge.key;
        let key: Vec<_> = wanted.iter().filter(|column| columns.contains(column)).cloned().collect();
        // Without the better part of its key, a row cannot be told from others of its kind.
        let key = if key.len() * 2 > wanted.len() { key } else { Vec::new() };
        let union: BTreeSet<&ColumnName> = usual.iter().flatten().collect();
        let lost =
            union.into_iter().filter(|column| !everywhere(column) && !knowledge.volatile.contains(column));
        Self { lost: lost.cloned().collect(), columns, key }
    }

    /// Columns that one side has and the other has not: nothing is said about them.
    pub(crate) fn lost(&self) -> &[ColumnName] {
        &self.lost
    }

    /// True where a row is not wholly named by its key, so that it can have changed.
    pub(crate) fn can_change(&self) -> bool {
        !self.key.is_empty() && self.key.len() < self.columns.len()
    }

    pub(crate) fn key(&self) -> &[ColumnName] {
        &self.key
    }

    pub(crate) fn columns(&self) -> &[ColumnName] {
        &self.columns
    }

    /// `None` where the shape lacks a compared column, or the sides have no column in common. Where all columns are
    /// volatile there is nothing to compare and nothing left open.
    fn hashes(&self, shape: &Columns) -> Option<Hashes> {
        if self.columns.is_empty() && !self.lost.is_empty() {
            return None;
        }
        Some(Hashes { identity: RowHash::of(&self.columns, shape)?, key: RowHash::of(&self.key, shape)? })
    }
}

struct Hashes {
    identity: RowHash,
    key: RowHash,
}

/// Hashes some columns of rows of one shape.
struct RowHash {
    prefix: blake3::Hasher,
    positions: Vec<usize>,
}

impl RowHash {
    /// `None` where the shape lacks one of the columns.
    fn of(columns: &[ColumnName], shape: &Columns) -> Option<Self> {
        let mut prefix = blake3::Hasher::new_derive_key("herdiff 2026 row identity");
        for column in columns {
            update(&mut prefix, column.as_str().as_bytes());
        }
        let positions =
            columns.iter().map(|column| shape.position(column.as_str())).collect::<Option<_>>()?;
        Some(Self { prefix, positions })
    }

    /// Every cell goes in with its length, so that no two rows run together.
    fn hash(&self, row: Row<'_>, cells: &mut Vec<u8>) -> IdentityHash {
        cells.clear();
        let mut positions = self.positions.iter().copied().peekable();
        // Positions ascend, as columns and shapes are both in alphabetical order; keys may not.
        if self.positions.is_sorted() {
            for (position, cell) in row.cells().enumerate() {
                if positions.next_if_eq(&position).is_some() {
                    cells.extend((cell.len() as u64).to_le_bytes());
                    cells.extend_from_slice(cell);
                }
            }
        } else {
            for position in positions {
                let cell = row.cells().nth(position).unwrap_or_default();
                cells.extend((cell.len() as u64).to_le_bytes());
                cells.extend_from_slice(cell);
            }
        }
        let mut hasher = self.prefix.clone();
        hasher.update(cells);
        hasher.finalize().into()
    }
}

fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

/// Where more than this part of the hosts lacks a column, it is another engine that does not know it, and all are compared without it.
const FEW: usize = 5;

/// The columns that nearly all hosts with rows have.
fn usual_columns(asked: &Asked<'_>) -> Option<BTreeSet<ColumnName>> {
    let hosts_of_shape = asked.hosts_of_shapes();
    let hosts: usize = hosts_of_shape.iter().sum();
    let mut hosts_with: HashMap<&ColumnName, usize> = HashMap::new();
    for (shape, count) in asked.table.shapes().iter().zip(hosts_of_shape) {
        shape.iter().for_each(|column| *hosts_with.entry(column).or_default() += count);
    }
    // One host's word is none, and that of a few is not that of the herd.
    let few = (hosts / FEW).max(1);
    let usual = hosts_with.into_iter().filter(|&(_, count)| count * 2 > hosts && hosts - count <= few);
    (hosts > 0).then(|| usual.map(|(column, _)| column.clone()).collect())
}

/// The identities of one query over one or two sides.
pub(crate) struct Identities {
    hashes: Vec<IdentityHash>,
    keys: Vec<IdentityHash>,
}

impl Identities {
    /// Hashes each distinct row of all sides once; for each side, the hosts' rows become identities.
    pub(crate) fn of(sides: &[&Asked<'_>], compared: &Compared) -> (Self, Vec<Vec<HostIdentities>>) {
        let rows: Vec<Vec<Option<RowHashes>>> =
            sides.iter().map(|asked| hashes_of_rows(asked, compared)).collect();
        let mut all: Vec<RowHashes> = rows.iter().flatten().flatten().copied().collect();
        all.sort_unstable_by_key(|row| row.identity);
        all.dedup_by_key(|row| row.identity);
        let identities = Self {
            hashes: all.iter().map(|row| row.identity).collect(),
            keys: all.iter().map(|row| row.key).collect(),
        };
        let hosts = sides.iter().zip(rows).map(|(asked, rows)| {
            let of_row: Vec<Option<IdentityId>> =
                rows.iter().map(|row| identities.find(&row.as_ref()?.identity)).collect();
            let outcomes = asked.outcomes.iter();
            outcomes.map(|outcome| host_identities(asked, *outcome, &of_row)).collect()
        });
        let hosts = hosts.collect();
        (identities, hosts)
    }

    /// The identity with that hash, if one side has it.
    pub(crate) fn find(&self, hash: &IdentityHash) -> Option<IdentityId> {
        Some(IdentityId(self.hashes.binary_search(hash).ok()? as u32))
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(crate) fn hash(&self, id: IdentityId) -> IdentityHash {
        self.hashes.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// What the identity is about; equal for two values of one thing.
    pub(crate) fn key(&self, id: IdentityId) -> IdentityHash {
        self.keys.get(id.0 as usize).copied().unwrap_or_default()
    }
}

/// What a row is, and what it is about.
#[derive(Clone, Copy)]
struct RowHashes {
    identity: IdentityHash,
    key: IdentityHash,
}

/// In the order of the table's rows; `None` for those that lack a compared column.
fn hashes_of_rows(asked: &Asked<'_>, compared: &Compared) -> Vec<Option<RowHashes>> {
    let hashes: Vec<_> = asked.table.shapes().iter().map(|shape| compared.hashes(shape)).collect();
    let mut cells = Vec::new();
    let rows = asked.table.rows().map(|(id, row)| {
        let hashes = hashes.get(asked.table.shape(id)?.0 as usize)?.as_ref()?;
        let identity = hashes.identity.hash(row, &mut cells);
        Some(RowHashes { identity, key: hashes.key.hash(row, &mut cells) })
    });
    rows.collect()
}

fn host_identities(
    asked: &Asked<'_>,
    outcome: Option<&QueryOutcome>,
    of_row: &[Option<IdentityId>],
) -> HostIdentities {
    let Some(set) = outcome.and_then(QueryOutcome::rows) else {
        return HostIdentities { told: Told::Nothing, has_other_columns: false, rows: Vec::new() };
    };
    let mut told = if set.tells_absence() { Told::Whole } else { Told::Partly };
    let mut has_other_columns = false;
    let mut rows = Vec::with_capacity(set.ids.len());
    for id in set.distinct() {
        match of_row.get(id.0 as usize).copied().flatten() {
            Some(identity) => rows.push((identity, id)),
            // It lacks a column that the others have: what it would say there is not known.
            None => (told, has_other_columns) = (Told::Partly, true),
        }
    }
    if rows.is_empty() && !set.ids.is_empty() {
        told = Told::Nothing;
    }
    rows.sort_unstable_by(|(one, row), (other, other_row)| {
        one.cmp(other).then_with(|| asked.by_content(*row, *other_row))
    });
    rows.dedup_by_key(|&mut (identity, _)| identity);
    HostIdentities { told, has_other_columns, rows }
}

/// On how many hosts each identity is, and who could tell at all.
pub(crate) struct Counts {
    present: Vec<u32>,
    /// Of the hosts that have it: those that told the whole truth.
    present_whole: Vec<u32>,
    whole: u32,
    hosts: u32,
}

impl Counts {
    pub(crate) fn of(hosts: &[HostIdentities], identities: usize) -> Self {
        let mut counts = Self {
            present: vec![0; identities],
            present_whole: vec![0; identities],
            whole: hosts.iter().filter(|host| host.told == Told::Whole).count() as u32,
            hosts: hosts.len() as u32,
        };
        for host in hosts {
            for &(id, _) in &host.rows {
                let at = id.0 as usize;
                counts.present.get_mut(at).into_iter().for_each(|count| *count += 1);
                if host.told == Told::Whole {
                    counts.present_whole.get_mut(at).into_iter().for_each(|count| *count += 1);
                }
            }
        }
        counts
    }

    pub(crate) fn len(&self) -> usize {
        self.present.len()
    }

    pub(crate) fn prevalence(&self, id: IdentityId) -> Prevalence {
        let at = id.0 as usize;
        let present = self.present.get(at).copied().unwrap_or_default();
        let absent = self.whole - self.present_whole.get(at).copied().unwrap_or_default();
        Prevalence { present, absent, unknown: self.hosts - present - absent }
    }
}

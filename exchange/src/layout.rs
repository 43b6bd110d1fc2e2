//! The tables that a bundle becomes: their names, and the names and types of their columns.
//!
//! Names come from packs and hosts. Here they become such that every format can hold them: each once whatever the case
//! of its letters, none that SQLite keeps to itself, no control characters, and not more columns than a table can have.

use crate::stored::Stored;
use crate::value::{Kind, Numbers};
use herdiff_model::bundle::BundleError;
use herdiff_model::name::ColumnName;
use herdiff_model::rowtable::RowTable;
use herdiff_model::snapshot::QueryId;
use std::collections::{BTreeMap, BTreeSet};

/// Columns of one table. Hosts choose names, and a thousand hosts can choose a thousand different ones.
const MOST_COLUMNS: usize = 500;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Unique in its table, whatever the case.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// What stands in it.
    pub(crate) cell: Cell,
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The row that the host sent.
    Row(ColumnName),
    /// A fact about the visit or the outcome.
    Fact(Fact),
}

/// What is known of a visit, or of one query there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Host,
    Herd,
    Visit,
    Outcome,
    Phase,
    Detail,
    Address,
    Started,
    Duration,
    HostKey,
    Engine,
    Arch,
    Uid,
    Placed,
    Removed,
    BytesSent,
    BytesReceived,
    HostCpu,
    Query,
    QueryOutcome,
    QueryRows,
    QueryDetail,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The rows of a query.
    Rows(QueryId),
    /// One row a visit.
    Hosts,
    /// One row for each visit and query.
    Outcomes,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Unique among the tables, whatever the case.
    pub name: String,
    /// What its rows are.
    pub subject: Subject,
    /// Its columns, facts first.
    pub columns: Vec<Column>,
    /// Columns that hosts sent and that found no place.
    pub left_out: usize,
}

const HOSTS: &[(&str, Kind, Fact)] = &[
    ("host", Kind::Text, Fact::Host),
    ("herd", Kind::Text, Fact::Herd),
    ("visit", Kind::Integer, Fact::Visit),
    ("outcome", Kind::Text, Fact::Outcome),
    ("phase", Kind::Text, Fact::Phase),
    ("detail", Kind::Text, Fact::Detail),
    ("address", Kind::Text, Fact::Address),
    ("started", Kind::Integer, Fact::Started),
    ("duration_ms", Kind::Integer, Fact::Duration),
    ("host_key", Kind::Text, Fact::HostKey),
    ("engine", Kind::Text, Fact::Engine),
    ("arch", Kind::Text, Fact::Arch),
    ("uid", Kind::Integer, Fact::Uid),
    ("placed", Kind::Text, Fact::Placed),
    ("removed", Kind::Integer, Fact::Removed),
    ("bytes_sent", Kind::Integer, Fact::BytesSent),
    ("bytes_received", Kind::Integer, Fact::BytesReceived),
    ("host_cpu_us", Kind::Integer, Fact::HostCpu),
];

const OUTCOMES: &[(&str, Kind, Fact)] = &[
    ("host", Kind::Text, Fact::Host),
    ("herd", Kind::Text, Fact::Herd),
    ("visit", Kind::Integer, Fact::Visit),
    ("query", Kind::Text, Fact::Query),
    ("outcome", Kind::Text, Fact::QueryOutcome),
    ("rows", Kind::Integer, Fact::QueryRows),
    ("detail", Kind::Text, Fact::QueryDetail),
];

/// Before the columns of every query; `visit` tells the visits of one host apart, and joins with `hosts`.
const OF_EVERY_ROW: &[(&str, Kind, Fact)] = &[
    ("host", Kind::Text, Fact::Host),
    ("herd", Kind::Text, Fact::Herd),
    ("visit", Kind::Integer, Fact::Visit),
];

fn facts(list: &[(&str, Kind, Fact)]) -> Vec<Column> {
    list.iter()
        .map(|&(name, kind, fact)| Column { name: name.to_owned(), kind, cell: Cell::Fact(fact) })
        .collect()
}

/// The tables of a bundle: `hosts`, `outcomes`, and one for each query in the order of the pack. Their columns are found
/// out when they are asked for, as rows have to be read for it.
#[derive(Debug)]
pub(crate) struct Layout {
    numbers: Numbers,
    names: Vec<(String, Subject)>,
}

impl Layout {
    /// # Errors
    /// When the list of numbers that is built in cannot be read.
    pub(crate) fn of(stored: &Stored) -> Result<Self, serde_json::Error> {
        let mut taken = Names::default();
        let facts = [("hosts", Subject::Hosts), ("outcomes", Subject::Outcomes)];
        let queries = (0..).map(QueryId).zip(stored.pack().queries());
        let queries = queries.map(|(id, query)| (query.name.as_str(), Subject::Rows(id)));
        let names = facts.into_iter().chain(queries).map(|(name, subject)| (taken.unique(name), subject));
        Ok(Self { numbers: Numbers::builtin()?, names: names.collect() })
    }

    /// The names of the tables, with what their rows are.
    pub(crate) fn names(&self) -> &[(String, Subject)] {
        &self.names
    }

    /// A table, with its columns.
    ///
    /// # Errors
    /// When its rows cannot be read.
    pub(crate) fn relation(
        &self,
        stored: &Stored,
        name: &str,
        subject: Subject,
    ) -> Result<Relation, BundleError> {
        let name = name.to_owned();
        let id = match subject {
            Subject::Hosts => return Ok(Relation { name, subject, columns: facts(HOSTS), left_out: 0 }),
            Subject::Outcomes => {
                return Ok(Relation { name, subject, columns: facts(OUTCOMES), left_out: 0 });
            }
            Subject::Rows(id) => id,
        };
        let mut columns = facts(OF_EVERY_ROW);
        let Some(query) = stored.pack().queries().get(id.0 as usize) else {
            return Ok(Relation { name, subject, columns, left_out: 0 });
        };
        let seen = sent(&stored.answers(id)?.table);
        let left_out = seen.len().saturating_sub(MOST_COLUMNS);
        let mut kept: Vec<(ColumnName, usize)> = seen.into_iter().collect();
        if left_out > 0 {
            // Those that most lists of columns have; of equal ones the first by name.
            kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            kept.truncate(MOST_COLUMNS);
            kept.sort();
        }
        let mut taken = Names::default();
        columns.iter().for_each(|column| drop(taken.unique(&column.name)));
        columns.extend(kept.into_iter().map(|(column, _)| Column {
            name: taken.unique(column.as_str()),
            kind: self.numbers.kind(query, column.as_str()),
            cell: Cell::Row(column),
        }));
        Ok(Relation { name, subject, columns, left_out })
    }
}

/// The columns that hosts sent, with the number of lists of columns that have each.
fn sent(table: &RowTable) -> BTreeMap<ColumnName, usize> {
    let mut columns = BTreeMap::new();
    for name in table.shapes().iter().flat_map(|shape| shape.iter()) {
        *columns.entry(name.clone()).or_default() += 1;
    }
    columns
}

/// Makes names that are different from all names before them.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn unique(&mut self, name: &str) -> String {
        let mut plain: String = name
            .chars()
            .map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() })
            .collect();
        if plain.is_empty() || plain.to_ascii_lowercase().starts_with("sqlite_") {
            plain.insert_str(0, "query_");
        }
        let numbered = (1..).map(|n| format!("{plain}_{n}"));
        let free =
            std::iter::once(plain.clone()).chain(numbered).find(|name| self.0.insert(name.to_lowercase()));
        free.unwrap_or(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_unique_and_harmless() {
        let mut names = Names::default();
        let mut unique = |name: &str| names.unique(name);
        assert_eq!(unique("hosts"), "hosts");
        assert_eq!(unique("Hosts"), "Hosts_1");
        assert_eq!(unique("hosts_1"), "hosts_1_1");
        assert_eq!(unique("sqlite_master"), "query_sqlite_master");
        assert_eq!(unique(""), "query_");
        assert_eq!(unique("a\0b\n"), "a\\u{0}b\\u{a}");
        assert_eq!(unique("pack/über \"x\"; DROP"), "pack/über \"x\"; DROP");
    }
}

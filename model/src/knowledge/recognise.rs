//! Which tables rows are about: by the columns that they have, as packs give queries names of their own, join tables and leave columns out.

use super::catalogue::{Catalogue, Table};
use crate::pack::Query;
use crate::row::Columns;

/// Less of a table's columns is chance: a column called `name` is in half of all tables.
const LIKENESS: f64 = 2.0;
/// What a column that a table has and the rows lack counts, of what it counts where they have it.
const LACKING: f64 = 0.1;
/// A name that ends with the table's says so.
const NAMED: f64 = 10.0;

/// The table that rows with these columns are about, and then those that are joined with it. Where the statement named some, one of
/// these.
pub(super) fn recognise<'t>(
    catalogue: &'t Catalogue,
    query: &Query,
    shape: &Columns,
    named: Vec<&'t Table>,
) -> Vec<&'t Table> {
    let tables = catalogue.tables.values().count() as f64;
    // A column says the more, the fewer tables have it.
    let says = |column: &str| {
        let with = catalogue.tables.values().filter(|table| table.has(column)).count();
        if with == 0 { 0.0 } else { (1.0 + tables / with as f64).log2() }
    };
    let likeness = |table: &Table| {
        let shared: f64 = shape
            .iter()
            .filter(|column| table.has(column.as_str()))
            .map(|column| says(column.as_str()))
            .sum();
        let lacking = table.columns.iter().filter(|column| shape.position(column.as_str()).is_none());
        shared - LACKING * lacking.map(|column| says(column.as_str())).sum::<f64>()
    };
    // Without the better part of its key, rows are hardly about that table.
    let fits = |table: &Table| {
        let there = table.key.iter().filter(|column| shape.position(column.as_str()).is_some()).count();
        table.key.is_empty() || there * 2 > table.key.len()
    };
    if !named.is_empty() {
        let mut named = named;
        // The sort is stable: of equals, the one that was named first.
        named.sort_by(|a, b| {
            (fits(b), likeness(b)).partial_cmp(&(fits(a), likeness(a))).unwrap_or(std::cmp::Ordering::Equal)
        });
        return named;
    }
    let of_name = |name: &str| if query.name.as_str().ends_with(name) { NAMED } else { 0.0 };
    let likely = catalogue.tables.iter().filter(|(_, table)| !table.key.is_empty() && fits(table));
    let likely = likely.map(|(name, table)| (likeness(table) + of_name(name.as_str()), table));
    let best = likely.filter(|(likeness, _)| *likeness >= LIKENESS).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let Some((_, best)) = best else { return Vec::new() };
    let beside = |table: &&Table| {
        let others = shape.iter().filter(|column| !best.has(column.as_str()));
        table.joined
            && others
                .filter(|column| table.has(column.as_str()))
                .map(|column| says(column.as_str()))
                .sum::<f64>()
                >= LIKENESS
    };
    std::iter::once(best).chain(catalogue.tables.values().filter(beside)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Tables;
    use crate::pack::Pack;
    use crate::row::Columns;

    fn noun(query: &str, columns: &[&str]) -> String {
        let pack = Pack::of_names([query.into()]);
        let columns = Columns::new(columns.iter().map(|&column| column.into()));
        Tables::builtin().unwrap().of_rows(&pack.queries()[0], &[columns]).noun
    }

    #[test]
    fn columns_speak_for_themselves() {
        for (expected, columns) in [
            (
                "process",
                &[
                    "cmdline",
                    "cwd",
                    "name",
                    "on_disk",
                    "parent",
                    "path",
                    "pid",
                    "sha256",
                    "start_time",
                    "username",
                ][..],
            ),
            ("listener", &["address", "cmdline", "name", "path", "pid", "port", "protocol"]),
            (
                "connection",
                &[
                    "local_address",
                    "local_port",
                    "name",
                    "path",
                    "pid",
                    "protocol",
                    "remote_address",
                    "remote_port",
                    "state",
                ],
            ),
            ("file content", &["mtime", "path", "sha256", "size"]),
            ("user", &["description", "directory", "gid", "shell", "uid", "username"]),
            ("hosts entry", &["address", "hostnames"]),
            ("certificate", &["ca", "common_name", "issuer", "path", "self_signed", "sha1"]),
            ("open file", &["name", "path"]),
            ("row", &["colour", "taste"]),
        ] {
            assert_eq!(noun("mystery", columns), expected, "{columns:?}");
        }
    }
}

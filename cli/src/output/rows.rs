//! Rows of hosts, in every format.

use super::{Format, csv, json};
use crate::screen::Screen;
use crate::screen::escape::escape;
use crate::screen::table::Table;
use bstr::ByteSlice;
use herdiff_model::name::{HostName, QueryName};
use herdiff_model::row::Row;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;
use std::io;

/// A row, and where it is from.
pub(crate) struct Placed<'a> {
    pub(crate) host: &'a HostName,
    pub(crate) query: &'a QueryName,
    pub(crate) row: Row<'a>,
}

pub(crate) fn render(rows: &[Placed<'_>], format: Format, screen: Screen) -> io::Result<Vec<u8>> {
    match format {
        Format::Table => Ok(table(rows, screen).into_bytes()),
        Format::Json => json::document(rows),
        Format::Ndjson => {
            let mut lines = Vec::new();
            rows.iter().try_for_each(|row| json::push_line(row, &mut lines))?;
            Ok(lines)
        }
        Format::Csv => {
            let columns = columns(rows);
            let header = ["host", "query"].into_iter().chain(columns.iter().copied());
            let cells = |placed: &Placed<'_>| {
                let own = [placed.host.as_str(), placed.query.as_str()].map(|name| name.as_bytes().to_vec());
                let cells = columns
                    .iter()
                    .map(|column| placed.row.get(column).map_or(Vec::new(), |cell| cell.to_vec()));
                own.into_iter().chain(cells).collect()
            };
            csv::document(header, rows.iter().map(cells).collect::<Vec<_>>())
        }
    }
}

fn columns<'a>(rows: &[Placed<'a>]) -> Vec<&'a str> {
    let all: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.row.columns().iter().map(|name| name.as_str())).collect();
    all.into_iter().collect()
}

/// One object: its host, its query, and its cells by their columns.
impl Serialize for Placed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(3))?;
        object.serialize_entry("host", self.host.as_str())?;
        object.serialize_entry("query", self.query.as_str())?;
        object.serialize_entry("row", &Cells(self.row))?;
        object.end()
    }
}

struct Cells<'a>(Row<'a>);

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(column, cell)| (column.as_str(), cell.to_str_lossy())))
    }
}

/// One table a query, as their columns differ.
fn table(rows: &[Placed<'_>], screen: Screen) -> String {
    let mut out = String::new();
    for of_query in rows.chunk_by(|a, b| a.query == b.query) {
        let columns = columns(of_query);
        let mut table = Table::new(["HOST"].into_iter().map(str::to_owned).chain(columns.iter().map(escape)));
        for placed in of_query {
            let cells = columns.iter().map(|column| placed.row.get(column).map_or(String::new(), escape));
            table.row(std::iter::once(escape(placed.host.as_str())).chain(cells));
        }
        if let Some(first) = of_query.first() {
            out += &format!("{}: {}\n", escape(first.query.as_str()), super::count(of_query.len(), "row"));
        }
        out += &table.render(screen);
        out += "\n\n";
    }
    out
}

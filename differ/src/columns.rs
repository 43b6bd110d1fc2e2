//! The compared cells of all identities of a query, each distinct value once, with its template.

use crate::identity::{Compared, HostIdentities, IdentityId};
use crate::roster::Asked;
use crate::template;
use bstr::BStr;
use herdiff_model::row::Row;
use std::collections::{BTreeMap, HashMap};

/// One column: its values in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Column<'a> {
    pub(crate) values: Vec<&'a BStr>,
    /// For each value, the number of its template.
    pub(crate) template_of: Vec<u32>,
    /// How many templates there are.
    pub(crate) templates_len: usize,
    /// The templates that the herd taught, as text.
    pub(crate) learned: BTreeMap<u32, Vec<u8>>,
    /// Whether none is not some: a log of no bytes is no log of many.
    is_amount: bool,
    index: HashMap<&'a BStr, u32>,
    templates: HashMap<Vec<u8>, u32>,
}

impl<'a> Column<'a> {
    fn number(&mut self, cell: &'a BStr, scratch: &mut Vec<u8>) -> u32 {
        if let Some(&known) = self.index.get(cell) {
            return known;
        }
        let number = self.values.len() as u32;
        self.index.insert(cell, number);
        self.values.push(cell);
        scratch.clear();
        match self.is_amount && cell == "0" {
            true => scratch.push(b'0'),
            false => template::push(scratch, cell),
        }
        let template = match self.templates.get(scratch) {
            Some(&template) => template,
            None => {
                let template = self.templates_len as u32;
                self.templates.insert(scratch.clone(), template);
                self.templates_len += 1;
                template
            }
        };
        self.template_of.push(template);
        number
    }

    pub(crate) fn template(&self, value: u32) -> u32 {
        self.template_of.get(value as usize).copied().unwrap_or_default()
    }
}

/// The compared columns of a query.
pub(crate) struct Columns<'a> {
    pub(crate) columns: Vec<Column<'a>>,
    /// For each identity, the numbers of its values, one for each column.
    cells: Vec<u32>,
    /// For each identity, the first of its rows.
    pub(crate) rows: Vec<Option<Row<'a>>>,
}

impl<'a> Columns<'a> {
    /// Reads the rows of all hosts, of one or two sides.
    pub(crate) fn read(
        sides: &[(&Asked<'a>, &[HostIdentities])],
        identities: usize,
        compared: &Compared,
    ) -> Self {
        let mut rows: Vec<Option<Row<'a>>> = vec![None; identities];
        for (asked, hosts) in sides {
            for &(identity, row) in hosts.iter().flat_map(|host| &host.rows) {
                if let Some(place @ None) = rows.get_mut(identity.0 as usize) {
                    *place = asked.row(row);
                }
            }
        }
        let width = compared.columns().len();
        let mut columns: Vec<Column<'a>> = Vec::new();
        columns.resize_with(width, Column::default);
        for (name, column) in compared.columns().iter().zip(&mut columns) {
            column.is_amount = name.as_str() == "size";
        }
        let mut cells = Vec::with_capacity(identities * width);
        let mut scratch = Vec::new();
        for row in &rows {
            let mut of_row = row.iter().flat_map(|row| row.iter()).peekable();
            for (name, column) in compared.columns().iter().zip(&mut columns) {
                // Both are in alphabetical order.
                while of_row.next_if(|(other, _)| *other < name).is_some() {}
                let cell =
                    of_row.next_if(|(other, _)| *other == name).map_or(BStr::new(""), |(_, cell)| cell);
                cells.push(column.number(cell, &mut scratch));
            }
        }
        for column in &mut columns {
            column.index = HashMap::new();
            column.templates = HashMap::new();
        }
        Self { columns, cells, rows }
    }

    /// The numbers of an identity's values.
    pub(crate) fn cells(&self, id: IdentityId) -> &[u32] {
        let width = self.columns.len();
        let start = id.0 as usize * width;
        self.cells.get(start..start + width).unwrap_or_default()
    }

    /// The numbers of the values that a host has in one column.
    pub(crate) fn of_host(&self, has: &HostIdentities, at: usize) -> impl Iterator<Item = u32> {
        has.rows.iter().filter_map(move |&(id, _)| self.cells(id).get(at).copied())
    }

    pub(crate) fn row(&self, id: IdentityId) -> Option<Row<'a>> {
        self.rows.get(id.0 as usize).copied().flatten()
    }
}

/// Numbers for lists of numbers.
#[derive(Default)]
pub(crate) struct Numbers {
    index: HashMap<Vec<u32>, u32>,
}

impl Numbers {
    pub(crate) fn number(&mut self, list: &[u32]) -> u32 {
        if let Some(&known) = self.index.get(list) {
            return known;
        }
        let number = self.index.len() as u32;
        self.index.insert(list.to_vec(), number);
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}

//! The declaration of a table.

use super::{Failure, Rows, Scan};

/// The declared type of a column, in osquery's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Text,
    Integer,
    BigInt,
    Unsigned,
}

impl ColumnType {
    /// As it stands in `CREATE TABLE`.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            ColumnType::Text => "TEXT",
            ColumnType::Integer => "INTEGER",
            ColumnType::BigInt => "BIGINT",
            ColumnType::Unsigned => "UNSIGNED BIGINT",
        }
    }
}

/// A column and what the query planner must know of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: ColumnType,
    /// One of the required columns must be in the WHERE.
    pub(crate) required: bool,
    /// The table can use `=` (and for paths LIKE) on it to do less.
    pub(crate) pushed: bool,
    /// Not part of `*`.
    pub(crate) hidden: bool,
    /// In osquery's specification but not filled here.
    pub(crate) absent: bool,
    /// The collation of comparisons, where it is not SQLite's.
    pub(crate) collation: Option<&'static str>,
}

impl Column {
    const fn new(name: &'static str, kind: ColumnType) -> Self {
        Column { name, kind, required: false, pushed: false, hidden: false, absent: false, collation: None }
    }

    /// One of the required columns must be in the WHERE.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self.pushed = true;
        self
    }

    /// The table uses `=` on it to do less.
    pub(crate) const fn pushed(mut self) -> Self {
        self.pushed = true;
        self
    }

    /// Not part of `*`.
    pub(crate) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Always NULL here.
    pub(crate) const fn absent(mut self) -> Self {
        self.absent = true;
        self
    }

    /// Compared by this collation.
    pub(crate) const fn collate(mut self, name: &'static str) -> Self {
        self.collation = Some(name);
        self
    }
}

/// A TEXT column.
pub(crate) const fn text(name: &'static str) -> Column {
    Column::new(name, ColumnType::Text)
}

/// An INTEGER column: 32 bits.
pub(crate) const fn integer(name: &'static str) -> Column {
    Column::new(name, ColumnType::Integer)
}

/// A BIGINT column.
pub(crate) const fn bigint(name: &'static str) -> Column {
    Column::new(name, ColumnType::BigInt)
}

/// An UNSIGNED BIGINT column.
pub(crate) const fn unsigned(name: &'static str) -> Column {
    Column::new(name, ColumnType::Unsigned)
}

/// A table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    /// The files or calls that it reads.
    pub(crate) sources: &'static str,
    /// Where it is not as osquery's, and why; empty when it is the same.
    pub(crate) differences: &'static str,
    pub(crate) columns: &'static [Column],
    /// Answers for the calling user only unless a uid is given, as osquery's tables of users do.
    pub(crate) per_user: bool,
    pub(crate) rows: fn(&Scan) -> Result<Rows, Failure>,
}

impl Table {
    /// The place of a column.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// What SQLite is told.
    pub(crate) fn create_statement(&self) -> String {
        let mut sql = String::from("CREATE TABLE x(");
        for (place, column) in self.columns.iter().enumerate() {
            if place > 0 {
                sql.push(',');
            }
            sql.push('"');
            sql.push_str(column.name);
            sql.push_str("\" ");
            sql.push_str(column.kind.sql());
            if let Some(collation) = column.collation {
                sql.push_str(" COLLATE ");
                sql.push_str(collation);
            }
            if column.hidden {
                sql.push_str(" HIDDEN");
            }
        }
        sql.push(')');
        sql
    }
}

//! What SQLite's planner and a table agree on: which comparisons are handed down, and at what price.
//!
//! The agreement travels from planning to running as a short text: the used columns in hexadecimal, then one
//! `column operator` pair for each argument, as in `3f;0=,1~`.

use rusqlite::vtab::{IndexConstraintOp, IndexInfo};

use crate::tables::{ColumnType, Operator, Table};

/// Reading everything. Only the proportions matter.
const COST_ALL: f64 = 1e6;
const ROWS_ALL: i64 = 10_000;
/// A pattern on a path.
const COST_PATTERN: f64 = 1e4;
const ROWS_PATTERN: i64 = 1_000;
/// One pid, one path, one user.
const COST_ONE: f64 = 10.0;
const ROWS_ONE: i64 = 2;
/// A required column is not there; the query will be refused when it runs.
const COST_REFUSED: f64 = 1e12;

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) used: u64,
    pub(crate) arguments: Vec<(usize, Operator)>,
}

impl Plan {
    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{:x};", self.used);
        for (place, (column, operator)) in self.arguments.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(&column.to_string());
            text.push(match operator {
                Operator::Equal => '=',
                Operator::Like => '~',
                Operator::Glob => '*',
            });
        }
        text
    }

    /// Reads what [`Plan::encode`] wrote.
    pub(crate) fn decode(text: &str) -> Option<Plan> {
        let (used, arguments) = text.split_once(';')?;
        let used = u64::from_str_radix(used, 16).ok()?;
        let arguments = arguments
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let operator = match part.chars().last()? {
                    '=' => Operator::Equal,
                    '~' => Operator::Like,
                    '*' => Operator::Glob,
                    _ => return None,
                };
                Some((part.get(..part.len() - 1)?.parse().ok()?, operator))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Plan { used, arguments })
    }
}

/// Answers the planner. `false` means: not in this order of tables.
pub(crate) fn best_index(table: &Table, info: &mut IndexInfo) -> bool {
    // A comparison by another collation may accept what we would leave out.
    let binary: Vec<bool> = (0..info.constraints().count())
        .map(|place| info.collation(place).is_ok_and(|name| name.eq_ignore_ascii_case("BINARY")))
        .collect();
    let mut arguments = Vec::new();
    let mut waiting = false;
    for (place, (constraint, mut usage)) in info.constraints_and_usages().enumerate() {
        let Ok(position) = usize::try_from(constraint.column()) else { continue };
        let Some(column) = table.columns.get(position) else { continue };
        if !column.pushed {
            continue;
        }
        let operator = match constraint.operator() {
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Operator::Equal,
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LIKE => Operator::Like,
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GLOB => Operator::Glob,
            _ => continue,
        };
        let comparable = operator != Operator::Equal
            || column.kind != ColumnType::Text
            || binary.get(place) == Some(&true);
        if !comparable {
            continue;
        }
        if !constraint.is_usable() {
            // The value comes from a table that is not read yet: wait for it, rather than read everything.
            waiting |= column.required || (table.per_user && column.name == "uid");
            continue;
        }
        arguments.push((position, operator));
        usage.set_argv_index(i32::try_from(arguments.len()).unwrap_or(i32::MAX));
    }
    let is_required = |position: usize| table.columns.get(position).is_some_and(|column| column.required);
    let needs = table.columns.iter().any(|column| column.required);
    let has =
        arguments.iter().any(|(position, operator)| is_required(*position) && *operator != Operator::Glob);
    if waiting && !(needs && has) {
        return false;
    }
    let equal = arguments.iter().any(|(_, operator)| *operator == Operator::Equal);
    let (cost, rows) = if needs && !has {
        (COST_REFUSED, ROWS_ALL)
    } else if equal {
        (COST_ONE, ROWS_ONE)
    } else if arguments.is_empty() {
        (COST_ALL, ROWS_ALL)
    } else {
        (COST_PATTERN, ROWS_PATTERN)
    };
    info.set_estimated_cost(cost);
    info.set_estimated_rows(rows);
    let plan = Plan { used: info.col_used(), arguments };
    info.set_idx_str(&plan.encode());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_journey() {
        for plan in [
            Plan { used: u64::MAX, arguments: vec![] },
            Plan {
                used: 5,
                arguments: vec![(0, Operator::Equal), (12, Operator::Like), (3, Operator::Glob)],
            },
        ] {
            assert_eq!(Plan::decode(&plan.encode()), Some(plan));
        }
        assert_eq!(Plan::decode("x"), None);
        assert_eq!(Plan::decode("1;0?"), None);
    }
}

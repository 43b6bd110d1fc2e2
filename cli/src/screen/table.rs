//! Columns that are aligned, and no wider than the screen.

use super::wrap::{shorten, width};
use super::{Screen, Style};

/// Rows of cells under a header.
pub(crate) struct Table {
    header: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

/// No column is made narrower than this to fit a screen.
const NARROWEST: usize = 8;

impl Table {
    /// Names must be escaped. A column whose name starts with `>` is aligned to the right.
    pub(crate) fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut table = Self { header: Vec::new(), right: Vec::new(), rows: Vec::new() };
        for name in header.into_iter().map(Into::into) {
            table.right.push(name.starts_with('>'));
            table.header.push(name.trim_start_matches('>').to_owned());
        }
        table
    }

    /// Cells must be escaped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As lines, without a line end after the last.
    pub(crate) fn render(&self, screen: Screen) -> String {
        let widths = self.widths(screen);
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(&widths).zip(&self.right).map(|((cell, &columns), &right)| {
                let cell = shorten(cell, columns);
                let space = " ".repeat(columns.saturating_sub(width(&cell)));
                if right { space + &cell } else { cell + &space }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let header = screen.paint(Style::Faint, &line(&mut self.header.iter().map(String::as_str)));
        let rows = self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
        std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n")
    }

    /// As wide as the widest cell; where that is too much, the widest columns give way.
    fn widths(&self, screen: Screen) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|name| width(name)).collect();
        for row in &self.rows {
            for (columns, cell) in widths.iter_mut().zip(row) {
                *columns = width(cell).max(*columns);
            }
        }
        let Some(limit) = screen.width else { return widths };
        let between = 2 * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + between > limit {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROWEST) else { break };
            *widest -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["HOST", ">SCORE", "WHAT"]);
        table.row(["web-07".into(), "17.2".into(), "cron job /var/tmp/.x/upd every minute".into()]);
        table.row(["db-1".into(), "4".into(), "x".into()]);
        table
    }

    #[test]
    fn columns_line_up() {
        let screen = Screen { color: false, width: None };
        assert_eq!(
            table().render(screen),
            "HOST    SCORE  WHAT\nweb-07   17.2  cron job /var/tmp/.x/upd every minute\ndb-1        4  x"
        );
    }

    #[test]
    fn the_widest_column_gives_way() {
        let screen = Screen { color: false, width: Some(32) };
        assert!(table().render(screen).contains("web-07   17.2  cron job /var/tm…"));
        assert!(table().render(screen).lines().all(|line| width(line) <= 32));
    }
}

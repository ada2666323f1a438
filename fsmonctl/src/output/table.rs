//! Tables without borders: a header and one row per thing, cut to the terminal's width where there is one.

use std::io::{self, IsTerminal};

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

/// The least that is left of a column that is cut; on a terminal too narrow even for that, the lines wrap.
const NARROWEST: u16 = 10;

/// A table of cells that are escaped already.
pub struct Sheet {
    table: Table,
    /// Columns that may be cut; all others keep their width.
    cut: &'static [usize],
}

impl Sheet {
    /// An empty table with this header. The columns in `cut` give way where the terminal is too narrow.
    pub fn new(header: &[&str], cut: &'static [usize]) -> Self {
        let width = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten().map(|(w, _)| w.0);
        Self::of_width(header, cut, width)
    }

    fn of_width(header: &[&str], cut: &'static [usize], width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width).set_truncation_indicator("…");
        }
        let mut header = Row::from(header);
        header.max_height(1);
        table.set_header(header);
        Self { table, cut }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<String>) {
        let mut row = Row::from(cells);
        row.max_height(1);
        self.table.add_row(row);
    }

    /// The lines, the header first.
    pub fn lines(mut self) -> Vec<String> {
        for (index, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, 2)).set_constraint(if self.cut.contains(&index) {
                ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST))
            } else {
                ColumnConstraint::ContentWidth
            });
        }
        self.table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(width: Option<u16>) -> Vec<String> {
        let mut sheet = Sheet::of_width(&["NAME", "PATH"], &[1], width);
        sheet.row(vec!["data".into(), "/a/very/long/path/with spaces/that/does/not/fit".into()]);
        sheet.row(vec!["other".into(), "/b".into()]);
        sheet.lines()
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        let lines = sheet(None);
        assert_eq!(lines[0], "NAME   PATH");
        assert_eq!(lines[1], "data   /a/very/long/path/with spaces/that/does/not/fit");
        assert_eq!(lines[2], "other  /b");
    }

    #[test]
    fn on_a_terminal_each_row_is_one_line_that_fits() {
        let lines = sheet(Some(30));
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() <= 30), "{lines:#?}");
        assert!(lines[1].starts_with("data   /a/very/"), "{lines:#?}");
        assert!(lines[1].ends_with('…'), "{lines:#?}");
        assert_eq!(sheet(Some(5))[..], ["NAME   PATH", "data   /a/very…", "other  /b"]);
    }
}

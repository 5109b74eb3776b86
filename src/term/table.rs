//! Tables in kubectl's plain style: upper-case headings, three spaces, no lines.
//!
//! [`Table`] holds every row and measures them all. [`StreamTable`] measures the
//! first page and prints from then on, so that it can show any number of rows;
//! a later cell that is wider than its column pushes the rest of its row aside.

use comfy_table::{CellAlignment, ContentArrangement};
use unicode_width::UnicodeWidthStr;

use super::output::{Output, OutputError};

/// The spaces between two columns.
const GAP: usize = 3;

/// The widest that one cell of the first page can make its column.
///
/// A name may have 253 characters; one such name should not push the columns of
/// every other row off the screen.
const WIDTH_MAX: usize = 64;

/// A table that is measured as a whole.
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    /// An empty table with these headings.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        let headings = headings.into_iter().map(|heading| heading.into().to_uppercase()).collect();
        Self { headings, rows: Vec::new(), right: Vec::new() }
    }

    /// Aligns these columns, counted from 0, to the right.
    #[must_use]
    pub fn right(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.right = columns.into_iter().collect();
        self
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell.into())).collect());
    }

    /// Prints the headings and the rows.
    pub fn print(self, out: &mut Output) -> Result<(), OutputError> {
        let mut table = comfy_table::Table::new();
        table
            .load_preset(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.headings)
            .add_rows(self.rows);
        for (index, column) in table.column_iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "three")]
            column.set_padding((0, GAP as u16));
            if self.right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// A table that fixes its widths on the first page and then prints as rows come.
pub struct StreamTable {
    headings: Vec<String>,
    at_least: Vec<(usize, usize)>,
    widths: Option<Vec<usize>>,
}

impl StreamTable {
    /// A table with these headings, of which nothing is printed yet.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        let headings = headings.into_iter().map(|it| clean(&it.into()).to_uppercase()).collect();
        Self { headings, at_least: Vec::new(), widths: None }
    }

    /// Makes a column, counted from 0, at least this wide: wider cells are to come.
    #[must_use]
    pub fn at_least(mut self, column: usize, width: usize) -> Self {
        self.at_least.push((column, width));
        self
    }

    /// Prints one page of rows; the first page also decides the widths.
    pub fn page(&mut self, rows: Vec<Vec<String>>, out: &mut Output) -> Result<(), OutputError> {
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        if self.widths.is_none() {
            let widths = self.measure(&rows);
            print_row(&self.headings, &widths, out)?;
            self.widths = Some(widths);
        }
        let widths = self.widths.as_deref().unwrap_or_default();
        rows.iter().try_for_each(|row| print_row(row, widths, out))
    }

    fn measure(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let mut table = comfy_table::Table::new();
        table.set_header(&self.headings);
        table.add_rows(rows);
        let widths = table.column_max_content_widths().into_iter().map(usize::from);
        let mut widths: Vec<usize> = widths.map(|width| width.min(WIDTH_MAX)).collect();
        for (column, least) in &self.at_least {
            if let Some(width) = widths.get_mut(*column) {
                *width = (*width).max(*least);
            }
        }
        widths
    }
}

fn print_row(cells: &[String], widths: &[usize], out: &mut Output) -> Result<(), OutputError> {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        line.push_str(cell);
        let width = widths.get(index).copied().unwrap_or_default();
        let missing = width.saturating_sub(cell.width()) + GAP;
        line.extend(std::iter::repeat_n(' ', missing));
    }
    out.line(line.trim_end())
}

/// `cell` on one line and without a character that could steer a terminal.
///
/// The text comes from a server and may hold anything; a row stays a row.
pub fn clean(cell: &str) -> String {
    if !cell.chars().any(char::is_control) {
        return cell.to_owned();
    }
    let (first, more) = match cell.split_once(['\n', '\r']) {
        Some((first, _)) => (first, "..."),
        None => (cell, ""),
    };
    let mut shown = String::with_capacity(first.len() + more.len());
    for character in first.chars() {
        match character {
            '\t' => shown.push(' '),
            // C0 controls and DEL in caret notation, as in `^[`.
            '\0'..='\u{1f}' | '\u{7f}' => {
                shown.push('^');
                shown.push(char::from((character as u8) ^ 0x40));
            }
            other if other.is_control() => shown.push('\u{fffd}'),
            other => shown.push(other),
        }
    }
    shown + more
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{self, Write};
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(buffer)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(print: impl FnOnce(&mut Output) -> Result<(), OutputError>) -> String {
        let shared = Shared::default();
        let mut out = Output::to(shared.clone());
        print(&mut out).unwrap();
        out.finish().unwrap();
        String::from_utf8(shared.0.take()).unwrap()
    }

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_has_kubectls_looks() {
        let text = printed(|out| {
            let mut table = Table::new(["resource", "objects"]).right([1]);
            table.row(["apiexports.apis.kcp.io", "3"]);
            table.row(["shards.core.kcp.io", "12345"]);
            table.print(out)
        });
        assert_eq!(
            text,
            "\
RESOURCE                 OBJECTS
apiexports.apis.kcp.io         3
shards.core.kcp.io         12345
"
        );
    }

    #[test]
    fn the_first_page_fixes_the_widths() {
        let text = printed(|out| {
            let mut table = StreamTable::new(["Shard", "Name", "Age"]);
            table.page(vec![row(&["root", "a", "5m"]), row(&["beta", "bb", "6m"])], out)?;
            table.page(vec![row(&["root", "much-longer", "7m"]), row(&["root", "c", "8m"])], out)
        });
        assert_eq!(
            text,
            "\
SHARD   NAME   AGE
root    a      5m
beta    bb     6m
root    much-longer   7m
root    c      8m
"
        );
    }

    #[test]
    fn one_long_cell_does_not_widen_the_column_for_all() {
        let long = "x".repeat(100);
        let text = printed(|out| {
            StreamTable::new(["Name", "Age"])
                .page(vec![row(&[&long, "1m"]), row(&["a", "2m"])], out)
        });
        let gap = " ".repeat(WIDTH_MAX + GAP - 1);
        assert!(text.contains(&format!("\n{long}   1m\na{gap}2m\n")), "{text}");
    }

    #[test]
    fn a_table_without_rows_shows_its_headings() {
        let text = printed(|out| StreamTable::new(["Shard", "Name"]).page(Vec::new(), out));
        assert_eq!(text, "SHARD   NAME\n");
    }

    #[test]
    fn wide_characters_take_two_places() {
        let text = printed(|out| {
            StreamTable::new(["A", "B"]).page(vec![row(&["日本", "x"]), row(&["a", "y"])], out)
        });
        assert_eq!(text, "A      B\n日本   x\na      y\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        assert_eq!(clean("plain"), "plain");
        assert_eq!(clean("\u{1b}[31mred\u{7f}"), "^[[31mred^?");
        assert_eq!(clean("two\nlines"), "two...");
        assert_eq!(clean("a\tb\u{9b}"), "a b\u{fffd}");
    }
}

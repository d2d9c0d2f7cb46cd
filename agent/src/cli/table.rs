//! Tables: aligned columns with a header for people, tab-separated values for scripts. Whatever goes into a cell is escaped
//! here, so that nothing read from a log can move the cursor or break a line.

use std::io::{self, Write};

use ipnet::IpNet;

use super::{
    net, number,
    paint::{Paint, Tone},
};
use crate::line;

/// Most characters of a cell.
const CELL_MAX: usize = 4096;
/// Between two columns.
const GAP: &str = "  ";

/// Rows of cells under a header.
#[derive(Debug)]
pub struct Table {
    columns: &'static [&'static str],
    widths_min: &'static [usize],
    rows: Vec<Vec<Cell>>,
}

/// What stands in a column of a row, for people and for scripts.
#[derive(Clone, Debug)]
pub struct Cell {
    human: String,
    plain: String,
    tone: Tone,
}

impl Table {
    /// An empty table.
    pub fn new(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            widths_min: &[],
            rows: Vec::new(),
        }
    }

    /// An empty table whose columns have at least these widths, so that one row after the other can be written.
    pub fn with_widths(columns: &'static [&'static str], widths_min: &'static [usize]) -> Self {
        Self {
            columns,
            widths_min,
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Header and rows, aligned.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn write_human(&self, out: &mut impl Write, paint: Paint) -> io::Result<()> {
        let widths = self.widths();
        let header: Vec<Cell> = self
            .columns
            .iter()
            .map(|name| Cell::text(name).tone(Tone::Strong))
            .collect();
        write_row(out, paint, &widths, &header)?;
        self.write_rows(out, paint)
    }

    /// The rows, aligned.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn write_rows(&self, out: &mut impl Write, paint: Paint) -> io::Result<()> {
        let widths = self.widths();
        self.rows
            .iter()
            .try_for_each(|row| write_row(out, paint, &widths, row))
    }

    /// The rows, tab-separated.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn write_plain(&self, out: &mut impl Write) -> io::Result<()> {
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(|cell| cell.plain.as_str()).collect();
            writeln!(out, "{}", cells.join("\t"))?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let width = |(column, name): (usize, &&str)| {
            let widest = self.rows.iter().map(|row| row[column].width()).max();
            let least = self.widths_min.get(column).copied();
            widest
                .unwrap_or_default()
                .max(name.len())
                .max(least.unwrap_or_default())
        };
        self.columns.iter().enumerate().map(width).collect()
    }
}

fn write_row(out: &mut impl Write, paint: Paint, widths: &[usize], row: &[Cell]) -> io::Result<()> {
    // Nothing but spaces follows the last cell that holds something.
    let used = row.iter().rposition(|cell| !cell.human.is_empty());
    let mut padding = 0;
    for (cell, width) in row.iter().zip(widths).take(used.map_or(0, |last| last + 1)) {
        write!(
            out,
            "{:padding$}{}",
            "",
            paint.dress(cell.tone, &cell.human)
        )?;
        padding = width - cell.width() + GAP.len();
    }
    writeln!(out)
}

impl Cell {
    /// The same text for both, escaped.
    pub fn text(text: &str) -> Self {
        let text = line::escaped(text.as_bytes(), CELL_MAX);
        Self::both(text.clone(), text)
    }

    /// Each its own; both must be free of what came from a log.
    pub fn both(human: impl Into<String>, plain: impl Into<String>) -> Self {
        Self {
            human: human.into(),
            plain: plain.into(),
            tone: Tone::Normal,
        }
    }

    /// Nothing, where something could be.
    pub fn absent() -> Self {
        Self::both("-", "")
    }

    /// [`Cell::text`], or [`Cell::absent`].
    pub fn maybe(text: Option<&str>) -> Self {
        text.map_or_else(Self::absent, Self::text)
    }

    /// A number; in groups of three for people.
    pub fn number(number: u64) -> Self {
        Self::both(number::grouped(number), number.to_string())
    }

    /// A network: a host without its length for people.
    pub fn net(net: &IpNet) -> Self {
        Self::both(net::shown(net), net.to_string())
    }

    /// The same, but shown otherwise to people; free of what came from a log.
    #[must_use]
    pub fn with_human(self, human: String) -> Self {
        Self { human, ..self }
    }

    /// The same in another tone.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    fn width(&self) -> usize {
        self.human.chars().count()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(paint: Paint, expected: &Expect) {
        let mut table = Table::new(&["NET", "DROPPED", "REASON"]);
        table.push(vec![
            Cell::text("203.0.113.7"),
            Cell::number(1204),
            Cell::text("by hand"),
        ]);
        table.push(vec![
            Cell::text("2001:db8::/64").tone(Tone::Bad),
            Cell::absent(),
            Cell::text(""),
        ]);
        table.push(vec![
            Cell::text("ä"),
            Cell::number(0),
            Cell::text("tab\there\n\x1b[2J\u{202e}"),
        ]);
        let mut out = Vec::new();
        table.write_human(&mut out, paint).unwrap();
        out.extend(b"--\n");
        table.write_plain(&mut out).unwrap();
        expected.assert_eq(&String::from_utf8(out).unwrap().replace('\x1b', "ESC"));
    }

    #[test]
    fn columns_are_aligned_and_cells_escaped() {
        check(
            Paint::Plain,
            &expect![[r#"
            NET            DROPPED  REASON
            203.0.113.7    1 204    by hand
            2001:db8::/64  -
            ä              0        tab\x09here\x0a\x1b[2J\xe2\x80\xae
            --
            203.0.113.7	1204	by hand
            2001:db8::/64		
            ä	0	tab\x09here\x0a\x1b[2J\xe2\x80\xae
        "#]],
        );
    }

    #[test]
    fn colour_does_not_move_columns() {
        check(
            Paint::Colour,
            &expect![[r#"
            ESC[1mNETESC[0m            ESC[1mDROPPEDESC[0m  ESC[1mREASONESC[0m
            203.0.113.7    1 204    by hand
            ESC[1;31m2001:db8::/64ESC[0m  -
            ä              0        tab\x09here\x0a\x1b[2J\xe2\x80\xae
            --
            203.0.113.7	1204	by hand
            2001:db8::/64		
            ä	0	tab\x09here\x0a\x1b[2J\xe2\x80\xae
        "#]],
        );
    }
}

//! A list on the screen: rows of escaped text, one of which is selected.

use crate::{cli::paint::Tone, line};

/// Most characters of a cell.
const CELL_MAX: usize = 300;

/// What a column is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Widest that it gets; 0 for as wide as there is room: one at most, the last.
    pub(super) most: u16,
    /// Numbers.
    pub(super) is_right: bool,
    /// On a narrow terminal the column with the highest of these is left out first; 0 never is.
    pub(super) spare: u8,
}

/// A column of text.
pub(super) const fn text(title: &'static str, most: u16, spare: u8) -> Column {
    Column {
        title,
        most,
        is_right: false,
        spare,
    }
}

/// A column of numbers.
pub(super) const fn number(title: &'static str, most: u16, spare: u8) -> Column {
    Column {
        title,
        most,
        is_right: true,
        spare,
    }
}

/// Something in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    /// What it is, so that it stays selected when it moves.
    pub(super) key: String,
    pub(super) cells: Vec<String>,
    pub(super) tone: Tone,
}

impl Row {
    /// One with these cells, which are escaped here and nowhere else.
    pub(super) fn new(key: String, cells: impl IntoIterator<Item = String>) -> Self {
        let escape = |cell: String| line::escaped(cell.as_bytes(), CELL_MAX);
        Self {
            key,
            cells: cells.into_iter().map(escape).collect(),
            tone: Tone::Normal,
        }
    }

    pub(super) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// Whether what the operator looks for is in it, in whatever case.
    fn has(&self, wanted: &str) -> bool {
        let wanted = wanted.to_lowercase();
        self.cells
            .iter()
            .any(|cell| cell.to_lowercase().contains(&wanted))
    }
}

/// The rows of a page, and what is selected.
#[derive(Debug, Default)]
pub(super) struct List {
    all: usize,
    pub(super) rows: Vec<Row>,
    /// Key of the selected row, and where it was.
    selected: Option<(String, usize)>,
    /// First row on the screen.
    pub(super) offset: usize,
}

impl List {
    /// Shows other rows, of which those are left that hold the filter. What was selected stays selected, or the row that took its
    /// place.
    pub(super) fn fill(&mut self, rows: Vec<Row>, filter: &str) {
        self.all = rows.len();
        self.rows = rows;
        if !filter.is_empty() {
            self.rows.retain(|row| row.has(filter));
        }
        let place = self.selected.as_ref().map(|(key, place)| {
            let same = self.rows.iter().position(|row| row.key == *key);
            same.unwrap_or(*place)
        });
        self.select(place.unwrap_or_default());
    }

    /// How many rows there are, and how many before they were filtered.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.rows.len(), self.all)
    }

    pub(super) fn place(&self) -> Option<usize> {
        self.selected.as_ref().map(|(_, place)| *place)
    }

    pub(super) fn selected(&self) -> Option<&Row> {
        self.rows.get(self.place()?)
    }

    /// Goes `by` rows up or down.
    pub(super) fn go(&mut self, by: isize) {
        let place = self.place().unwrap_or_default();
        self.select(place.saturating_add_signed(by));
    }

    fn select(&mut self, place: usize) {
        let place = place.min(self.rows.len().saturating_sub(1));
        self.selected = self.rows.get(place).map(|row| (row.key.clone(), place));
    }
}

/// The columns that there is room for in `width`, with their widths.
pub(super) fn fit(columns: &[Column], rows: &[Row], width: u16) -> Vec<(usize, u16)> {
    const GAP: u16 = 2;
    /// A last column narrower than that says nothing.
    const LAST_MIN: u16 = 12;
    let of = |index: usize, column: &Column| {
        let cells = rows.iter().filter_map(|row| row.cells.get(index));
        let widest = cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default();
        let widest = u16::try_from(widest.max(column.title.len())).unwrap_or(u16::MAX);
        if column.most == 0 {
            LAST_MIN
        } else {
            widest.min(column.most)
        }
    };
    let mut shown: Vec<(usize, u16)> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| (i, of(i, c)))
        .collect();
    loop {
        let wanted: u16 = shown
            .iter()
            .map(|(_, width)| width.saturating_add(GAP))
            .fold(0, u16::saturating_add);
        let spare = shown.iter().map(|(index, _)| columns[*index].spare).max();
        match spare {
            Some(spare) if spare > 0 && wanted > width.saturating_add(GAP) => {
                shown.retain(|(index, _)| columns[*index].spare != spare);
            }
            _ => break,
        }
    }
    let fixed: u16 = shown
        .iter()
        .filter(|(index, _)| columns[*index].most > 0)
        .map(|(_, width)| width + GAP)
        .sum();
    for (index, given) in &mut shown {
        if columns[*index].most == 0 {
            *given = width.saturating_sub(fixed).max(1);
        }
    }
    shown
}

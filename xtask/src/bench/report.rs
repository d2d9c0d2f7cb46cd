//! What was measured: tables, and the targets with whether they were met. As text and as JSON, from the same rows.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// Everything that one run measured.
pub struct Report {
    machine: Value,
    tables: Vec<Table>,
    targets: Vec<Target>,
    skipped: Vec<(String, String)>,
}

/// Measurements of one kind.
pub struct Table {
    name: &'static str,
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column: its name in JSON, and its heading.
pub type Column = (&'static str, &'static str);

/// A value in a table.
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, and how many digits behind the point are worth reading.
    Number(f64, usize),
    /// Not measured.
    None,
}

/// What a measurement should reach.
pub struct Target {
    what: String,
    measured: f64,
    unit: &'static str,
    limit: Limit,
}

/// The side of a target that is good.
#[derive(Clone, Copy)]
pub enum Limit {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Report {
    /// Nothing measured yet.
    pub fn new(machine: Value) -> Self {
        Self {
            machine,
            tables: Vec::new(),
            targets: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Adds a target, and what was measured.
    pub fn target(
        &mut self,
        what: impl Into<String>,
        measured: f64,
        unit: &'static str,
        limit: Limit,
    ) {
        self.targets.push(Target {
            what: what.into(),
            measured,
            unit,
            limit,
        });
    }

    /// Names what could not be measured, and why.
    pub fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        eprintln!("skipping {what}: {why}");
        self.skipped.push((what, why));
    }

    /// Prints one JSON object, or tables for a terminal.
    pub fn print(&self, as_json: bool) {
        match as_json {
            true => println!("{}", self.json()),
            false => print!("{}", self.text()),
        }
    }

    /// One JSON object.
    fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("schema".to_owned(), json!(1));
        object.insert("machine".to_owned(), self.machine.clone());
        for table in &self.tables {
            object.insert(table.name.to_owned(), table.json());
        }
        let targets = self.targets.iter().map(Target::json).collect();
        object.insert("targets".to_owned(), Value::Array(targets));
        let skipped = self.skipped.iter();
        let skipped = skipped.map(|(what, why)| json!({ "what": what, "why": why }));
        object.insert("skipped".to_owned(), skipped.collect());
        Value::Object(object)
    }

    /// Tables for a terminal.
    fn text(&self) -> String {
        let mut text = String::new();
        if let Value::Object(machine) = &self.machine {
            for (name, value) in machine {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                push_line(&mut text, &format!("{name}: {value}"));
            }
        }
        for table in &self.tables {
            push_line(&mut text, &format!("\n{}\n", table.title));
            text.push_str(&table.text());
        }
        if !self.targets.is_empty() {
            push_line(&mut text, "\nTargets\n");
            text.push_str(&targets(&self.targets).text());
        }
        for (what, why) in &self.skipped {
            push_line(&mut text, &format!("skipped: {what}: {why}"));
        }
        text
    }
}

impl Table {
    /// An empty one.
    pub fn new(name: &'static str, title: impl Into<String>, columns: &[Column]) -> Self {
        Self {
            name,
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    fn json(&self) -> Value {
        let row = |cells: &Vec<Cell>| {
            let fields = self.columns.iter().zip(cells);
            let fields = fields.map(|((name, _), cell)| ((*name).to_owned(), cell.json()));
            Value::Object(fields.collect())
        };
        self.rows.iter().map(row).collect()
    }

    fn text(&self) -> String {
        let mut lines: Vec<Vec<String>> = vec![
            self.columns
                .iter()
                .map(|(_, title)| (*title).to_owned())
                .collect(),
        ];
        lines.extend(
            self.rows
                .iter()
                .map(|row| row.iter().map(Cell::text).collect()),
        );
        let width = |column: usize| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let mut padded = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                // Writing to a string does not fail.
                let _written = if self.is_numeric(column) {
                    write!(padded, "{cell:>width$}  ")
                } else {
                    write!(padded, "{cell:<width$}  ")
                };
            }
            push_line(&mut text, padded.trim_end());
        }
        text
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row[column]);
        cells.any(|cell| matches!(cell, Cell::Number(..)))
    }
}

impl Cell {
    /// Words.
    pub fn text_of(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    /// A whole number.
    pub fn count(number: u64) -> Self {
        Self::Number(number as f64, 0)
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(words) => json!(words),
            Self::Number(number, 0) => json!(number.round() as i64),
            Self::Number(number, _) => json!(number),
            Self::None => Value::Null,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Text(words) => words.clone(),
            Self::Number(number, digits) => format!("{number:.digits$}"),
            Self::None => "-".to_owned(),
        }
    }
}

impl Target {
    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.measured <= limit,
            Limit::AtLeast(limit) => self.measured >= limit,
        }
    }

    fn json(&self) -> Value {
        let (side, limit) = match self.limit {
            Limit::AtMost(limit) => ("at_most", limit),
            Limit::AtLeast(limit) => ("at_least", limit),
        };
        json!({
            "what": self.what, "measured": self.measured, "unit": self.unit, side: limit, "met": self.is_met(),
        })
    }
}

fn targets(targets: &[Target]) -> Table {
    let columns = [
        ("what", "TARGET"),
        ("limit", "LIMIT"),
        ("measured", "MEASURED"),
        ("unit", "UNIT"),
        ("met", "MET"),
    ];
    let mut table = Table::new("targets", "", &columns);
    for target in targets {
        let limit = match target.limit {
            Limit::AtMost(limit) => format!("at most {limit:.3}"),
            Limit::AtLeast(limit) => format!("at least {limit:.3}"),
        };
        table.row(vec![
            Cell::text_of(&*target.what),
            Cell::Text(limit),
            Cell::Number(target.measured, 3),
            Cell::text_of(target.unit),
            Cell::text_of(if target.is_met() { "met" } else { "MISSED" }),
        ]);
    }
    table
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new(json!({ "kernel": "6.1" }));
        let columns = [("program", "PROGRAM"), ("best_ns", "BEST NS")];
        let mut table = Table::new("packets", "Packets", &columns);
        table.row(vec![Cell::text_of("empty"), Cell::Number(21.0, 0)]);
        table.row(vec![Cell::text_of("mailwall"), Cell::None]);
        report.table(table);
        report.target("faster than light", 1.5, "c", Limit::AtLeast(1.0));
        report.target("free", 1.0, "EUR", Limit::AtMost(0.5));
        report
    }

    #[test]
    fn a_target_is_met_or_missed() {
        let targets = report().json()["targets"].clone();
        assert_eq!(targets[0]["met"], true);
        assert_eq!(targets[0]["at_least"], 1.0);
        assert_eq!(targets[1]["met"], false);
    }

    #[test]
    fn rows_are_objects_and_columns_are_aligned() {
        let report = report();
        assert_eq!(
            report.json()["packets"],
            json!([{ "program": "empty", "best_ns": 21 }, { "program": "mailwall", "best_ns": null }])
        );
        let text = report.text();
        assert!(
            text.contains("PROGRAM   BEST NS\nempty          21\nmailwall        -\n"),
            "{text}"
        );
        assert!(text.contains("MISSED"), "{text}");
    }
}

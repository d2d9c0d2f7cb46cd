//! Tables of counts, with the bound that the counts must keep and what missed it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A table.
pub struct Table {
    title: &'static str,
    columns: &'static [&'static str],
    rows: BTreeMap<String, Vec<u64>>,
    /// What must be, and whether it is.
    bounds: Vec<(String, bool)>,
    misses: Vec<String>,
}

impl Table {
    /// One without rows.
    pub fn new(title: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            title,
            columns,
            rows: BTreeMap::new(),
            bounds: Vec::new(),
            misses: Vec::new(),
        }
    }

    /// Adds one to a count.
    pub fn count(&mut self, row: &str, column: &str) {
        let place = self.place(column);
        let none = || vec![0; self.columns.len()];
        self.rows.entry(row.to_owned()).or_insert_with(none)[place] += 1;
    }

    /// Remembers something that is not as it should be.
    pub fn miss(&mut self, what: String) {
        self.misses.push(what);
    }

    /// The sum of a column.
    pub fn sum(&self, column: &str) -> u64 {
        let place = self.place(column);
        self.rows.values().map(|counts| counts[place]).sum()
    }

    fn place(&self, column: &str) -> usize {
        let place = self.columns.iter().position(|name| *name == column);
        place.expect("the table has the column")
    }

    /// At least `percent` of what column `of` counts must be in column `part`.
    pub fn at_least(&mut self, percent: u64, part: &str, of: &str) {
        let (some, all) = (self.sum(part), self.sum(of));
        let holds = some * 100 >= all * percent;
        let share = if all == 0 {
            100.0
        } else {
            some as f64 * 100.0 / all as f64
        };
        let text = format!("{part}: {some} of {all}, {share:.1} %; wanted {percent} %");
        self.bounds.push((text, holds));
    }

    /// A column must count nothing.
    pub fn none(&mut self, column: &str) {
        let count = self.sum(column);
        self.bounds
            .push((format!("{column}: {count}; wanted 0"), count == 0));
    }

    /// Its title.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Whether every bound is kept.
    pub fn is_met(&self) -> bool {
        self.bounds.iter().all(|(_, holds)| *holds)
    }

    /// For people.
    pub fn print(&self) {
        println!("\n== {}", self.title);
        let name_width = self.rows.keys().map(String::len).max();
        let name_width = name_width.unwrap_or(0).max("all".len());
        let line = |name: &str, cells: &[String]| {
            let mut line = format!("{name:<name_width$}");
            for (cell, column) in cells.iter().zip(self.columns) {
                line += &format!("  {cell:>width$}", width = column.len().max(5));
            }
            println!("{line}");
        };
        let heads: Vec<String> = self.columns.iter().map(|name| (*name).to_owned()).collect();
        line("", &heads);
        for (name, counts) in &self.rows {
            line(name, &counts.iter().map(u64::to_string).collect::<Vec<_>>());
        }
        let sums = self
            .columns
            .iter()
            .map(|column| self.sum(column).to_string());
        line("all", &sums.collect::<Vec<_>>());
        for miss in &self.misses {
            println!("not as it should be: {miss}");
        }
        for (text, holds) in &self.bounds {
            println!("{}: {text}", if *holds { "kept" } else { "MISSED" });
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let row = |(name, counts): (&String, &Vec<u64>)| {
            let mut row = json!({ "name": name });
            for (column, count) in self.columns.iter().zip(counts) {
                row[*column] = json!(count);
            }
            row
        };
        let bound = |(text, holds): &(String, bool)| json!({ "bound": text, "kept": holds });
        json!({
            "title": self.title,
            "met": self.is_met(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "bounds": self.bounds.iter().map(bound).collect::<Vec<_>>(),
            "misses": self.misses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn table() -> Table {
        let mut table = Table::new("lines", &["all", "right", "wrong"]);
        for number in 0..100 {
            table.count("a", "all");
            table.count("a", if number < 97 { "right" } else { "wrong" });
        }
        table
    }

    #[test]
    fn bounds_are_kept_or_missed() {
        let mut kept = table();
        kept.at_least(97, "right", "all");
        assert!(kept.is_met());
        let mut missed = table();
        missed.at_least(98, "right", "all");
        assert!(!missed.is_met());
        let mut missed = table();
        missed.none("wrong");
        assert!(!missed.is_met());
        assert_eq!(missed.to_json()["rows"][0]["right"], 97);
    }
}

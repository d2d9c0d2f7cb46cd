//! Ten million clients of whom no two have the same address or account: every table of the judge stays within its bound, no ban in
//! force is forgotten, and memory stays where it is.

use anyhow::{Result, anyhow};

use super::effort::{measured, memory_mb};
use crate::bench::report::{Cell, Report, Table};

#[path = "../../../../agent/tests/flood/stream.rs"]
mod stream;

/// How many clients come.
const CLIENTS: u64 = 10_000_000;
/// How often it is looked whether all holds.
const EVERY: u64 = 1_000_000;

/// Measures.
///
/// # Errors
/// When a table is larger than its bound, or a ban is forgotten.
pub fn run(report: &mut Report) -> Result<()> {
    let wrong = |wrong: String| anyhow!("after a flood: {wrong}");
    let mut table = Table::new(
        "flood",
        "Ever new addresses and accounts, the rules of all presets at once",
        &[
            ("clients", "CLIENTS"),
            ("bans", "BANS"),
            ("us", "US/CLIENT"),
            ("memory_mb", "MEMORY MB"),
        ],
    );
    let before = memory_mb("self", "VmRSS")?;
    let mut flood = stream::Flood::new().map_err(wrong)?;
    for from in (0..CLIENTS).step_by(EVERY as usize) {
        let (took, ()) = measured(|| (from..from + EVERY).for_each(|client| flood.play(client)));
        flood.check().map_err(wrong)?;
        table.row(vec![
            Cell::count(from + EVERY),
            Cell::count(flood.bans() as u64),
            Cell::Number(took.as_secs_f64() * 1e6 / EVERY as f64, 1),
            Cell::Number(memory_mb("self", "VmRSS")? - before, 0),
        ]);
    }
    report.table(table);
    let mut tables = Table::new(
        "tables",
        "The judge's tables after it",
        &[("table", "TABLE"), ("used", "USED"), ("max", "AT MOST")],
    );
    for one in flood.tables() {
        tables.row(vec![
            Cell::text_of(one.name),
            Cell::count(one.used as u64),
            Cell::count(one.max as u64),
        ]);
    }
    report.table(tables);
    flood.pass_a_year();
    flood.check().map_err(wrong)?;
    Ok(())
}

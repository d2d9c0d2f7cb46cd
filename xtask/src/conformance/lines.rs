//! `lines.jsonl`: lines from the test data of other tools, with what those tools make of them.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    report::Table,
    understanding::{Parser, Understanding},
};

const COLUMNS: &[&str] = &["matches", "understood", "alone", "others", "scoring"];

/// Share of the matches that must be understood.
const WANTED: u64 = 97;

/// Reads the lines as one file, and each alone. Columns: `matches`, of those `understood`, with an event and the right address,
/// in the file, and `alone`; `others`, which that tool does not match, and of those the ones `scoring` either way.
pub fn judge(parser: &Parser, folder: &Path) -> Result<[Table; 2]> {
    let records = records(&folder.join("lines.jsonl"))?;
    let mut mta = Table::new("lines of mail servers", COLUMNS);
    let mut webmail = Table::new("lines of webmail", COLUMNS);
    let each = each_way(parser, &records)?;
    for (record, [together, alone]) in records.iter().zip(&each) {
        let table = if record["tier"] == "mta" {
            &mut mta
        } else {
            &mut webmail
        };
        let program = record["program"].as_str().unwrap_or("-");
        if record["match"] != true {
            table.count(program, "others");
            for said in [together, alone] {
                if said.weighs() {
                    table.miss(format!(
                        "{program}: scores: {}: {}",
                        said.told(),
                        line(record)
                    ));
                }
            }
            if together.weighs() || alone.weighs() {
                table.count(program, "scoring");
            }
            continue;
        }
        table.count(program, "matches");
        let is_right = |said: &Understanding| {
            let address = record["address"]
                .as_str()
                .and_then(|text| text.parse().ok());
            said.event.is_some() && said.address == address
        };
        if is_right(alone) {
            table.count(program, "alone");
        }
        if is_right(together) {
            table.count(program, "understood");
        } else {
            table.miss(format!("{program}: {}: {}", together.told(), line(record)));
        }
    }
    mta.at_least(WANTED, "understood", "matches");
    mta.none("scoring");
    // Programs of webmail are for patterns that users write.
    webmail.none("scoring");
    Ok([mta, webmail])
}

/// The objects of a file, one a line.
pub fn records(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("read {}", path.display())))
        .collect()
}

/// What the line of each record says, in the file of them all, and alone.
pub fn each_way(parser: &Parser, records: &[Value]) -> Result<Vec<[Understanding; 2]>> {
    let lines: Vec<Vec<u8>> = records
        .iter()
        .map(|record| format!("{}\n", line(record)).into_bytes())
        .collect();
    let together = parser.read(&[lines.concat()])?.concat();
    let alone = parser.read(&lines)?.concat();
    Ok(together
        .into_iter()
        .zip(alone)
        .map(|(together, alone)| [together, alone])
        .collect())
}

/// The record's line.
pub fn line(record: &Value) -> &str {
    record["line"].as_str().unwrap_or_default()
}

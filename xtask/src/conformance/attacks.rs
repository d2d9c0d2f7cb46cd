//! `adversarial.jsonl`: lines that try to get an innocent address banned.

use std::{net::IpAddr, path::Path};

use anyhow::Result;
use serde_json::Value;

use super::{
    lines::{each_way, line, records},
    report::Table,
    understanding::Parser,
};

/// Share of the attackers that must be named.
const WANTED: u64 = 80;

/// Columns: `lines`; `victims` that are named, together with any other address that is not acceptable, as one file or alone;
/// lines with a known attacker, and of those the `named` ones, as one file.
pub fn judge(parser: &Parser, folder: &Path) -> Result<Table> {
    let records = records(&folder.join("adversarial.jsonl"))?;
    let mut table = Table::new("attacks", &["lines", "victims", "attackers", "named"]);
    for (record, both) in records.iter().zip(each_way(parser, &records)?) {
        let program = record["mta"].as_str().unwrap_or("-");
        let id = record["id"].as_str().unwrap_or("-");
        table.count(program, "lines");
        let [together, _] = &both;
        if let Some(attacker) = address(&record["expect"]) {
            table.count(program, "attackers");
            if together.address == Some(attacker) {
                table.count(program, "named");
            } else {
                table.miss(format!("{id}: {}: {}", together.told(), line(record)));
            }
        }
        let is_victim = |named: IpAddr| {
            let acceptable = record["acceptable"].as_array();
            let is_acceptable = acceptable
                .is_some_and(|list| list.iter().any(|value| address(value) == Some(named)));
            address(&record["victim"]) == Some(named) || !is_acceptable
        };
        if let Some(said) = both.iter().find(|said| said.address.is_some_and(is_victim)) {
            table.count(program, "victims");
            table.miss(format!(
                "{id}: names a victim: {}: {}",
                said.told(),
                line(record)
            ));
        }
    }
    table.none("victims");
    table.at_least(WANTED, "named", "attackers");
    Ok(table)
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

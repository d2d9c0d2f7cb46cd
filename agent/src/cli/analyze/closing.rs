//! What analyze says at the end: what each rule did, who came near, who was spared, and how another configuration differs.

use std::io::{self, Write as _};

use serde::Serialize;

use super::{
    against::{Differences, WAYS},
    by_rule::ByRule,
    near::Miss,
    rfc3339,
};
use crate::{
    cli::{
        console::{Console, Volume},
        failure::Failure,
        number::{count, grouped},
        table::{Cell, Table},
        time,
    },
    judge::{Mercy, Spared},
};

/// Rows of each table that people are shown; -v for all.
const ROWS: usize = 10;

/// All that there is to say beside the bans.
pub(super) struct Closing {
    pub(super) rules: ByRule,
    pub(super) near: Vec<Miss>,
    pub(super) near_lost: u64,
    pub(super) spared: Vec<SparedRecord>,
    pub(super) against: Option<Differences>,
}

/// Who misbehaved and was spared.
#[derive(Serialize)]
pub(super) struct SparedRecord {
    net: String,
    /// `allowed`, `regular` or `provider`.
    by: &'static str,
    /// The entry of the allowlist, or the provider.
    which: Option<String>,
    offences: u64,
    breaches: u64,
    rule: Option<String>,
    first: Option<String>,
    last: Option<String>,
}

impl SparedRecord {
    pub(super) fn of(spared: &Spared) -> Self {
        Self {
            net: spared.net.to_string(),
            by: spared.mercy.as_str(),
            which: match &spared.mercy {
                Mercy::Allowed(net) => Some(net.to_string()),
                Mercy::Provider(name) => Some(name.to_string()),
                Mercy::Regular => None,
            },
            offences: spared.offences,
            breaches: spared.breaches,
            rule: spared.rule.as_ref().map(ToString::to_string),
            first: rfc3339(spared.first),
            last: rfc3339(spared.last),
        }
    }
}

impl Closing {
    /// Further members of the JSON object.
    pub(super) fn write_json(&self, console: &mut Console) -> Result<(), Failure> {
        let mut member = |name: &str, value: serde_json::Result<String>| -> Result<(), Failure> {
            let value = value.map_err(io::Error::from)?;
            write!(console.out(), ",\"{name}\":{value}")?;
            Ok(())
        };
        member("rules", serde_json::to_string(&self.rules.records()))?;
        member("near", serde_json::to_string(&self.near))?;
        member("spared", serde_json::to_string(&self.spared))?;
        if let Some(against) = &self.against {
            member("against", serde_json::to_string(against))?;
        }
        Ok(())
    }

    /// Tables, each with a title; none that would be empty.
    pub(super) fn say(&self, console: &mut Console) -> Result<(), Failure> {
        self.say_rules(console)?;
        let at = |text: &Option<String>| match text {
            Some(text) => Cell::text(text).with_human(time::local(text)),
            None => Cell::absent(),
        };
        let mut near = Table::new(&["TIME", "NET", "RULE", "LIMIT", "REASON"]);
        for miss in self.near.iter().take(rows(console)) {
            near.push(vec![
                at(&miss.at),
                Cell::net(&miss.net),
                Cell::text(&miss.rule),
                Cell::number(u64::from(miss.limit)),
                Cell::text(&miss.reason),
            ]);
        }
        let all = self.near.len() + usize::try_from(self.near_lost).unwrap_or(usize::MAX);
        section(&count(all, "near miss", "near misses"), &near, all, console)?;
        let mut spared =
            Table::new(&["NET", "BY", "WHICH", "OFFENCES", "BREACHES", "RULE", "LAST"]);
        for host in self.spared.iter().take(rows(console)) {
            spared.push(vec![
                Cell::text(&host.net),
                Cell::text(host.by),
                Cell::maybe(host.which.as_deref()),
                Cell::number(host.offences),
                Cell::number(host.breaches),
                Cell::maybe(host.rule.as_deref()),
                at(&host.last),
            ]);
        }
        let all = self.spared.len();
        let title = format!(
            "{} that misbehaved",
            count(all, "spared host", "spared hosts")
        );
        section(&title, &spared, all, console)?;
        match &self.against {
            Some(against) => say_differences(against, &self.rules, console),
            None => Ok(()),
        }
    }

    fn say_rules(&self, console: &mut Console) -> Result<(), Failure> {
        let mut table = Table::new(&["RULE", "BANS", "WOULD BAN", "OTHER", "FIRST", "LAST"]);
        for rule in self.rules.names() {
            let sum = self.rules.of(rule);
            if sum.first.is_none() {
                continue;
            }
            let at = |at| match rfc3339_of(at) {
                Some(text) => Cell::text(&text).with_human(time::local(&text)),
                None => Cell::absent(),
            };
            table.push(vec![
                Cell::text(rule),
                Cell::number(sum.bans),
                Cell::number(sum.would),
                Cell::number(sum.others),
                at(sum.first),
                at(sum.last),
            ]);
        }
        section("by rule", &table, 0, console)
    }
}

fn rfc3339_of(at: Option<std::time::SystemTime>) -> Option<String> {
    at.and_then(rfc3339)
}

fn say_differences(
    against: &Differences,
    here: &ByRule,
    console: &mut Console,
) -> Result<(), Failure> {
    console.line(&format!("\nagainst {}: {}", against.config, ways(against)))?;
    let mut rules = Table::new(&["RULE", "BANS HERE", "BANS THERE"]);
    let mut names: Vec<&String> = here.names().collect();
    names.extend(against.rules.iter().map(|rule| &rule.rule));
    names.sort();
    names.dedup();
    for name in names {
        let there = against.rules.iter().find(|rule| rule.rule == *name);
        let (here, there) = (here.of(name).bans, there.map_or(0, |rule| rule.bans));
        if here != there {
            rules.push(vec![
                Cell::text(name),
                Cell::number(here),
                Cell::number(there),
            ]);
        }
    }
    section("rules that differ", &rules, 0, console)?;
    let mut nets = Table::new(&["NET", "HOW", "HERE", "THERE"]);
    let side = |at: &Option<String>, rule: &Option<String>| match (at, rule) {
        (Some(at), Some(rule)) => {
            Cell::text(&format!("{at} {rule}")).with_human(format!("{} {rule}", time::local(at)))
        }
        _ => Cell::absent(),
    };
    for it in against.different.iter().take(rows(console)) {
        nets.push(vec![
            Cell::net(&it.net),
            Cell::text(it.how),
            side(&it.here, &it.rule_here),
            side(&it.there, &it.rule_there),
        ]);
    }
    section(
        "networks that differ",
        &nets,
        against.different.len(),
        console,
    )
}

/// How many differ in each way.
fn ways(against: &Differences) -> String {
    let mut said = vec![format!("{} the same", grouped(against.same))];
    for (how, words) in WAYS {
        let number = against.different.iter().filter(|it| it.how == how).count();
        if number > 0 {
            said.push(format!("{} {words}", grouped(number as u64)));
        }
    }
    if against.lost > 0 {
        said.push(format!("{} not compared", grouped(against.lost)));
    }
    said.join(", ")
}

fn rows(console: &Console) -> usize {
    match console.volume {
        Volume::Quiet | Volume::Normal => ROWS,
        Volume::Verbose | Volume::Everything => usize::MAX,
    }
}

fn section(title: &str, table: &Table, all: usize, console: &mut Console) -> Result<(), Failure> {
    if table.is_empty() {
        return Ok(());
    }
    console.line(&format!("\n{title}"))?;
    let paint = console.paint;
    table.write_human(console.out(), paint)?;
    if all > rows(console) {
        console.line(&format!(
            "{} more; -v for all",
            grouped((all - rows(console)) as u64)
        ))?;
    }
    Ok(())
}

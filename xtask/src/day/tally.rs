//! Who was banned and how soon, kind by kind.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    abusive, good,
    replay::{Fate, Replay, SOON},
    scene::{Day, Host},
};
use crate::bench::report::{Cell, Limit, Report, Table};

/// Of a hundred abusive hosts so many should be banned within their first [`SOON`] offences.
pub const SHARE: f64 = 95.0;

/// What came of the days so far.
#[derive(Default)]
pub struct Tally {
    kinds: BTreeMap<&'static str, Count>,
    seeds: Vec<u64>,
    lines: usize,
    events: usize,
    bans: usize,
    wrong: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    hosts: usize,
    /// Banned within their first offences.
    soon: usize,
    late: usize,
    /// Never banned, and ended before it had committed as many offences as that.
    few: usize,
    /// How many offences it took each that was banned.
    after: Vec<usize>,
}

impl Tally {
    pub fn add(&mut self, seed: u64, day: &Day, replay: &Replay) {
        self.seeds.push(seed);
        self.lines += replay.lines;
        self.events += replay.events;
        self.bans += replay.bans.len();
        for (host, fate) in day.hosts.iter().zip(replay.fates(day)) {
            let count = self.kinds.entry(host.kind).or_default();
            count.hosts += 1;
            if let Fate::Banned { after, .. } = &fate {
                count.after.push(*after);
                match *after <= SOON {
                    true => count.soon += 1,
                    false => count.late += 1,
                }
            } else if host.offences.len() < SOON {
                count.few += 1;
            }
            self.note_wrong(seed, host, &fate);
        }
    }

    fn note_wrong(&mut self, seed: u64, host: &Host, fate: &Fate) {
        let Host { kind, net, .. } = host;
        let offences = host.offences.len();
        match fate {
            Fate::Banned { rule, reason, .. } if host.is_good => {
                self.wrong.insert(
                    0,
                    format!("seed {seed}: good {kind} {net} banned by {rule}: {reason}"),
                );
            }
            Fate::Banned { after, rule, .. } if *after > SOON => {
                self.wrong.push(format!(
                    "seed {seed}: {kind} {net} banned by {rule} after {after} offences"
                ));
            }
            Fate::Free if !host.is_good => {
                self.wrong.push(format!(
                    "seed {seed}: {kind} {net} never banned, {offences} offences"
                ));
            }
            _ => {}
        }
    }

    /// Good hosts that were banned.
    pub fn good_banned(&self) -> usize {
        self.good().map(|count| count.soon + count.late).sum()
    }

    /// Percent of the abusive hosts that were banned soon.
    pub fn soon(&self) -> f64 {
        let (mut soon, mut hosts) = (0, 0);
        for kind in abusive::KINDS {
            if let Some(count) = self.kinds.get(kind.name) {
                soon += count.soon;
                hosts += count.hosts;
            }
        }
        soon as f64 * 100.0 / f64::from(u32::try_from(hosts.max(1)).unwrap_or(u32::MAX))
    }

    /// Hosts that met the wrong fate, the good ones first.
    #[cfg(test)]
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    pub fn is_reached(&self) -> bool {
        self.good_banned() == 0 && self.soon() >= SHARE
    }

    fn good(&self) -> impl Iterator<Item = &Count> {
        good::KINDS
            .iter()
            .filter_map(|kind| self.kinds.get(kind.name))
    }

    pub fn print(&self, as_json: bool, wrong: usize) {
        let mut report = Report::new(json!({
            "days": self.seeds.len(), "lines": self.lines, "events": self.events, "bans": self.bans,
        }));
        let mut abusive_kinds = Table::new(
            "abusive",
            format!("Abusive hosts: banned within {SOON} offences, later, never"),
            &[
                ("kind", "KIND"),
                ("hosts", "HOSTS"),
                ("soon", "SOON"),
                ("late", "LATE"),
                ("never", "NEVER"),
                ("never_few", "OF THOSE, FEW OFFENCES"),
                ("soon_percent", "SOON %"),
                ("median", "MEDIAN OFFENCES"),
            ],
        );
        for kind in abusive::KINDS {
            let Some(count) = self.kinds.get(kind.name) else {
                continue;
            };
            let share = count.soon as f64 * 100.0 / count.hosts as f64;
            abusive_kinds.row(vec![
                Cell::text_of(kind.name),
                Cell::count(count.hosts as u64),
                Cell::count(count.soon as u64),
                Cell::count(count.late as u64),
                Cell::count((count.hosts - count.soon - count.late) as u64),
                Cell::count(count.few as u64),
                Cell::Number(share, 1),
                count
                    .median()
                    .map_or(Cell::None, |median| Cell::count(median as u64)),
            ]);
        }
        report.table(abusive_kinds);
        let mut good_kinds = Table::new(
            "good",
            "Good hosts",
            &[("kind", "KIND"), ("hosts", "HOSTS"), ("banned", "BANNED")],
        );
        for kind in good::KINDS {
            let Some(count) = self.kinds.get(kind.name) else {
                continue;
            };
            good_kinds.row(vec![
                Cell::text_of(kind.name),
                Cell::count(count.hosts as u64),
                Cell::count((count.soon + count.late) as u64),
            ]);
        }
        report.table(good_kinds);
        report.target(
            "good hosts banned",
            self.good_banned() as f64,
            "hosts",
            Limit::AtMost(0.0),
        );
        report.target(
            "abusive hosts banned soon",
            self.soon(),
            "%",
            Limit::AtLeast(SHARE),
        );
        report.print(as_json);
        if !as_json {
            for wrong in self.wrong.iter().take(wrong) {
                println!("{wrong}");
            }
        }
    }
}

impl Count {
    fn median(&self) -> Option<usize> {
        let mut after = self.after.clone();
        after.sort_unstable();
        after.get(after.len() / 2).copied()
    }
}

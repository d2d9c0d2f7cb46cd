//! What each rule would have done, and when.

use std::{collections::BTreeMap, time::SystemTime};

use serde::Serialize;

use super::rfc3339;
use crate::{ban::Sort, decision::Decision};

/// By the name of the rule, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct ByRule {
    names: Vec<String>,
    sums: BTreeMap<String, Sum>,
}

/// What a rule did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// Bans.
    pub(super) bans: u64,
    /// Bans that it would have imposed, were it not only observing.
    pub(super) would: u64,
    /// Delays, holds, notices and the like.
    pub(super) others: u64,
    /// When it did something first.
    pub(super) first: Option<SystemTime>,
    /// When last.
    pub(super) last: Option<SystemTime>,
}

/// A rule's sum as JSON has it.
#[derive(Serialize)]
pub(super) struct Record {
    pub(super) rule: String,
    pub(super) bans: u64,
    pub(super) would_bans: u64,
    pub(super) others: u64,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

impl ByRule {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        Self {
            names: names.collect(),
            sums: BTreeMap::new(),
        }
    }

    /// Counts a decision.
    pub(super) fn add(&mut self, decision: &Decision) {
        let (origin, at) = match decision {
            Decision::Ban(ban) | Decision::WouldBan(ban) => (&ban.origin, Some(ban.since)),
            Decision::WouldAct(trial) => (&trial.origin, Some(trial.at)),
            Decision::Tarpit(tarpit) => (&tarpit.origin, Some(tarpit.since)),
            Decision::Hold(hold) => (&hold.origin, Some(hold.since)),
            Decision::Notify(notice) => (&notice.origin, Some(notice.at)),
            Decision::Kick(kick) => (&kick.origin, None),
            Decision::Unban { .. } | Decision::Release { .. } => return,
        };
        let sum = self.sums.entry(origin.to_string()).or_default();
        match decision {
            Decision::Ban(ban) if ban.sort == Sort::Ban => sum.bans += 1,
            Decision::WouldBan(ban) if ban.sort == Sort::Ban => sum.would += 1,
            Decision::WouldAct(_) => sum.would += 1,
            _ => sum.others += 1,
        }
        if let Some(at) = at {
            sum.first.get_or_insert(at);
            sum.last = Some(at);
        }
    }

    /// Bans of rules that banned, by name.
    pub(super) fn bans(&self) -> impl Iterator<Item = (&String, u64)> {
        let bans = self.sums.iter().map(|(rule, sum)| (rule, sum.bans));
        bans.filter(|(_, bans)| *bans > 0)
    }

    /// Of a rule.
    pub(super) fn of(&self, rule: &str) -> Sum {
        self.sums.get(rule).copied().unwrap_or_default()
    }

    /// Every rule, in the order of the configuration, then what else decided anything.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        let others = self.sums.keys().filter(|name| !self.names.contains(name));
        self.names.iter().chain(others)
    }

    /// As JSON has it.
    pub(super) fn records(&self) -> Vec<Record> {
        self.names()
            .map(|rule| {
                let sum = self.of(rule);
                Record {
                    rule: rule.clone(),
                    bans: sum.bans,
                    would_bans: sum.would,
                    others: sum.others,
                    first: sum.first.and_then(rfc3339),
                    last: sum.last.and_then(rfc3339),
                }
            })
            .collect()
    }
}

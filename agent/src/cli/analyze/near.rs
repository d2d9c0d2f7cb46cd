//! Near misses: who came to 80 % of a rule's limit, and was never banned.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;

use super::rfc3339;
use crate::{
    allowlist::Allowlist,
    ban::{Ban, Origin, Sort},
    config::Config,
    decision::Decision,
    event::Event,
    judge::{Judge, JudgeSettings},
};

/// A near miss has come to this percentage of a limit.
const NEAR: u32 = 80;
/// Most near misses that are remembered; more are counted.
const NEAR_MAX: usize = 100_000;
/// Most banned nets that are remembered, to be none of them.
const BANNED_MAX: usize = 1_000_000;

/// A judge of lower limits beside the one that counts.
pub(super) struct Near {
    judge: Judge,
    /// The limits that count, by rule.
    limits: BTreeMap<String, u32>,
    misses: BTreeMap<(IpNet, String), Miss>,
    /// Who was banned after all.
    banned: BTreeSet<IpNet>,
    lost: u64,
}

/// Somebody who came near a limit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Miss {
    pub(super) net: IpNet,
    pub(super) rule: String,
    /// When it came near first.
    pub(super) at: Option<String>,
    /// What was counted then, in words.
    pub(super) reason: String,
    pub(super) limit: u32,
}

impl Near {
    /// Beside a judge by this configuration, with these settings of it and that allowlist.
    pub(super) fn new(config: &Config, settings: &JudgeSettings, allowlist: Allowlist) -> Self {
        let mut limits = BTreeMap::new();
        let mut lower = settings.clone();
        lower.rules.retain_mut(|rule| {
            let limit = u32::try_from((u64::from(rule.limit) * u64::from(NEAR)).div_ceil(100));
            let limit = limit.unwrap_or(rule.limit).max(1);
            // Of small limits nothing is near.
            let is_lower = limit < rule.limit && rule.then.ban.is_some();
            limits.insert(rule.name.to_string(), rule.limit);
            rule.limit = limit;
            is_lower
        });
        let mut judge = Judge::new(lower, allowlist);
        config.clemency.put_in_force(&mut judge);
        Self {
            judge,
            limits,
            misses: BTreeMap::new(),
            banned: BTreeSet::new(),
            lost: 0,
        }
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, event: &Event, line: &[u8]) {
        if self.judge.poll_timeout().is_some_and(|due| due <= event.at) {
            self.judge.handle_timeout(event.at);
        }
        self.judge.handle_event(event, line);
        while let Some(decision) = self.judge.next_decision() {
            if let Decision::Ban(ban) | Decision::WouldBan(ban) = decision
                && ban.sort == Sort::Ban
            {
                self.note(&ban);
            }
        }
    }

    fn note(&mut self, ban: &Ban) {
        let Origin::Rule(rule) = &ban.origin else {
            return;
        };
        let key = (ban.net, rule.to_string());
        if self.misses.contains_key(&key) {
            return;
        }
        if self.misses.len() >= NEAR_MAX {
            self.lost += 1;
            return;
        }
        let miss = Miss {
            net: ban.net,
            rule: rule.to_string(),
            at: rfc3339(ban.since),
            reason: ban.reason.clone(),
            limit: self.limits.get(&key.1).copied().unwrap_or_default(),
        };
        self.misses.insert(key, miss);
    }

    /// The judge that counts banned it.
    pub(super) fn banned(&mut self, net: IpNet) {
        if self.banned.len() < BANNED_MAX {
            self.banned.insert(net);
        }
    }

    /// Who came near and was never banned, the first first, and how many more there may be.
    pub(super) fn misses(self) -> (Vec<Miss>, u64) {
        let banned = self.banned;
        let is_banned = |net: &IpNet| {
            let mut around = Some(*net);
            while let Some(net) = around {
                if banned.contains(&net) {
                    return true;
                }
                around = net.supernet();
            }
            false
        };
        let misses = self.misses.into_values();
        let mut misses: Vec<Miss> = misses.filter(|miss| !is_banned(&miss.net)).collect();
        misses.sort_by(|a, b| (&a.at, a.net, &a.rule).cmp(&(&b.at, b.net, &b.rule)));
        (misses, self.lost)
    }
}

//! `--against`: what another configuration would have done with the same events.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use ipnet::IpNet;
use serde::Serialize;

use super::{
    by_rule::{ByRule, Record},
    rfc3339,
};
use crate::{
    ban::{Ban, Sort},
    decision::Decision,
    event::Event,
    judge::Judge,
};

/// Most nets that are compared; more are counted.
const COMPARED_MAX: usize = 1_000_000;

/// A second judge, and what the two said of each net first.
pub(super) struct Against {
    path: PathBuf,
    judge: Judge,
    pub(super) rules: ByRule,
    nets: BTreeMap<IpNet, [Option<First>; 2]>,
    lost: u64,
}

/// The first ban of a net.
#[derive(Clone, Debug)]
struct First {
    at: SystemTime,
    rule: String,
}

/// What is different, in the order of time.
#[derive(Serialize)]
pub(super) struct Differences {
    pub(super) config: String,
    /// What each rule of the other configuration would have done.
    pub(super) rules: Vec<Record>,
    /// Nets that both ban at the same time.
    pub(super) same: u64,
    /// Nets that only one bans, or one earlier.
    pub(super) different: Vec<Difference>,
    /// Nets that were not compared.
    pub(super) lost: u64,
}

/// A net that the two treat otherwise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) net: IpNet,
    /// `only-here`, `only-there`, `earlier-here` or `earlier-there`; here is the configuration that is not `--against`.
    pub(super) how: &'static str,
    pub(super) here: Option<String>,
    pub(super) rule_here: Option<String>,
    pub(super) there: Option<String>,
    pub(super) rule_there: Option<String>,
}

/// Every way to differ, as it is told.
pub(super) const WAYS: [(&str, &str); 4] = [
    ("only-here", "banned by this configuration only"),
    ("only-there", "banned by the other only"),
    ("earlier-here", "banned earlier by this"),
    ("earlier-there", "banned earlier by the other"),
];

impl Against {
    pub(super) fn new(path: &Path, judge: Judge, names: impl Iterator<Item = String>) -> Self {
        Self {
            path: path.to_owned(),
            judge,
            rules: ByRule::new(names),
            nets: BTreeMap::new(),
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
            self.rules.add(&decision);
            if let Decision::Ban(ban) = &decision {
                self.note(1, ban);
            }
        }
    }

    /// The judge that is compared with banned.
    pub(super) fn note_here(&mut self, ban: &Ban) {
        self.note(0, ban);
    }

    fn note(&mut self, side: usize, ban: &Ban) {
        if ban.sort != Sort::Ban {
            return;
        }
        if self.nets.len() >= COMPARED_MAX && !self.nets.contains_key(&ban.net) {
            self.lost += 1;
            return;
        }
        let first = &mut self.nets.entry(ban.net).or_default()[side];
        first.get_or_insert_with(|| First {
            at: ban.since,
            rule: ban.origin.to_string(),
        });
    }

    pub(super) fn differences(&self) -> Differences {
        let mut same = 0;
        let mut different: Vec<(SystemTime, Difference)> = Vec::new();
        for (net, [here, there]) in &self.nets {
            let (how, at) = match (here, there) {
                (Some(here), None) => ("only-here", here.at),
                (None, Some(there)) => ("only-there", there.at),
                (Some(here), Some(there)) if here.at < there.at => ("earlier-here", here.at),
                (Some(here), Some(there)) if there.at < here.at => ("earlier-there", there.at),
                _ => {
                    same += 1;
                    continue;
                }
            };
            let time = |first: &Option<First>| first.as_ref().and_then(|first| rfc3339(first.at));
            let rule = |first: &Option<First>| first.as_ref().map(|first| first.rule.clone());
            let difference = Difference {
                net: *net,
                how,
                here: time(here),
                rule_here: rule(here),
                there: time(there),
                rule_there: rule(there),
            };
            different.push((at, difference));
        }
        different.sort_by_key(|(at, difference)| (*at, difference.net));
        Differences {
            config: self.path.display().to_string(),
            rules: self.rules.records(),
            same,
            different: different.into_iter().map(|(_, it)| it).collect(),
            lost: self.lost,
        }
    }
}

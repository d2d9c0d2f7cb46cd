//! How a rule goes, for people who ask.

use std::time::SystemTime;

use super::Judge;
use crate::{
    ban::RuleName,
    rule::{Book, Per, RuleSettings},
};

/// A rule and how it goes.
#[derive(Clone, Copy, Debug)]
pub struct RuleState<'a> {
    /// As it was configured.
    pub settings: &'a RuleSettings,
    /// Hosts (networks, sessions) that it tracks.
    pub tracked: usize,
    /// Of those, how many are near its limit.
    pub near: usize,
    /// Times that its limit was reached since the judge began, or the rule changed.
    pub breaches: u64,
    /// What it would have done, in observe mode: bans, of accounts holds, kicks or notices.
    pub would_bans: u64,
    /// Hosts (accounts) of which that would still hold.
    pub would_be_banned: usize,
}

impl Judge {
    /// The rules in the order in which they are tried, as they are at `now`. It takes a look at each tracked host: it is for
    /// people who ask.
    pub fn rules(&self, now: SystemTime) -> impl Iterator<Item = RuleState<'_>> {
        let counters = self.counters.iter().enumerate();
        counters.map(move |(index, counter)| {
            let of_book = |book: &Book| {
                let tracked = book.tracked_by(index, &self.counters, self.era);
                (tracked, book.near_by(index, &self.counters, self.era))
            };
            let (tracked, near) = match counter.settings().per {
                Per::Address | Per::Session => of_book(&self.hosts.book),
                Per::Network => of_book(&self.networks.book),
                Per::Account | Per::AccountSession => (self.accounts.tracked_by(index), 0),
            };
            let name = &counter.settings().name;
            RuleState {
                settings: counter.settings(),
                tracked,
                near,
                breaches: counter.breaches(),
                would_bans: self.quiet.counted(name),
                would_be_banned: self.quiet.in_force(name, now),
            }
        })
    }

    /// How often each rule's limit was reached since the judge began, or the rule changed.
    pub fn breaches(&self) -> impl Iterator<Item = (&RuleName, u64)> {
        let counters = self.counters.iter();
        counters.map(|counter| (&counter.settings().name, counter.breaches()))
    }
}

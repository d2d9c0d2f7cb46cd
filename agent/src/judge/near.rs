//! Near misses: who has come to four fifths of a rule's limit, and not to the limit. Nothing follows; reports tell of them.

use std::{
    hash::BuildHasher as _,
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;

use super::{Judge, name::Subject};
use crate::{
    ban::{RuleName, Sort},
    decision::Whom,
    rule::{Moment, Tracked},
};

/// Most near misses that are remembered; the one longest without an event is forgotten.
pub const NEAR_MAX: usize = 4096;
/// For how long: as reports look back.
const REMEMBERED: Duration = Duration::from_secs(31 * 86_400);

/// Somebody who came near a rule's limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NearMiss {
    /// Who: a host, a network or an account.
    pub whom: Whom,
    /// Of which rule.
    pub rule: RuleName,
    /// The highest sum that it came to, in what the limit is told in.
    pub count: u32,
    /// The limit; of a rule with a baseline what it was then.
    pub limit: u32,
    /// When it came near last.
    pub last: SystemTime,
}

/// Those of late.
#[derive(Debug)]
pub(super) struct NearMisses {
    near: Tracked<Key, NearMiss>,
    /// Who reached a limit, and when last: it is no near miss.
    reached: Tracked<Key, SystemTime>,
    hasher: RandomState,
}

/// Who, and a hash of the rule's name.
type Key = (Subject, u64);

impl NearMisses {
    pub(super) fn new() -> Self {
        Self {
            near: Tracked::new(NEAR_MAX),
            reached: Tracked::new(NEAR_MAX),
            hasher: RandomState::default(),
        }
    }

    /// Somebody came near.
    pub(super) fn note(&mut self, miss: NearMiss) {
        let key = self.key(&miss.whom, &miss.rule);
        let at = Moment::from(miss.last);
        let (known, _) = self.near.touch(key, at, || miss.clone());
        *known = NearMiss {
            count: known.count.max(miss.count),
            last: known.last.max(miss.last),
            ..miss
        };
    }

    /// Somebody came to the limit.
    pub(super) fn reach(&mut self, whom: &Whom, rule: &RuleName, at: SystemTime) {
        let key = self.key(whom, rule);
        let (last, _) = self.reached.touch(key, Moment::from(at), || at);
        *last = at.max(*last);
    }

    fn since(&self, from: SystemTime) -> impl Iterator<Item = &NearMiss> {
        self.near.values().filter(move |miss| {
            let key = self.key(&miss.whom, &miss.rule);
            let has_reached = self.reached.get(&key).is_some_and(|last| *last >= from);
            miss.last >= from && !has_reached
        })
    }

    fn key(&self, whom: &Whom, rule: &RuleName) -> Key {
        (Subject::from(whom), self.hasher.hash_one(rule))
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.near.pop_idle(now, REMEMBERED).is_some() {}
        while self.reached.pop_idle(now, REMEMBERED).is_some() {}
    }

    /// How many came near, and how many reached a limit, of those that are remembered.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.near.len(), self.reached.len())
    }
}

impl Judge {
    /// Who has come near a limit since `from` and reached it not once, nor was banned or held: at most [`NEAR_MAX`], the nearest
    /// first.
    pub fn near_misses(&self, from: SystemTime) -> Vec<&NearMiss> {
        let is_shut_out = |miss: &NearMiss| match &miss.whom {
            Whom::Net(net) => {
                let is_banned = self.bans.around(*net).any(|ban| ban.sort == Sort::Ban);
                is_banned || self.history.was_banned(net, from)
            }
            Whom::Account(name) => self.hold(name).is_some(),
        };
        let misses = self.near.since(from).filter(|miss| !is_shut_out(miss));
        let mut misses: Vec<&NearMiss> = misses.collect();
        misses.sort_by(|a, b| {
            // By the share of the limit.
            let (of_a, of_b) = (
                u64::from(a.count) * u64::from(b.limit),
                u64::from(b.count) * u64::from(a.limit),
            );
            let name = |miss: &NearMiss| match &miss.whom {
                Whom::Net(net) => net.to_string(),
                Whom::Account(name) => name.to_string(),
            };
            of_b.cmp(&of_a)
                .then_with(|| b.last.cmp(&a.last))
                .then_with(|| (name(a), &a.rule).cmp(&(name(b), &b.rule)))
        });
        misses
    }

    /// Notes whose sums came near.
    pub(super) fn note_near(&mut self, near: Vec<(usize, ipnet::IpNet, u32)>, at: SystemTime) {
        for (rule, net, count) in near {
            let settings = self.counters[rule].settings();
            self.near.note(NearMiss {
                whom: Whom::Net(net),
                rule: settings.name.clone(),
                count,
                limit: settings.limit,
                last: at,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{NEAR_MAX, NearMiss, NearMisses};
    use crate::{ban::RuleName, decision::Whom};

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + s)
    }

    fn miss(n: u32, count: u32, s: u64) -> NearMiss {
        NearMiss {
            whom: Whom::Net(std::net::IpAddr::from(std::net::Ipv4Addr::from(n)).into()),
            rule: RuleName::new("dictionary").unwrap(),
            count,
            limit: 10,
            last: at(s),
        }
    }

    #[test]
    fn who_reaches_the_limit_is_no_near_miss_in_that_time() {
        let mut near = NearMisses::new();
        near.note(miss(1, 9, 10));
        near.note(miss(1, 8, 20));
        near.note(miss(2, 9, 10));
        let of_two = miss(2, 0, 0);
        near.reach(&of_two.whom, &of_two.rule, at(30));
        near.note(miss(2, 9, 100));
        let since = |s| {
            near.since(at(s))
                .map(|miss| (miss.count, miss.last))
                .collect::<Vec<_>>()
        };
        assert_eq!(since(0), [(9, at(20))]);
        assert_eq!(since(31), [(9, at(100))]);
        assert_eq!(since(101), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut near = NearMisses::new();
        for n in 0..10_000 {
            near.note(miss(n, 9, 0));
            let one = miss(n, 9, 0);
            near.reach(&one.whom, &one.rule, at(0));
        }
        assert_eq!(near.len(), (NEAR_MAX, NEAR_MAX));
    }
}

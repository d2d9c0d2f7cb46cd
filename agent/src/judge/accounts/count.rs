//! What one rule has counted of one account.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::rule::Moment;

/// Parts of a window that are counted apart: what lies in one leaves the window when the first of it does, up to 1/64 of the
/// window too early, in favour of the account.
const PARTS_MAX: u32 = 64;

/// Events of an account in a rule's window.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    /// Sums, oldest first.
    parts: VecDeque<(Moment, u64)>,
    /// What was told apart, and when it was seen last. Never more than the rule's limit: then it is a breach.
    distinct: BTreeMap<u64, Moment>,
    /// The rule says no more of this account before then.
    quiet_until: Option<Moment>,
}

impl Count {
    /// Adds `amount` at `at`; the sum in the `window` that ends then.
    pub(super) fn add(&mut self, at: Moment, amount: u64, window: Duration) -> u64 {
        self.forget(at, window);
        let width = window / PARTS_MAX;
        match self.parts.back_mut() {
            Some((newest, sum)) if at.since(*newest) < width || at <= *newest => {
                *sum = sum.saturating_add(amount);
            }
            _ => self.parts.push_back((at, amount)),
        }
        self.parts
            .iter()
            .fold(0, |sum: u64, (_, part)| sum.saturating_add(*part))
    }

    /// Notes what is told apart by `key`; how many there are in the `window` that ends at `at`.
    pub(super) fn add_distinct(
        &mut self,
        at: Moment,
        key: u64,
        window: Duration,
        limit: u32,
    ) -> u64 {
        // Only a number that reaches the limit has to be exact.
        if self.distinct.len() + 1 >= limit as usize {
            self.distinct.retain(|_, seen| at.since(*seen) < window);
        }
        if self.distinct.len() < limit as usize || self.distinct.contains_key(&key) {
            let seen = self.distinct.entry(key).or_insert(at);
            *seen = (*seen).max(at);
        }
        self.distinct.len() as u64
    }

    /// Forgets what is out of the window that ends at `now`.
    pub(super) fn forget(&mut self, now: Moment, window: Duration) {
        while let Some((first, _)) = self.parts.front()
            && now.since(*first) >= window
        {
            self.parts.pop_front();
        }
    }

    /// Whether nothing of it counts at `now`.
    pub(super) fn is_over(&self, now: Moment, window: Duration) -> bool {
        let newest = self.parts.back().map(|(at, _)| *at);
        let newest = newest.max(self.distinct.values().max().copied());
        newest.is_none_or(|at| now.since(at) >= window)
            && self.quiet_until.is_none_or(|until| until <= now)
    }

    /// Whether the rule may speak at `now`. When it does, it says no more until `until`.
    pub(super) fn may_tell(&mut self, now: Moment, until: Moment) -> bool {
        if self.quiet_until.is_some_and(|quiet| now < quiet) {
            return false;
        }
        self.quiet_until = Some(until);
        true
    }

    /// Whether nothing is counted.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.distinct.is_empty()
    }

    /// Begins again, as after an operator's word that all was well.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Count, PARTS_MAX};
    use crate::{judge::name::key, rule::Moment};

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(s: u64) -> Moment {
        Moment::from(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + s))
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut count = Count::default();
        assert_eq!(count.add(at(0), 3, HOUR), 3);
        assert_eq!(count.add(at(3599), 1, HOUR), 4);
        assert_eq!(count.add(at(3600), 1, HOUR), 2);
        assert!(!count.is_over(at(3600), HOUR));
        assert!(count.is_over(at(7200), HOUR));
    }

    #[test]
    fn parts_are_bounded_and_err_in_favour() {
        let mut count = Count::default();
        let mut most = 0;
        for s in 0..100_000 {
            most = most.max(count.add(at(s), 1, HOUR));
        }
        assert!(count.parts.len() <= PARTS_MAX as usize + 1);
        assert!((3500..=3600).contains(&most), "{most}");
        // A line that comes late changes nothing before it.
        count.add(at(50), 1, HOUR);
        assert!(count.parts.len() <= PARTS_MAX as usize + 1);
    }

    #[test]
    fn the_same_again_is_one() {
        let mut count = Count::default();
        for s in 0..50 {
            assert_eq!(count.add_distinct(at(s), key(b"Joe"), HOUR, 3), 1);
        }
        assert_eq!(count.add_distinct(at(60), key(b"joe"), HOUR, 3), 1);
        assert_eq!(count.add_distinct(at(61), key(b"ann"), HOUR, 3), 2);
        assert_eq!(count.add_distinct(at(62), key(b"bob"), HOUR, 3), 3);
        assert_eq!(count.add_distinct(at(63), key(b"eve"), HOUR, 3), 3);
        assert_eq!(count.distinct.len(), 3);
        assert_eq!(count.add_distinct(at(9999), key(b"eve"), HOUR, 3), 1);
    }

    #[test]
    fn a_rule_tells_once() {
        let mut count = Count::default();
        assert!(count.may_tell(at(0), at(100)));
        assert!(!count.may_tell(at(99), at(200)));
        assert!(count.may_tell(at(100), at(200)));
    }
}

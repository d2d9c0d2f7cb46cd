//! The accounts that are held back, by name and by their ends: who asks when the next one is over asks often.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use crate::{ban::End, decision::Hold};

/// Most accounts that are held back at once; a rule that wants one more only tells of it.
pub(crate) const HOLDS_MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Holds {
    by_account: BTreeMap<Box<str>, Hold>,
    by_end: BTreeSet<(End, Box<str>)>,
}

impl Holds {
    pub(super) fn get(&self, account: &str) -> Option<&Hold> {
        self.by_account.get(account)
    }

    /// Every one, by account.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.by_account.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_account.len()
    }

    /// Whether there is room for a hold of that account.
    pub(super) fn has_room_for(&self, account: &str) -> bool {
        self.len() < HOLDS_MAX || self.by_account.contains_key(account)
    }

    /// In place of any of the same account.
    pub(super) fn insert(&mut self, hold: Hold) {
        self.remove(&hold.account);
        self.by_end.insert((hold.end, hold.account.clone()));
        self.by_account.insert(hold.account.clone(), hold);
    }

    pub(super) fn remove(&mut self, account: &str) -> Option<Hold> {
        let hold = self.by_account.remove(account)?;
        self.by_end.remove(&(hold.end, hold.account.clone()));
        Some(hold)
    }

    /// When the next one is over.
    pub(super) fn next_end(&self) -> Option<SystemTime> {
        match self.by_end.first()? {
            (End::At(at), _) => Some(*at),
            (End::Never, _) => None,
        }
    }

    /// Takes out one that is over at `now`.
    pub(super) fn pop_over(&mut self, now: SystemTime) -> Option<Hold> {
        let (end, account) = self.by_end.first()?;
        if !end.is_over_at(now) {
            return None;
        }
        let account = account.clone();
        self.remove(&account)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Holds;
    use crate::{
        ban::{End, Origin},
        decision::Hold,
    };

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    fn hold(account: &str, end: End) -> Hold {
        Hold::new(account.into(), Origin::Manual, at(0), end)
    }

    #[test]
    fn holds_end_in_the_order_of_their_ends_and_a_new_one_takes_the_place_of_the_old() {
        let mut holds = Holds::default();
        holds.insert(hold("ann", End::At(at(20))));
        holds.insert(hold("joe", End::At(at(10))));
        holds.insert(hold("bob", End::Never));
        holds.insert(hold("joe", End::At(at(30))));
        assert_eq!((holds.len(), holds.next_end()), (3, Some(at(20))));
        assert_eq!(holds.pop_over(at(19)), None);
        assert_eq!(&*holds.pop_over(at(20)).unwrap().account, "ann");
        holds.remove("joe");
        assert_eq!((holds.len(), holds.next_end()), (1, None));
        assert_eq!(holds.pop_over(at(1_000_000)), None);
    }
}

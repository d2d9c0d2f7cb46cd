//! Accounts that somebody has logged in to: what is asked of them is no bait, whatever the list of baits says.

use std::time::{Duration, SystemTime};

use super::name::account_key;
use crate::rule::{Moment, Tracked};

/// Most accounts that are remembered; the one longest without a login is forgotten.
pub(super) const PATRONS_MAX: usize = 1 << 16;
/// For how long.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// See the module.
#[derive(Debug)]
pub(super) struct Patrons {
    accounts: Tracked<u64, ()>,
}

impl Patrons {
    pub(super) fn new() -> Self {
        Self {
            accounts: Tracked::new(PATRONS_MAX),
        }
    }

    /// Somebody logged in.
    pub(super) fn note(&mut self, account: &str, at: SystemTime) {
        self.accounts
            .touch(account_key(account), Moment::from(at), || ());
    }

    /// Whether somebody logged in to it lately.
    pub(super) fn is_known(&self, account: &str) -> bool {
        self.accounts.get(&account_key(account)).is_some()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.accounts.pop_idle(now, REMEMBERED).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{PATRONS_MAX, Patrons, REMEMBERED};
    use crate::rule::Moment;

    #[test]
    fn who_logged_in_is_known_in_any_case_and_domain_until_it_is_long_ago() {
        let mut patrons = Patrons::new();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        patrons.note("Joe@example.org", at);
        assert!(patrons.is_known("joe") && !patrons.is_known("ann"));
        patrons.forget(Moment::from(at + REMEMBERED));
        assert!(!patrons.is_known("joe"));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut patrons = Patrons::new();
        for number in 0..=PATRONS_MAX as u64 {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(number);
            patrons.note(&format!("user{number}"), at);
        }
        assert_eq!(patrons.accounts.len(), PATRONS_MAX);
        assert!(!patrons.is_known("user0") && patrons.is_known("user1"));
    }
}

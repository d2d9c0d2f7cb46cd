//! Accounts that somebody has logged in to. What fails for an account that nobody ever did is not a device with an old password:
//! there each failure counts, and not only the first of each account.

use std::time::{Duration, SystemTime};

use crate::rule::{Moment, Tracked};

/// Most accounts that are remembered; the one longest without a login is forgotten.
pub(super) const PATRONS_MAX: usize = 1 << 16;
/// For how long. As long must logins have been seen before anybody is taken for a stranger: until then nobody is.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// See the module.
#[derive(Debug)]
pub(super) struct Patrons {
    accounts: Tracked<u64, ()>,
    /// Since when logins have been seen.
    since: Option<SystemTime>,
}

impl Patrons {
    pub(super) fn new() -> Self {
        Self {
            accounts: Tracked::new(PATRONS_MAX),
            since: None,
        }
    }

    /// Somebody logged in.
    pub(super) fn note(&mut self, account: &str, at: SystemTime) {
        self.since.get_or_insert(at);
        let known = self.accounts.touch(hash(account), Moment::from(at), || ());
        if known.1.is_some() {
            // Too many to remember all: of the forgotten ones nobody can tell.
            self.since = Some(at);
        }
    }

    /// Whether somebody logged in to it lately.
    pub(super) fn is_known(&self, account: &str) -> bool {
        self.accounts.get(&hash(account)).is_some()
    }

    /// Whether nobody did, as far as can be told.
    pub(super) fn is_stranger(&self, account: &str, at: SystemTime) -> bool {
        let watched = self
            .since
            .and_then(|since| at.duration_since(since).ok())
            .unwrap_or_default();
        watched >= REMEMBERED && !self.is_known(account)
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.accounts.pop_idle(now, REMEMBERED).is_some() {}
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }
}

/// What tells accounts apart (FNV-1a): the name in lower case and without its domain, which some programs cut off.
fn hash(account: &str) -> u64 {
    let local = account.split('@').next().unwrap_or_default();
    local.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{PATRONS_MAX, Patrons};

    #[test]
    fn nobody_is_a_stranger_before_logins_were_seen_for_long() {
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        let mut patrons = Patrons::new();
        assert!(!patrons.is_stranger("joe", at(100)));
        patrons.note("Joe@example.org", at(100));
        assert!(!patrons.is_stranger("ann", at(129)));
        assert!(patrons.is_stranger("ann", at(130)));
        assert!(!patrons.is_stranger("joe", at(130)) && patrons.is_known("joe"));
        for n in 0..=PATRONS_MAX {
            patrons.note(&format!("u{n}"), at(131));
        }
        assert_eq!(patrons.len(), PATRONS_MAX);
        assert!(
            !patrons.is_stranger("joe", at(132)),
            "forgotten for lack of room"
        );
    }
}

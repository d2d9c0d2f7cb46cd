//! The accounts that are remembered, by name. Whoever attacks may invent names: an account of which nothing but failed logins
//! is known is a stranger, and strangers displace none but each other.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use super::entry::Entry;
use crate::rule::{Moment, Tracked};

/// Most accounts that are known: a login of theirs succeeded, or a message of theirs was accepted. The one longest without an
/// event is forgotten.
pub(crate) const ACCOUNTS_MAX: usize = 32_768;
/// Most names that nobody has logged in to yet; likewise.
pub(crate) const STRANGERS_MAX: usize = 8_192;

/// See the module.
#[derive(Debug)]
pub(super) struct Registry {
    known: Tracked<Arc<str>, Entry>,
    strangers: Tracked<Arc<str>, Entry>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            known: Tracked::new(ACCOUNTS_MAX),
            strangers: Tracked::new(STRANGERS_MAX),
        }
    }

    /// The account of that name, remembered from here on. Once something of it `succeeded` it is no stranger any more.
    pub(super) fn touch(&mut self, name: &str, at: SystemTime, succeeded: bool) -> &mut Entry {
        let lower = lower(name);
        let name = lower.as_ref();
        let Self { known, strangers } = self;
        let moment = Moment::from(at);
        let entry = if succeeded {
            known.touch_borrowed(name, moment, |gone| match strangers.remove(name) {
                Some(stranger) => named(stranger),
                None => named(renewed_or_new(gone, name, at)),
            })
        } else {
            let table = match known.get(name) {
                Some(_) => known,
                None => strangers,
            };
            table.touch_borrowed(name, moment, |gone| named(renewed_or_new(gone, name, at)))
        };
        entry.account.last = entry.account.last.max(at);
        entry
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        let lower = lower(name);
        let name = lower.as_ref();
        self.known.get(name).or_else(|| self.strangers.get(name))
    }

    /// The known account of that name, which is in lower case.
    pub(super) fn known_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.known.get_mut(name)
    }

    /// The names of all, known ones and strangers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.known.values().chain(self.strangers.values())
    }

    /// Calls `each` for all that are known.
    pub(super) fn for_each_known(&mut self, each: impl FnMut(&mut Entry)) {
        self.known.for_each(each);
    }

    /// Calls `each` for all others.
    pub(super) fn for_each_stranger(&mut self, each: impl FnMut(&mut Entry)) {
        self.strangers.for_each(each);
    }

    /// Calls `each` for all.
    pub(super) fn for_each(&mut self, mut each: impl FnMut(&mut Entry)) {
        self.known.for_each(&mut each);
        self.strangers.for_each(each);
    }

    /// Forgets strangers without an event for `age`.
    pub(super) fn forget_strangers(&mut self, now: Moment, age: std::time::Duration) {
        while self.strangers.pop_idle(now, age).is_some() {}
    }

    /// How many are known, and how many are strangers.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.known.len(), self.strangers.len())
    }
}

fn renewed_or_new(gone: Option<Entry>, name: &str, at: SystemTime) -> Entry {
    match gone {
        Some(gone) => gone.renewed(name.into(), at),
        None => Entry::new(name.into(), at),
    }
}

/// An entry with its key.
fn named(entry: Entry) -> (Arc<str>, Entry) {
    (Arc::clone(&entry.account.name), entry)
}

/// A name in lower case; most are.
fn lower(name: &str) -> Cow<'_, str> {
    // All bytes are looked at: without a way out in between, many are at a time.
    let is_other = name.bytes().fold(false, |is_other, byte| {
        is_other | !byte.is_ascii() | byte.is_ascii_uppercase()
    });
    match is_other {
        true => Cow::Owned(name.to_lowercase()),
        false => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Registry, STRANGERS_MAX};

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    #[test]
    fn invented_names_displace_none_but_each_other() {
        let mut registry = Registry::new();
        registry.touch("Joe@example.org", at(0), true);
        registry.touch("ann", at(0), false);
        for n in 0..100_000 {
            registry.touch(&format!("invented{n}"), at(1), false);
        }
        assert_eq!(registry.len(), (1, STRANGERS_MAX));
        assert!(registry.get("JOE@example.org").is_some());
        assert!(registry.get("ann").is_none());
        registry.forget_strangers(at(100).into(), Duration::from_secs(99));
        assert_eq!(registry.len(), (1, 0));
    }

    #[test]
    fn a_stranger_that_logs_in_is_known_with_all_its_past() {
        let mut registry = Registry::new();
        registry.touch("ann", at(5), false).count(2);
        let ann = registry.touch("Ann", at(9), true);
        assert_eq!(ann.account.first, at(5));
        assert_eq!(ann.counts.len(), 3);
        assert_eq!(registry.len(), (1, 0));
        // Failures of one that is known do not make it a stranger.
        registry.touch("ann", at(10), false);
        assert_eq!(registry.len(), (1, 0));
    }
}

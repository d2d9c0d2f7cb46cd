//! A table that forgets what was not touched for long, and never grows beyond its bound.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, SystemTime},
};

/// Entries by key in two generations: when the younger one is full, or old enough, it becomes the older one, whose entries are
/// forgotten with it unless they are asked for again. An entry lives for one to two times `keep` after it was touched, less
/// when there are too many.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// When the younger generation began.
    since: Option<SystemTime>,
    keep: Duration,
    generation_max: usize,
}

impl<K: Eq + Hash + Clone, V: Default> Recent<K, V> {
    /// A table of at most `most` entries.
    pub fn new(keep: Duration, most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            since: None,
            keep,
            generation_max: (most / 2).max(1),
        }
    }

    /// The entry of `key`, which is made if it is not there.
    pub fn touch(&mut self, key: &K, now: SystemTime) -> &mut V {
        self.age(now);
        if !self.young.contains_key(key) {
            let value = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= self.generation_max {
                self.turn(now);
            }
            self.young.insert(key.clone(), value);
        }
        self.young.entry(key.clone()).or_default()
    }

    /// The entry of `key`, if it is there; it does not live longer by that.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Removes the entry of `key`.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what is old enough.
    pub fn age(&mut self, now: SystemTime) {
        let since = *self.since.get_or_insert(now);
        let age = now.duration_since(since).unwrap_or_default();
        if age >= self.keep {
            self.turn(now);
            if age >= self.keep * 2 {
                self.old.clear();
            }
        }
    }

    fn turn(&mut self, now: SystemTime) {
        self.old = std::mem::take(&mut self.young);
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_touched_stays_and_what_is_not_goes() {
        let mut recent: Recent<u32, u32> = Recent::new(MINUTE, 100);
        let start = SystemTime::UNIX_EPOCH + MINUTE;
        *recent.touch(&1, start) = 10;
        *recent.touch(&2, start) = 20;
        for minute in 1..4 {
            *recent.touch(&1, start + MINUTE * minute) += 1;
        }
        assert_eq!((recent.get(&1), recent.get(&2)), (Some(&13), None));
        recent.age(start + MINUTE * 60);
        assert!(recent.is_empty());
    }

    #[test]
    fn there_are_never_more_than_the_bound() {
        let mut recent: Recent<u32, u32> = Recent::new(MINUTE, 100);
        for key in 0..10_000 {
            recent.touch(&key, SystemTime::UNIX_EPOCH);
            assert!(recent.len() <= 100);
        }
        assert!(recent.get(&9_999).is_some());
    }
}

//! A bounded table of sessions.

/// Most sessions that one table remembers. Postfix runs 100 processes a service by default.
pub const SESSIONS_MAX: usize = SETS * WAYS;

const SETS: usize = 2048;
const WAYS: usize = 4;

/// Sessions by key. A full table forgets, among the few that share a place, the one that was touched least recently.
pub(super) struct Sessions<T> {
    sets: Vec<[Option<Slot<T>>; WAYS]>,
    tick: u64,
}

struct Slot<T> {
    key: Key,
    touched: u64,
    value: T,
}

/// What tells sessions apart, as a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key(u64);

impl Key {
    /// The key of some fields in order: eight bytes at a time, with each field's length. It has no seed, so that full tables
    /// forget the same sessions in every run; programs choose what is in it, not their clients.
    pub(super) fn new(fields: &[&[u8]]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for field in fields {
            hash = folded(hash, field.len() as u64);
            let (words, rest) = field.as_chunks::<8>();
            for word in words {
                hash = folded(hash, u64::from_le_bytes(*word));
            }
            if !rest.is_empty() {
                // The last eight bytes, some of them again; of a short field all.
                let word = match field.last_chunk() {
                    Some(word) => u64::from_le_bytes(*word),
                    None => rest
                        .iter()
                        .rfold(0, |word, &byte| word << 8 | u64::from(byte)),
                };
                hash = folded(hash, word);
            }
        }
        Self(hash ^ (hash >> 29))
    }

    /// One of so many places.
    pub(super) fn place(self, places: usize) -> usize {
        // The remainder is below `places`, which fits.
        (self.0 % places as u64) as usize
    }

    fn set(self) -> usize {
        self.place(SETS)
    }
}

/// Both halves of a product, so that every bit of both counts everywhere.
fn folded(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
    (product as u64) ^ ((product >> 64) as u64).rotate_left(23)
}

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self {
            sets: Vec::new(),
            tick: 0,
        }
    }
}

impl<T> Sessions<T> {
    pub(super) fn get(&mut self, key: Key) -> Option<&mut T> {
        self.tick += 1;
        let slot = self
            .sets
            .get_mut(key.set())?
            .iter_mut()
            .flatten()
            .find(|slot| slot.key == key)?;
        slot.touched = self.tick;
        Some(&mut slot.value)
    }

    /// The session with `key` if it `fits`, else a `fresh` one, after `change`. Without a key it is not kept.
    pub(super) fn update(
        &mut self,
        key: Option<Key>,
        fits: impl FnOnce(&T) -> bool,
        fresh: impl FnOnce() -> T,
        change: impl FnOnce(&mut T),
    ) -> T
    where
        T: Copy,
    {
        let mut session = key
            .and_then(|key| self.get(key).copied())
            .filter(fits)
            .unwrap_or_else(fresh);
        change(&mut session);
        if let Some(key) = key {
            self.insert(key, session);
        }
        session
    }

    /// Puts a session in, in place of one with the same key.
    pub(super) fn insert(&mut self, key: Key, value: T) -> &mut T {
        self.tick += 1;
        if self.sets.is_empty() {
            // Logs of other programs never make it.
            self.sets.resize_with(SETS, Default::default);
        }
        let set = &mut self.sets[key.set()];
        let place = set
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|slot| slot.key == key))
            .or_else(|| set.iter().position(Option::is_none))
            .unwrap_or_else(|| oldest(set));
        let slot = set[place].insert(Slot {
            key,
            touched: self.tick,
            value,
        });
        &mut slot.value
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self
            .sets
            .get_mut(key.set())?
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(|slot| slot.key == key))?;
        slot.take().map(|slot| slot.value)
    }
}

fn oldest<T>(set: &[Option<Slot<T>>; WAYS]) -> usize {
    let touched = |&place: &usize| set[place].as_ref().map_or(0, |slot| slot.touched);
    (0..WAYS).min_by_key(touched).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Key, SESSIONS_MAX, Sessions};

    fn key(number: u32) -> Key {
        Key::new(&[b"mx", &number.to_le_bytes()])
    }

    #[test]
    fn a_session_is_there_until_it_is_removed() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.get(key(1)), None);
        sessions.insert(key(1), "a");
        sessions.insert(key(1), "b");
        assert_eq!(sessions.get(key(1)), Some(&mut "b"));
        assert_eq!(sessions.remove(key(1)), Some("b"));
        assert_eq!(sessions.remove(key(1)), None);
    }

    #[test]
    fn a_full_table_forgets_the_old_and_stays_as_large_as_it_is() {
        let mut sessions = Sessions::default();
        for number in 0..50_000 {
            sessions.insert(key(number), number);
        }
        let held = (0..50_000).filter(|&number| sessions.get(key(number)).is_some());
        let held: Vec<u32> = held.collect();
        assert!(held.len() <= SESSIONS_MAX);
        assert!(held.len() > SESSIONS_MAX / 2);
        assert!(held.contains(&49_999));
        assert!(!held.contains(&0));
    }
}

//! A bounded table of sessions.

/// Most sessions that one table remembers. Postfix runs 100 processes a service by default.
pub const SESSIONS_MAX: usize = SETS * WAYS;

const SETS: usize = 2048;
const WAYS: usize = 4;

/// Sessions by key. A full table forgets, among the few that share a place, the one that was touched least recently.
pub(super) struct Sessions<T> {
    sets: Vec<Set>,
    /// The sessions themselves, [`WAYS`] of each set. Most keys that are looked up are not there, which their set alone tells.
    values: Vec<Option<T>>,
    tick: u64,
}

/// Whose sessions share a place: one line of the cache.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Set {
    keys: [Key; WAYS],
    /// When each was touched; 0 where there is none.
    touched: [u64; WAYS],
}

impl Set {
    fn way(&self, key: Key) -> Option<usize> {
        (0..WAYS).find(|&way| self.keys[way] == key && self.touched[way] != 0)
    }

    /// A free one if there is one, else the one that was touched least recently.
    fn oldest(&self) -> usize {
        let touched = |&way: &usize| self.touched[way];
        (0..WAYS).min_by_key(touched).unwrap_or(0)
    }
}

/// What tells sessions apart, as a hash.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
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
            values: Vec::new(),
            tick: 0,
        }
    }
}

impl<T> Sessions<T> {
    /// Whether none was ever put in.
    pub(super) fn is_unused(&self) -> bool {
        self.sets.is_empty()
    }

    /// The session with that key.
    pub(super) fn get(&mut self, key: Key) -> Option<&mut T> {
        let number = key.set();
        let set = self.sets.get_mut(number)?;
        let way = set.way(key)?;
        self.tick += 1;
        set.touched[way] = self.tick;
        self.values[number * WAYS + way].as_mut()
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
        let Some(key) = key else {
            let mut session = fresh();
            change(&mut session);
            return session;
        };
        let session = self.entry(key, fits, fresh);
        change(session);
        *session
    }

    /// The session with `key` if it `fits`, else a `fresh` one in its place.
    pub(super) fn entry(
        &mut self,
        key: Key,
        fits: impl FnOnce(&T) -> bool,
        fresh: impl FnOnce() -> T,
    ) -> &mut T {
        let place = self.place(key);
        if place.as_ref().is_some_and(|session| !fits(session)) {
            *place = None;
        }
        place.get_or_insert_with(fresh)
    }

    /// Puts a session in, in place of one with the same key.
    pub(super) fn insert(&mut self, key: Key, value: T) -> &mut T {
        self.place(key).insert(value)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let number = key.set();
        let set = self.sets.get_mut(number)?;
        let way = set.way(key)?;
        set.touched[way] = 0;
        self.values[number * WAYS + way].take()
    }

    /// Where the session with `key` is, or is to be: then there is none.
    fn place(&mut self, key: Key) -> &mut Option<T> {
        if self.sets.is_empty() {
            // Logs of other programs never make it.
            self.sets.resize(SETS, Set::default());
            self.values.resize_with(SETS * WAYS, || None);
        }
        let number = key.set();
        let set = &mut self.sets[number];
        let known = set.way(key);
        let way = known.unwrap_or_else(|| set.oldest());
        self.tick += 1;
        set.keys[way] = key;
        set.touched[way] = self.tick;
        let value = &mut self.values[number * WAYS + way];
        if known.is_none() {
            *value = None;
        }
        value
    }
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

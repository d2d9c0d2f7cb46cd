//! Where things are by the hash of their key. It holds numbers alone, so that most looks at it cost one look at memory; whoever
//! asks knows the keys.

use std::hash::{BuildHasher as _, Hash};

use foldhash::quality::RandomState;

/// The number of no thing.
pub(crate) const NONE: u32 = u32::MAX;

/// Numbers by hash, in open addressing: each is at the place of its hash, or as few places after it as are free.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// None, or a power of two of them; at least one in four is free.
    places: Vec<Place>,
    len: usize,
}

/// A number with the hash of its key: an index that grows need not ask for the keys, which lie anywhere in memory.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    /// [`NONE`] where the place is free.
    number: u32,
}

/// Places of an index that holds anything.
const PLACES_MIN: usize = 8;
const FREE: Place = Place {
    hash: 0,
    number: NONE,
};

/// The hash of a key in an [`Index`]: the upper half of its whole hash. The seed is drawn, so that nobody can choose keys that collide;
/// nothing but the time that a look takes depends on it.
#[inline]
pub(crate) fn hash_of<Q: Hash + ?Sized>(hasher: &RandomState, key: &Q) -> u32 {
    (hasher.hash_one(key) >> 32) as u32
}

impl Index {
    /// How many numbers it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number with that hash that is the one, if there is any.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let position = self.position(hash, is_it)?;
        Some(self.places[position].number)
    }

    /// Puts in `number`, which is not in it.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32, number: u32) {
        if self.len >= self.places.len() / 4 * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(Place { hash, number });
    }

    /// Puts `new` in the place of `old`, which has the same hash; whether that was there.
    #[inline]
    pub(crate) fn replace(&mut self, hash: u32, old: u32, new: u32) -> bool {
        let position = self.position(hash, |number| number == old);
        if let Some(position) = position {
            self.places[position].number = new;
        }
        position.is_some()
    }

    /// Takes out `number`; whether it was there.
    pub(crate) fn remove(&mut self, hash: u32, number: u32) -> bool {
        let Some(mut free) = self.position(hash, |known| known == number) else {
            return false;
        };
        self.len -= 1;
        // Those that had to go further since the place was taken move up.
        let mut next = self.after(free);
        while self.places[next].number != NONE {
            let home = self.home(self.places[next].hash);
            if self.distance(home, next) >= self.distance(free, next) {
                self.places[free] = self.places[next];
                free = next;
            }
            next = self.after(next);
        }
        self.places[free] = FREE;
        true
    }

    #[inline]
    fn position(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let mut position = self.home(hash);
        loop {
            let place = self.places[position];
            if place.number == NONE {
                return None;
            }
            if place.hash == hash && is_it(place.number) {
                return Some(position);
            }
            position = self.after(position);
        }
    }

    #[inline]
    fn put(&mut self, place: Place) {
        let mut position = self.home(place.hash);
        while self.places[position].number != NONE {
            position = self.after(position);
        }
        self.places[position] = place;
    }

    #[cold]
    fn grow(&mut self) {
        let places = (self.places.len() * 2).max(PLACES_MIN);
        let old = std::mem::replace(&mut self.places, vec![FREE; places]);
        for place in old {
            if place.number != NONE {
                self.put(place);
            }
        }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    #[inline]
    fn after(&self, position: usize) -> usize {
        (position + 1) & (self.places.len() - 1)
    }

    /// How many places `to` is after `from`.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{collection::vec, prelude::*};

    use super::Index;

    proptest! {
        // Few hashes, and those at the end of the places, so that many want the same ones.
        #[test]
        fn it_holds_what_a_map_holds(steps in vec((any::<bool>(), 0u32..6, 0u32..40), 0..400)) {
            let mut index = Index::default();
            let mut map = HashMap::new();
            for (is_new, hash, number) in steps {
                let hash = hash.wrapping_sub(3);
                if is_new && !map.contains_key(&number) {
                    index.insert(hash, number);
                    map.insert(number, hash);
                } else if map.get(&number) == Some(&hash) {
                    prop_assert!(index.remove(hash, number));
                    map.remove(&number);
                }
                prop_assert_eq!(index.len(), map.len());
                for (&number, &hash) in &map {
                    prop_assert_eq!(index.find(hash, |found| found == number), Some(number));
                }
                prop_assert_eq!(index.find(hash, |_| false), None);
            }
        }
    }

    #[test]
    fn a_number_takes_the_place_of_another() {
        let mut index = Index::default();
        index.insert(7, 1);
        assert!(index.replace(7, 1, 2) && !index.replace(7, 1, 3));
        assert_eq!(index.find(7, |_| true), Some(2));
        assert!(!index.remove(7, 1) && index.remove(7, 2));
        assert_eq!(index.len(), 0);
    }
}

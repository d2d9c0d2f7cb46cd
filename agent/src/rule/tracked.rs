//! A bounded map whose entry longest untouched gives way to a new one, in constant time.

use std::{
    hash::{BuildHasher as _, Hash},
    time::Duration,
};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::Moment;

/// Index of no node.
const NONE: u32 = u32::MAX;

/// At most `capacity` values by key, in the order in which they were touched.
#[derive(Debug)]
pub(crate) struct Tracked<K, V> {
    capacity: usize,
    /// Where the node of a key is. The seed of the hash is drawn, so that nobody can choose addresses that collide; nothing
    /// but the time that a look takes depends on it.
    index: HashTable<Place>,
    hasher: RandomState,
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    /// The node longest untouched.
    oldest: u32,
    newest: u32,
}

/// Where a node is, with the hash of its key: a table that grows need not ask the nodes, which lie anywhere in memory.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    node: u32,
}

impl Place {
    /// The hash as the table wants it: it takes a place from the lower bits and a mark from the highest.
    fn hash(&self) -> u64 {
        spread(self.hash)
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    /// `None` while the node is free.
    value: Option<V>,
    /// The latest time it was touched with.
    last: Moment,
    older: u32,
    newer: u32,
}

impl<K: Copy + Eq + Hash, V> Tracked<K, V> {
    /// An empty map; `capacity` is at least 1 and below `u32::MAX`.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.clamp(1, NONE as usize - 1),
            index: HashTable::new(),
            hasher: RandomState::default(),
            nodes: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let node = self.find(key)?;
        self.nodes[node as usize].value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let node = self.find(key)?;
        self.nodes[node as usize].value.as_mut()
    }

    /// Shows every value, in no order that matters.
    pub(crate) fn for_each(&mut self, change: impl FnMut(&mut V)) {
        let values = self.nodes.iter_mut();
        values
            .filter_map(|node| node.value.as_mut())
            .for_each(change);
    }

    /// Every value, in no order that matters.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.nodes.iter().filter_map(|node| node.value.as_ref())
    }

    /// The value of `key`, made by `fresh` when there is none, as the newest; and the value that gave way to it.
    pub(crate) fn touch(
        &mut self,
        key: K,
        at: Moment,
        fresh: impl FnOnce() -> V,
    ) -> (&mut V, Option<V>) {
        let mut displaced = None;
        let hash = self.hash(&key);
        let node = match self.find_hashed(&key, hash) {
            Some(node) if node == self.newest => node,
            Some(node) => {
                self.unlink(node);
                self.link_newest(node);
                node
            }
            None => {
                if self.index.len() >= self.capacity {
                    displaced = self.pop_oldest();
                }
                let node = self.allocate(key, at, fresh());
                let place = Place { hash, node };
                self.index.insert_unique(place.hash(), place, Place::hash);
                self.link_newest(node);
                node
            }
        };
        let node = &mut self.nodes[node as usize];
        node.last = node.last.max(at);
        let value = node.value.as_mut().expect("an indexed node has a value");
        (value, displaced)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        if self.index.is_empty() {
            return None;
        }
        let hash = self.hash(key);
        let nodes = &self.nodes;
        let found = self.index.find_entry(spread(hash), |place| {
            place.hash == hash && nodes[place.node as usize].key == *key
        });
        let (Place { node, .. }, _) = found.ok()?.remove();
        self.unlink(node);
        self.free.push(node);
        self.nodes[node as usize].value.take()
    }

    /// Takes out the value longest untouched.
    pub(crate) fn pop_oldest(&mut self) -> Option<V> {
        let key = self.nodes.get(self.oldest as usize)?.key;
        self.remove(&key)
    }

    /// Takes out the value longest untouched if that was at least `age` before `now`.
    pub(crate) fn pop_idle(&mut self, now: Moment, age: Duration) -> Option<V> {
        let node = self.nodes.get(self.oldest as usize)?;
        if now.since(node.last) < age {
            return None;
        }
        self.pop_oldest()
    }

    fn find(&self, key: &K) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        self.find_hashed(key, self.hash(key))
    }

    fn find_hashed(&self, key: &K, hash: u32) -> Option<u32> {
        let is_it =
            |place: &Place| place.hash == hash && self.nodes[place.node as usize].key == *key;
        self.index.find(spread(hash), is_it).map(|place| place.node)
    }

    /// The upper half of the hash of a key.
    fn hash(&self, key: &K) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    fn allocate(&mut self, key: K, last: Moment, value: V) -> u32 {
        let node = Node {
            key,
            value: Some(value),
            last,
            older: NONE,
            newer: NONE,
        };
        match self.free.pop() {
            Some(free) => {
                self.nodes[free as usize] = node;
                free
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("the capacity is below u32::MAX")
            }
        }
    }

    fn unlink(&mut self, node: u32) {
        let (older, newer) = {
            let node = &self.nodes[node as usize];
            (node.older, node.newer)
        };
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
    }

    fn link_newest(&mut self, node: u32) {
        let older = self.newest;
        self.nodes[node as usize].older = older;
        self.nodes[node as usize].newer = NONE;
        match older {
            NONE => self.oldest = node,
            older => self.nodes[older as usize].newer = node,
        }
        self.newest = node;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Moment, Tracked};

    fn at(s: u64) -> Moment {
        Moment::from(SystemTime::UNIX_EPOCH + Duration::from_secs(s))
    }

    #[test]
    fn the_one_longest_untouched_gives_way() {
        let mut map = Tracked::new(2);
        map.touch("a", at(1), || 1);
        map.touch("b", at(2), || 2);
        map.touch("a", at(3), || 9);
        let (_, displaced) = map.touch("c", at(4), || 3);
        assert_eq!(displaced, Some(2));
        assert_eq!((map.get(&"a"), map.get(&"b")), (Some(&1), None));
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn removed_nodes_are_used_again() {
        let mut map = Tracked::new(3);
        for round in 0..10 {
            for key in 0..3 {
                map.touch(key, at(round), || round);
            }
            assert_eq!(map.remove(&1), Some(round));
            map.remove(&0);
            map.remove(&2);
            assert_eq!(map.len(), 0);
        }
        assert_eq!(map.nodes.len(), 3);
        assert_eq!(map.pop_oldest(), None);
    }

    #[test]
    fn only_the_idle_are_taken() {
        let mut map = Tracked::new(3);
        map.touch("a", at(10), || 1);
        map.touch("b", at(50), || 2);
        assert_eq!(map.pop_idle(at(60), Duration::from_secs(30)), Some(1));
        assert_eq!(map.pop_idle(at(60), Duration::from_secs(30)), None);
    }
}

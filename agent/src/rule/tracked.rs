//! A bounded map whose entry longest untouched gives way to a new one, in constant time.

use std::{borrow::Borrow, hash::Hash, time::Duration};

use foldhash::quality::RandomState;

use super::{
    Moment,
    index::{Index, NONE, hash_of},
};

/// At most `capacity` values by key, in the order in which they were touched.
#[derive(Debug)]
pub(crate) struct Tracked<K, V> {
    capacity: usize,
    /// Where the node of a key is.
    index: Index,
    hasher: RandomState,
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    /// The node longest untouched.
    oldest: u32,
    newest: u32,
}

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    hash: u32,
    older: u32,
    newer: u32,
    /// The latest time it was touched with.
    last: Moment,
    /// `None` while the node is free.
    value: Option<V>,
}

impl<K: Eq + Hash, V> Tracked<K, V> {
    /// An empty map; `capacity` is at least 1 and below `u32::MAX`.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.clamp(1, NONE as usize - 1),
            index: Index::default(),
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

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let node = self.find(key)?;
        self.nodes[node as usize].value.as_ref()
    }

    pub(crate) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
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
    #[inline]
    pub(crate) fn touch(
        &mut self,
        key: K,
        at: Moment,
        fresh: impl FnOnce() -> V,
    ) -> (&mut V, Option<V>)
    where
        K: Copy,
    {
        let mut displaced = None;
        let value = self.touch_borrowed(&key, at, |gone| {
            displaced = gone;
            (key, fresh())
        });
        (value, displaced)
    }

    /// As [`Tracked::touch`] where a key costs more than a look at it: `fresh` makes it with the value, and may make that of the
    /// value that gives way.
    pub(crate) fn touch_borrowed<Q>(
        &mut self,
        key: &Q,
        at: Moment,
        fresh: impl FnOnce(Option<V>) -> (K, V),
    ) -> &mut V
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let hash = hash_of(&self.hasher, key);
        let node = match self.find_hashed(key, hash) {
            Some(node) if node == self.newest => node,
            Some(node) => {
                self.unlink(node);
                self.link_newest(node);
                node
            }
            None => {
                let displaced = match self.index.len() >= self.capacity {
                    true => self.pop_oldest(),
                    false => None,
                };
                let (key, value) = fresh(displaced);
                let node = self.allocate(Node {
                    key,
                    hash,
                    older: NONE,
                    newer: NONE,
                    last: at,
                    value: Some(value),
                });
                self.index.insert(hash, node);
                self.link_newest(node);
                node
            }
        };
        let node = &mut self.nodes[node as usize];
        node.last = node.last.max(at);
        node.value.as_mut().expect("an indexed node has a value")
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let node = self.find(key)?;
        self.take_out(node)
    }

    /// Takes out the value longest untouched.
    pub(crate) fn pop_oldest(&mut self) -> Option<V> {
        match self.oldest {
            NONE => None,
            oldest => self.take_out(oldest),
        }
    }

    /// Takes out the value longest untouched if that was at least `age` before `now`.
    pub(crate) fn pop_idle(&mut self, now: Moment, age: Duration) -> Option<V> {
        let node = self.nodes.get(self.oldest as usize)?;
        if now.since(node.last) < age {
            return None;
        }
        self.pop_oldest()
    }

    fn find<Q>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        // Many tables are empty most of the time.
        match self.index.len() {
            0 => None,
            _ => self.find_hashed(key, hash_of(&self.hasher, key)),
        }
    }

    fn find_hashed<Q>(&self, key: &Q, hash: u32) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_it = |node: u32| self.nodes[node as usize].key.borrow() == key;
        self.index.find(hash, is_it)
    }

    fn allocate(&mut self, node: Node<K, V>) -> u32 {
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

    fn take_out(&mut self, node: u32) -> Option<V> {
        self.index.remove(self.nodes[node as usize].hash, node);
        self.unlink(node);
        self.free.push(node);
        self.nodes[node as usize].value.take()
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

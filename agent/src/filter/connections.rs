//! The open connections that the kernel counts for each source, compared with the sockets that it has. They drift apart when
//! something is not seen (the tracepoint had no program, ports or limits changed) or when two processors write at once.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering},
};

use mailwall_common::{BUCKETS, Bucket, SourceKey, Tally};

use super::shared::{Shared, SharedArray};

/// Open connections by source; who has none is not there.
pub type Census = HashMap<SourceKey, i32>;

/// [`Bucket`] as both halves see it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SharedBucket {
    tallies: [SharedTally; Bucket::TALLIES],
}

#[derive(Debug, Default)]
#[repr(C)]
struct SharedTally {
    key: AtomicU64,
    due_ns: AtomicU64,
    refused: AtomicU32,
    open: AtomicI32,
    told: AtomicU32,
    told_open: AtomicU32,
}

// SAFETY: atomic integers, 128 bytes.
unsafe impl Shared for SharedBucket {}

const _: () = {
    use std::mem::offset_of;

    assert!(size_of::<SharedBucket>() == size_of::<Bucket>());
    assert!(size_of::<SharedTally>() == size_of::<Tally>());
    assert!(offset_of!(SharedTally, due_ns) == offset_of!(Tally, due_ns));
    assert!(offset_of!(SharedTally, open) == offset_of!(Tally, open));
    assert!(offset_of!(SharedTally, told_open) == offset_of!(Tally, told_open));
};

/// When a difference is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Belief {
    /// When it was seen once: something is known to be missing.
    AtOnce,
    /// When it was the same the time before: sockets come and go while they are counted.
    SeenTwice,
}

/// The counted connections.
#[derive(Debug)]
pub struct Connections {
    buckets: SharedArray<SharedBucket>,
    seed: u64,
    /// What the comparison before found, kernel less sockets.
    differences: HashMap<SourceKey, i32>,
}

impl Connections {
    /// The connections counted in `buckets`.
    pub fn new(buckets: SharedArray<SharedBucket>, seed: u64) -> Self {
        Self {
            buckets,
            seed,
            differences: HashMap::new(),
        }
    }

    /// What is counted now.
    ///
    /// # Errors
    /// When the table cannot be mapped.
    pub fn census(&self) -> io::Result<Census> {
        self.buckets.with(0, BUCKETS as usize, |buckets| {
            let tallies = buckets.iter().flat_map(|bucket| &bucket.tallies);
            tallies
                .filter_map(|tally| {
                    let open = tally.open.load(Ordering::Relaxed);
                    let key = SourceKey::from_word(tally.key.load(Ordering::Relaxed));
                    (open != 0).then_some((key, open))
                })
                .collect()
        })
    }

    /// Open connections of one source.
    ///
    /// # Errors
    /// When the table cannot be mapped.
    pub fn open_of(&self, key: SourceKey) -> io::Result<u32> {
        self.buckets.with(key.bucket(self.seed), 1, |buckets| {
            let tallies = buckets.iter().flat_map(|bucket| &bucket.tallies);
            let mut of_key =
                tallies.filter(|tally| tally.key.load(Ordering::Relaxed) == key.word());
            let open = of_key
                .next()
                .map(|tally| tally.open.load(Ordering::Relaxed));
            open.and_then(|open| u32::try_from(open).ok())
                .unwrap_or_default()
        })
    }

    /// Corrects what is counted: `before` was counted before the `sockets` were looked for. Where the count changed meanwhile
    /// nothing is known. Tells how many sources were corrected.
    ///
    /// # Errors
    /// When the table cannot be mapped.
    pub fn correct(
        &mut self,
        before: &Census,
        sockets: &Census,
        belief: Belief,
    ) -> io::Result<usize> {
        let mut known = std::mem::take(&mut self.differences);
        let mut corrected = 0;
        let sources: HashSet<SourceKey> = before.keys().chain(sockets.keys()).copied().collect();
        for key in sources {
            let counted = before.get(&key).copied().unwrap_or_default();
            let difference = counted - sockets.get(&key).copied().unwrap_or_default();
            if difference == 0 {
                continue;
            }
            if belief == Belief::AtOnce || known.remove(&key) == Some(difference) {
                corrected += usize::from(self.adjust(key, counted, difference)?);
            } else {
                self.differences.insert(key, difference);
            }
        }
        Ok(corrected)
    }

    /// Takes `difference` off the count of `key`, if that is still `counted`. Who is not there yet gets a free seat.
    fn adjust(&self, key: SourceKey, counted: i32, difference: i32) -> io::Result<bool> {
        self.buckets.with(key.bucket(self.seed), 1, |buckets| {
            let Some(bucket) = buckets.first() else {
                return false;
            };
            let has = |tally: &&SharedTally, word| tally.key.load(Ordering::Relaxed) == word;
            if let Some(tally) = bucket.tallies.iter().find(|tally| has(tally, key.word())) {
                return tally
                    .open
                    .compare_exchange(
                        counted,
                        counted - difference,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    )
                    .is_ok();
            }
            // Only a seat that was never taken: of another, the kernel alone knows whether it is free.
            let Some(tally) = bucket.tallies.iter().find(|tally| has(tally, 0)) else {
                return false;
            };
            tally.open.store(-difference, Ordering::Relaxed);
            tally
                .key
                .compare_exchange(0, key.word(), Ordering::Release, Ordering::Relaxed)
                .is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const SEED: u64 = 0x1234_5678_9abc_def1;

    fn key(last: u8) -> SourceKey {
        SourceKey::from(IpAddr::from([192, 0, 2, last]))
    }

    fn census<const N: usize>(counts: [(u8, i32); N]) -> Census {
        counts.map(|(last, open)| (key(last), open)).into()
    }

    fn counting(counts: &Census) -> Connections {
        let mut connections = Connections::new(SharedArray::anonymous(BUCKETS).unwrap(), SEED);
        connections
            .correct(&Census::new(), counts, Belief::AtOnce)
            .unwrap();
        assert_eq!(&connections.census().unwrap(), counts);
        connections
    }

    #[test]
    fn what_was_open_before_the_start_is_counted() {
        counting(&census([(7, 3), (8, 1)]));
    }

    #[test]
    fn a_difference_is_believed_when_it_is_there_again() {
        let mut connections = counting(&census([(7, 3), (8, 1)]));
        let sockets = census([(7, 1), (8, 1), (9, 2)]);
        for corrected in [0, 2, 0] {
            let before = connections.census().unwrap();
            let done = connections.correct(&before, &sockets, Belief::SeenTwice);
            assert_eq!(done.unwrap(), corrected);
        }
        assert_eq!(connections.census().unwrap(), sockets);
    }

    #[test]
    fn a_difference_that_changes_is_only_noise() {
        let mut connections = counting(&census([(7, 3)]));
        for open in [2, 4, 2, 4] {
            let before = connections.census().unwrap();
            let sockets = census([(7, open)]);
            let done = connections.correct(&before, &sockets, Belief::SeenTwice);
            assert_eq!(done.unwrap(), 0);
        }
        assert_eq!(connections.census().unwrap(), census([(7, 3)]));
    }

    #[test]
    fn what_changed_while_sockets_were_looked_for_is_left_alone() {
        let mut connections = counting(&census([(7, 3)]));
        let done = connections.correct(&census([(7, 2)]), &census([(7, 1)]), Belief::AtOnce);
        assert_eq!(done.unwrap(), 0);
        assert_eq!(connections.census().unwrap(), census([(7, 3)]));
    }

    #[test]
    fn a_count_below_nothing_is_put_right() {
        let mut connections = counting(&census([(7, -1)]));
        let before = connections.census().unwrap();
        connections
            .correct(&before, &Census::new(), Belief::AtOnce)
            .unwrap();
        assert_eq!(connections.census().unwrap(), Census::new());
    }
}

//! The bans of single addresses (IPv4 /32, IPv6 /64) in their cache lines: the table itself, as the kernel reads it. Each
//! change is a few atomic stores in the order that the kernel must see them in.

use std::{
    io,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use mailwall_common::{
    AddressV4, BucketsInUse, LINES_V4, LINES_V6, LineV4, LineV6, PrefixV6, Ticks, neighbour,
};

use super::shared::{Shared, SharedArray, SharedLineV4, SharedLineV6};

/// A cache line of entries.
pub trait Line: Shared {
    /// Who is banned.
    type Key: Copy + Eq;
    /// Lines in the map.
    const LINES: u32;
    /// Entries in a line.
    const ENTRIES: usize;

    /// The most buckets that there can be.
    const MOST: BucketsInUse;

    /// Where a key is looked for first.
    fn index_of(seed: u64, buckets: BucketsInUse, key: Self::Key) -> u32;
    /// Whether the key can be kept in a line at all.
    fn takes(key: Self::Key) -> bool;
    /// Who is there; nobody in a free entry.
    fn key(&self, entry: usize) -> Option<Self::Key>;
    /// Puts somebody there, or frees the entry.
    fn set_key(&self, entry: usize, key: Option<Self::Key>);
    /// When the ban is over, in [`Ticks`].
    fn end(&self, entry: usize) -> &AtomicU32;
    /// Packets that the ban dropped.
    fn drops(&self, entry: usize) -> &AtomicU64;
}

impl Line for SharedLineV4 {
    type Key = AddressV4;
    const LINES: u32 = LINES_V4;
    const ENTRIES: usize = LineV4::ENTRIES;
    const MOST: BucketsInUse = BucketsInUse::ALL_V4;

    fn index_of(seed: u64, buckets: BucketsInUse, key: AddressV4) -> u32 {
        LineV4::index_of(seed, buckets, key)
    }

    fn takes(key: AddressV4) -> bool {
        key.word() != 0
    }

    fn key(&self, entry: usize) -> Option<AddressV4> {
        let word = self.keys[entry].load(Ordering::Acquire);
        (word != 0).then_some(AddressV4::from_be(word))
    }

    fn set_key(&self, entry: usize, key: Option<AddressV4>) {
        self.keys[entry].store(key.map_or(0, AddressV4::word), Ordering::Release);
    }

    fn end(&self, entry: usize) -> &AtomicU32 {
        &self.ends[entry]
    }

    fn drops(&self, entry: usize) -> &AtomicU64 {
        &self.drops[entry]
    }
}

impl Line for SharedLineV6 {
    type Key = PrefixV6;
    const LINES: u32 = LINES_V6;
    const ENTRIES: usize = LineV6::ENTRIES;
    const MOST: BucketsInUse = BucketsInUse::ALL_V6;

    fn index_of(seed: u64, buckets: BucketsInUse, key: PrefixV6) -> u32 {
        LineV6::index_of(seed, buckets, key)
    }

    fn takes(key: PrefixV6) -> bool {
        key.word() != 0
    }

    fn key(&self, entry: usize) -> Option<PrefixV6> {
        let word = self.keys[entry].load(Ordering::Acquire);
        (word != 0).then_some(PrefixV6::from_be(word))
    }

    fn set_key(&self, entry: usize, key: Option<PrefixV6>) {
        self.keys[entry].store(key.map_or(0, PrefixV6::word), Ordering::Release);
    }

    fn end(&self, entry: usize) -> &AtomicU32 {
        &self.ends[entry]
    }

    fn drops(&self, entry: usize) -> &AtomicU64 {
        &self.drops[entry]
    }
}

/// What [`Addresses::put`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Put {
    /// There was no ban of it, and there is one now.
    New,
    /// There was one, with this end; now it has the other.
    Renewed(Ticks),
    /// There was none, and there is no room in its bucket: it must be kept as a network.
    NoRoom,
}

/// Somebody who is in two places.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    from: u32,
    to: u32,
    entry: usize,
    /// Drops that went along.
    drops: u64,
}

/// The banned addresses of one family.
#[derive(Debug)]
pub struct Addresses<L> {
    lines: SharedArray<L>,
    seed: u64,
    buckets: BucketsInUse,
    len: usize,
}

impl<L: Line> Addresses<L> {
    /// Those in `lines`, which must be [read](Self::read) first.
    pub fn new(lines: SharedArray<L>, seed: u64, buckets: BucketsInUse) -> Self {
        Self {
            lines,
            seed,
            buckets,
            len: 0,
        }
    }

    /// Takes over what is in the lines; `note` is told of everyone. Whoever is not where they would be looked for is removed.
    ///
    /// # Errors
    /// When the lines cannot be mapped.
    pub fn read(&mut self, mut note: impl FnMut(L::Key)) -> io::Result<()> {
        let (seed, buckets) = (self.seed, self.buckets);
        self.len = self.lines.with(0, L::LINES as usize, |lines| {
            let mut len = 0;
            for (index, line) in (0..L::LINES).zip(lines) {
                for entry in 0..L::ENTRIES {
                    let Some(key) = line.key(entry) else { continue };
                    if Bucket::of(lines, L::index_of(seed, buckets, key)).find(Some(key))
                        == Some((index, entry))
                    {
                        len += 1;
                        note(key);
                    } else {
                        line.set_key(entry, None);
                    }
                }
            }
            len
        })?;
        Ok(())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Keeps the lines mapped, because much is to be done; see [`SharedArray::hold`].
    pub fn hold(&mut self) -> io::Result<()> {
        self.lines.hold()
    }

    /// Ends [`Addresses::hold`].
    pub fn release(&mut self) {
        self.lines.release();
    }

    /// How many buckets are in use.
    pub fn buckets(&self) -> BucketsInUse {
        self.buckets
    }

    /// How many buckets there must be for `more` beside those that are here: they are half full at most, while there are more
    /// buckets to be had.
    pub fn buckets_for(&self, more: usize) -> BucketsInUse {
        let mut buckets = self.buckets;
        while buckets < L::MOST && buckets.count() * L::ENTRIES < self.len + more {
            buckets = buckets.doubled();
        }
        buckets
    }

    /// Puts a copy of everyone where they belong among so many more `buckets`, if that is another place. From then on the kernel
    /// may look there; once it does nowhere else, [`Addresses::leave`] the old places.
    pub fn copy_to(&mut self, buckets: BucketsInUse) -> io::Result<Vec<Copied>> {
        let (seed, in_use) = (self.seed, self.buckets);
        let copied = self.lines.with(0, 2 * buckets.count(), |lines| {
            let mut copied = Vec::new();
            for (from, line) in (0..).zip(&lines[..2 * in_use.count()]) {
                for entry in 0..L::ENTRIES {
                    let Some(key) = line.key(entry) else { continue };
                    // The same line of another bucket, which gets nobody from anywhere else.
                    let to = L::index_of(seed, buckets, key) & !1 | from & 1;
                    if to == from {
                        continue;
                    }
                    let place = &lines[to as usize];
                    let drops = line.drops(entry).load(Ordering::Relaxed);
                    let end = line.end(entry).load(Ordering::Relaxed);
                    place.drops(entry).store(drops, Ordering::Relaxed);
                    place.end(entry).store(end, Ordering::Relaxed);
                    place.set_key(entry, Some(key));
                    copied.push(Copied {
                        from,
                        to,
                        entry,
                        drops,
                    });
                }
            }
            copied
        })?;
        self.buckets = buckets;
        Ok(copied)
    }

    /// Frees the old places of those who were copied, and adds the drops that were counted there meanwhile.
    pub fn leave(&mut self, copied: &[Copied]) -> io::Result<()> {
        self.lines.with(0, 2 * self.buckets.count(), |lines| {
            for moved in copied {
                let old = &lines[moved.from as usize];
                let meanwhile = old.drops(moved.entry).load(Ordering::Relaxed) - moved.drops;
                let new = lines[moved.to as usize].drops(moved.entry);
                new.fetch_add(meanwhile, Ordering::Relaxed);
                old.set_key(moved.entry, None);
            }
        })
    }

    /// Bans `key` until `end`, or gives its ban that end; the drops of a ban that is there stay.
    pub fn put(&mut self, key: L::Key, end: Ticks) -> io::Result<Put> {
        if !L::takes(key) {
            return Ok(Put::NoRoom);
        }
        let put = self.in_bucket(key, |bucket| {
            if let Some((line, entry)) = bucket.entry_of(Some(key)) {
                let before = line.end(entry).swap(end.word(), Ordering::AcqRel);
                return Put::Renewed(Ticks::from_word(before));
            }
            let Some((line, entry)) = bucket.entry_of(None) else {
                return Put::NoRoom;
            };
            line.end(entry).store(end.word(), Ordering::Relaxed);
            line.drops(entry).store(0, Ordering::Relaxed);
            // Last: from here on the kernel finds it.
            line.set_key(entry, Some(key));
            Put::New
        })?;
        self.len += usize::from(put == Put::New);
        Ok(put)
    }

    /// Ends the ban of `key`; tells whether there was one.
    pub fn remove(&mut self, key: L::Key) -> io::Result<bool> {
        let removed = self.in_bucket(key, |bucket| {
            let Some((line, entry)) = bucket.entry_of(Some(key)) else {
                return false;
            };
            line.set_key(entry, None);
            true
        })?;
        self.len -= usize::from(removed);
        Ok(removed)
    }

    /// When the ban of `key` is over, and the packets that it dropped.
    pub fn get(&self, key: L::Key) -> io::Result<Option<(Ticks, u64)>> {
        self.in_bucket(key, |bucket| {
            let (line, entry) = bucket.entry_of(Some(key))?;
            let end = Ticks::from_word(line.end(entry).load(Ordering::Acquire));
            Some((end, line.drops(entry).load(Ordering::Relaxed)))
        })
    }

    /// Makes the drops of the ban of `key` so many, if they are fewer; tells whether there is one.
    pub fn raise_drops(&self, key: L::Key, least: u64) -> io::Result<bool> {
        self.in_bucket(key, |bucket| {
            let Some((line, entry)) = bucket.entry_of(Some(key)) else {
                return false;
            };
            line.drops(entry).fetch_max(least, Ordering::Relaxed);
            true
        })
    }

    /// Everyone banned, and until when.
    pub fn each(&self, mut each: impl FnMut(L::Key, Ticks)) -> io::Result<()> {
        self.lines.with(0, L::LINES as usize, |lines| {
            for line in lines {
                for entry in 0..L::ENTRIES {
                    if let Some(key) = line.key(entry) {
                        each(
                            key,
                            Ticks::from_word(line.end(entry).load(Ordering::Acquire)),
                        );
                    }
                }
            }
        })
    }

    fn in_bucket<R>(&self, key: L::Key, work: impl FnOnce(Bucket<'_, L>) -> R) -> io::Result<R> {
        let preferred = L::index_of(self.seed, self.buckets, key);
        let first = preferred & !1;
        self.lines.with(first, 2, |pair| {
            work(Bucket {
                first,
                preferred,
                pair,
            })
        })
    }
}

/// Two neighbouring lines, one of which is looked at first.
struct Bucket<'a, L> {
    first: u32,
    preferred: u32,
    pair: &'a [L],
}

impl<'a, L: Line> Bucket<'a, L> {
    /// One of all the lines.
    fn of(lines: &'a [L], preferred: u32) -> Self {
        let first = preferred & !1;
        Self {
            first,
            preferred,
            pair: &lines[first as usize..first as usize + 2],
        }
    }

    /// The first entry, in the order in which the kernel looks, that holds `key`, or nobody.
    fn entry_of(&self, key: Option<L::Key>) -> Option<(&'a L, usize)> {
        let (index, entry) = self.find(key)?;
        Some((&self.pair[(index - self.first) as usize], entry))
    }

    fn find(&self, key: Option<L::Key>) -> Option<(u32, usize)> {
        [self.preferred, neighbour(self.preferred)]
            .into_iter()
            .flat_map(|index| (0..L::ENTRIES).map(move |entry| (index, entry)))
            .find(|(index, entry)| self.pair[(index - self.first) as usize].key(*entry) == key)
    }
}

#[cfg(test)]
mod tests {
    use mailwall_common::KernelInstant;

    use super::*;

    const SEED: u64 = 0x5555_aaaa_1234_4321;

    fn at(second: u64) -> Ticks {
        Ticks::not_before(KernelInstant::from_ns(second * 1_000_000_000))
    }

    fn address(n: u32) -> AddressV4 {
        AddressV4::from_octets(n.to_be_bytes())
    }

    fn empty() -> Addresses<SharedLineV4> {
        Addresses::new(
            SharedArray::anonymous(LINES_V4).unwrap(),
            SEED,
            BucketsInUse::FEWEST,
        )
    }

    #[test]
    fn who_was_put_in_is_found_until_removed() {
        let mut addresses = empty();
        assert_eq!(addresses.put(address(7), at(10)).unwrap(), Put::New);
        assert_eq!(
            addresses.put(address(7), at(20)).unwrap(),
            Put::Renewed(at(10))
        );
        assert_eq!(addresses.get(address(7)).unwrap(), Some((at(20), 0)));
        assert_eq!(addresses.get(address(8)).unwrap(), None);
        assert_eq!(addresses.len(), 1);
        assert!(addresses.remove(address(7)).unwrap());
        assert!(!addresses.remove(address(7)).unwrap());
        assert_eq!(
            (addresses.get(address(7)).unwrap(), addresses.len()),
            (None, 0)
        );
    }

    #[test]
    fn drops_are_raised_and_never_lowered() {
        let mut addresses = empty();
        addresses.put(address(7), at(10)).unwrap();
        assert!(addresses.raise_drops(address(7), 5).unwrap());
        assert!(addresses.raise_drops(address(7), 3).unwrap());
        assert_eq!(addresses.get(address(7)).unwrap(), Some((at(10), 5)));
        assert!(!addresses.raise_drops(address(8), 5).unwrap());
    }

    #[test]
    fn nobody_has_no_entry() {
        assert_eq!(empty().put(address(0), at(1)).unwrap(), Put::NoRoom);
    }

    /// Both lines of a bucket, then no more; a place that was left is taken again.
    #[test]
    fn a_bucket_is_filled_before_there_is_no_room() {
        let bucket = |n: &u32| LineV4::index_of(SEED, BucketsInUse::FEWEST, address(*n)) / 2;
        let mates: Vec<u32> = (1..).filter(|n| bucket(n) == bucket(&1)).take(9).collect();
        let mut addresses = empty();
        for mate in &mates[..8] {
            assert_eq!(addresses.put(address(*mate), at(1)).unwrap(), Put::New);
        }
        assert_eq!(
            addresses.put(address(mates[8]), at(1)).unwrap(),
            Put::NoRoom
        );
        assert!(addresses.remove(address(mates[3])).unwrap());
        assert_eq!(addresses.put(address(mates[8]), at(1)).unwrap(), Put::New);
        for (mate, there) in mates.iter().zip([true, true, true, false, true]) {
            assert_eq!(addresses.get(address(*mate)).unwrap().is_some(), there);
        }
    }

    #[test]
    fn what_is_there_is_taken_over_but_for_what_is_out_of_place() {
        let lines = SharedArray::<SharedLineV4>::anonymous(LINES_V4).unwrap();
        let home = LineV4::index_of(SEED, BucketsInUse::FEWEST, address(7));
        let put = |index: u32, entry: usize, n| {
            lines
                .with(index, 1, |line| line[0].set_key(entry, Some(address(n))))
                .unwrap();
        };
        put(neighbour(home), 2, 7);
        // The same once more where it is looked for later, and one that belongs elsewhere.
        put(neighbour(home), 3, 7);
        put(home ^ 2, 0, 7);
        let mut found = Vec::new();
        let mut addresses = Addresses::new(lines, SEED, BucketsInUse::FEWEST);
        addresses.read(|key| found.push(key)).unwrap();
        assert_eq!((found, addresses.len()), (vec![address(7)], 1));
        let mut left = Vec::new();
        addresses.each(|key, _| left.push(key)).unwrap();
        assert_eq!(left, [address(7)]);
    }

    #[test]
    fn with_more_buckets_everyone_is_found_and_no_drop_is_lost() {
        let mut addresses = empty();
        let room = BucketsInUse::FEWEST.count() * LineV4::ENTRIES;
        let put: Vec<u32> = (1..=room as u32)
            .filter(|n| addresses.put(address(*n), at(u64::from(*n))).unwrap() == Put::New)
            .collect();
        assert_eq!(addresses.buckets_for(0), BucketsInUse::FEWEST);
        let more = addresses.buckets_for(3 * room);
        assert_eq!(more, BucketsInUse::FEWEST.doubled().doubled());

        let dropped = |addresses: &Addresses<SharedLineV4>, n: u32| {
            addresses
                .in_bucket(address(n), |bucket| {
                    let (line, entry) = bucket.entry_of(Some(address(n))).unwrap();
                    line.drops(entry).fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
        };
        let first = put[0];
        dropped(&addresses, first);
        let copied = addresses.copy_to(more).unwrap();
        // The kernel still finds the old places; then it finds the new ones.
        for moved in &copied {
            addresses
                .lines
                .with(moved.from, 1, |line| {
                    line[0].drops(moved.entry).fetch_add(10, Ordering::Relaxed)
                })
                .unwrap();
        }
        for n in &put {
            dropped(&addresses, *n);
        }
        addresses.leave(&copied).unwrap();

        let moved = copied.len() as u64;
        let mut drops = 0;
        for n in &put {
            let (end, dropped) = addresses.get(address(*n)).unwrap().unwrap();
            assert_eq!(end, at(u64::from(*n)));
            drops += dropped;
        }
        assert_eq!(drops, 1 + 10 * moved + put.len() as u64);
        let mut found = 0;
        addresses.each(|_, _| found += 1).unwrap();
        assert_eq!((found, addresses.len()), (put.len(), put.len()));
        assert!(moved > put.len() as u64 / 2);
    }
}

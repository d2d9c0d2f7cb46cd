//! The bans of single addresses (IPv4 /32, IPv6 /64) in their cache lines: the table itself, as the kernel reads it. Each
//! change is a few atomic stores in the order that the kernel must see them in.

use std::{
    io,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use mailwall_common::{
    AddressV4, BanEnd, BucketsInUse, LINES_V4, LINES_V6, LineV4, LineV6, PrefixV6, Ticks, neighbour,
};

use super::{
    ranges::Ranges,
    shared::{Shared, SharedArray, SharedLineV4, SharedLineV6},
};

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
    /// Its place in the order of addresses.
    fn number(key: Self::Key) -> u64;
    /// Whether the key can be kept in a line at all.
    fn takes(key: Self::Key) -> bool;
    /// Who is there; nobody in a free entry.
    fn key(&self, entry: usize) -> Option<Self::Key>;
    /// Puts somebody there, or frees the entry.
    fn set_key(&self, entry: usize, key: Option<Self::Key>);
    /// When the ban is over, a [`BanEnd`].
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

    fn number(key: AddressV4) -> u64 {
        u32::from_be(key.word()).into()
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

    fn number(key: PrefixV6) -> u64 {
        u64::from_be(key.word())
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
    /// What the allowlist holds, by [`Line::number`].
    allowed: Ranges,
}

impl<L: Line> Addresses<L> {
    /// Those in `lines`, which must be [read](Self::read) first if anybody is there.
    pub fn new(lines: SharedArray<L>, seed: u64) -> Self {
        Self {
            lines,
            seed,
            buckets: BucketsInUse::FEWEST,
            len: 0,
            allowed: Ranges::default(),
        }
    }

    /// Notes at each ban whether the allowlist, which holds these now, may hold who is banned.
    ///
    /// # Errors
    /// When the lines cannot be mapped.
    pub fn allow(&mut self, allowed: Ranges) -> io::Result<()> {
        self.lines.with(0, 2 * self.buckets.count(), |lines| {
            for line in lines {
                for entry in 0..L::ENTRIES {
                    let Some(key) = line.key(entry) else { continue };
                    let end = line.end(entry);
                    let noted = BanEnd::from_word(end.load(Ordering::Relaxed));
                    let now = BanEnd::new(noted.ticks(), allowed.holds(L::number(key)));
                    if now != noted {
                        end.store(now.word(), Ordering::Release);
                    }
                }
            }
        })?;
        self.allowed = allowed;
        Ok(())
    }

    /// Takes over what is in the lines, of which the kernel uses these `buckets`; `note` is told of everyone. Whoever is not where
    /// they would be looked for is removed.
    ///
    /// # Errors
    /// When the lines cannot be mapped.
    pub fn read(&mut self, buckets: BucketsInUse, mut note: impl FnMut(L::Key)) -> io::Result<()> {
        self.buckets = buckets;
        let seed = self.seed;
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
        let end = BanEnd::new(end, self.allowed.holds(L::number(key)));
        let put = self.in_bucket(key, |bucket| {
            if let Some((line, entry)) = bucket.entry_of(Some(key)) {
                let before = line.end(entry).swap(end.word(), Ordering::AcqRel);
                return Put::Renewed(BanEnd::from_word(before).ticks());
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
            let end = BanEnd::from_word(line.end(entry).load(Ordering::Acquire));
            Some((end.ticks(), line.drops(entry).load(Ordering::Relaxed)))
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
                        let end = BanEnd::from_word(line.end(entry).load(Ordering::Acquire));
                        each(key, end.ticks());
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
mod tests;

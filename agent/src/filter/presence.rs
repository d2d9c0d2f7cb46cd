//! Which presence bits are set: exactly those of what is banned. A bit is set before the first entry it is for, and cleared
//! when the last one is gone.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use foldhash::quality::RandomState;
use mailwall_common::{
    ANY_WORDS_V4, AddressV4, AddressV6, Cell, PRESENCE_V4_WORDS, PRESENCE_V6_WORDS, PrefixV6,
};

use super::{
    shared::SharedArray,
    table::{Networks, Span},
};

/// The /24s that a word of the second part of IPv4 tells of.
const PER_WORD: u32 = 32;
/// The bits of networks among those of a word of IPv4.
const NETWORKS: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// The words in the kernel.
type Words = SharedArray<AtomicU64>;

/// Presence of IPv4 bans.
#[derive(Debug)]
pub struct PresenceV4 {
    words: Words,
    /// How many banned addresses are in a /24.
    addresses: Counts,
}

impl PresenceV4 {
    /// Nothing is known to be there yet; what is must be [noted](Self::note), and then [written](Self::write).
    pub fn new(words: Words) -> Self {
        Self {
            words,
            addresses: Counts::default(),
        }
    }

    /// Forgets the addresses that were noted and added; the words stay until they are written.
    pub fn forget(&mut self) {
        self.addresses = Counts::default();
    }

    /// Notes an address that is in the lines already.
    pub fn note(&mut self, address: AddressV4) {
        self.addresses.add(address.slash_24());
    }

    /// Makes the bits what was noted and added, beside `networks` and no others.
    pub fn write(&mut self, networks: &Networks) -> io::Result<()> {
        let mut wanted = vec![0; PRESENCE_V4_WORDS as usize];
        for bits in self.addresses.keys() {
            let cell = Cell::addresses_v4(bits);
            wanted[cell.word as usize] |= cell.mask;
        }
        for (span, _) in networks.iter() {
            let (first, last) = span.slash_24s();
            for (word, mask) in network_masks(first, last) {
                wanted[word as usize] |= mask;
            }
        }
        let (any, kinds) = wanted.split_at_mut(ANY_WORDS_V4 as usize);
        for (any, kinds) in any.iter_mut().zip(kinds.chunks_exact(2)) {
            *any = present(kinds[0]) | present(kinds[1]) << PER_WORD;
        }
        write(&mut self.words, &wanted)
    }

    /// An address is about to enter the lines.
    pub fn add_address(&mut self, address: AddressV4) -> io::Result<()> {
        if self.addresses.add(address.slash_24()) {
            let cell = Cell::addresses_v4(address.slash_24());
            set(&self.words, cell)?;
            self.tell_any(cell.word, 1)?;
        }
        Ok(())
    }

    /// An address has left the lines.
    pub fn remove_address(&mut self, address: AddressV4) -> io::Result<()> {
        if self.addresses.remove(address.slash_24()) {
            let cell = Cell::addresses_v4(address.slash_24());
            clear(&self.words, cell)?;
            self.tell_any(cell.word, 1)?;
        }
        Ok(())
    }

    /// A network is about to enter the trie.
    pub fn add_network(&self, span: Span) -> io::Result<()> {
        let (first, last) = span.slash_24s();
        self.each_word(first, last, |word, mask| {
            word.fetch_or(mask, Ordering::AcqRel);
        })
    }

    /// A network has left the trie, in which the `remaining` are.
    pub fn remove_network(&self, span: Span, remaining: &Networks) -> io::Result<()> {
        let (first, last) = span.slash_24s();
        let whole = span.widened_to(24);
        if remaining.narrowest_around(whole).is_some() {
            return Ok(());
        }
        // What lies between the networks that are left.
        let mut next = first;
        for inner in remaining.within(whole) {
            let (inner_first, inner_last) = inner.slash_24s();
            if inner_first > next {
                self.clear_networks(next, inner_first - 1)?;
            }
            next = next.max(inner_last + 1);
        }
        if next <= last {
            self.clear_networks(next, last)?;
        }
        Ok(())
    }

    fn clear_networks(&self, first: u32, last: u32) -> io::Result<()> {
        self.each_word(first, last, |word, mask| {
            word.fetch_and(!mask, Ordering::AcqRel);
        })
    }

    /// The words of a range of /24s, with the bits of their networks in them. They are mapped once: a wide network has many.
    fn each_word(&self, first: u32, last: u32, change: impl Fn(&AtomicU64, u64)) -> io::Result<()> {
        let first_word = ANY_WORDS_V4 + first / PER_WORD;
        let count = (last / PER_WORD - first / PER_WORD + 1) as usize;
        self.words.with(first_word, count, |words| {
            for (word, (_, mask)) in words.iter().zip(network_masks(first, last)) {
                change(word, mask);
            }
        })?;
        self.tell_any(first_word, count)
    }

    /// Makes the first part say what these words of the second do.
    fn tell_any(&self, first_word: u32, count: usize) -> io::Result<()> {
        // Each word of the first part stands for two of the second.
        let first = (first_word - ANY_WORDS_V4) / 2;
        let last = (first_word - ANY_WORDS_V4 + count as u32 - 1) / 2;
        let any_count = (last - first + 1) as usize;
        self.words
            .with(ANY_WORDS_V4 + 2 * first, 2 * any_count, |kinds| {
                self.words.with(first, any_count, |any| {
                    for (any, kinds) in any.iter().zip(kinds.chunks_exact(2)) {
                        let [low, high] =
                            [0, 1].map(|word: usize| present(kinds[word].load(Ordering::Acquire)));
                        any.store(low | high << PER_WORD, Ordering::Release);
                    }
                })
            })?
    }

    /// See [`SharedArray::hold`].
    pub fn hold(&mut self) -> io::Result<()> {
        self.words.hold()
    }

    /// See [`SharedArray::release`].
    pub fn release(&mut self) {
        self.words.release();
    }
}

/// Presence of IPv6 bans.
#[derive(Debug)]
pub struct PresenceV6 {
    words: Words,
    seed: u64,
    /// How many banned prefixes share a cell.
    prefixes: Counts,
    /// How many networks do.
    networks: Counts,
    wide: u32,
}

impl PresenceV6 {
    /// Nothing is known to be there yet; what is must be noted, and then [written](Self::write).
    pub fn new(words: Words, seed: u64) -> Self {
        Self {
            words,
            seed,
            prefixes: Counts::default(),
            networks: Counts::default(),
            wide: 0,
        }
    }

    /// Forgets the prefixes that were noted and added; the words stay until they are written.
    pub fn forget(&mut self) {
        self.prefixes = Counts::default();
    }

    /// Notes a prefix that is in the lines already.
    pub fn note(&mut self, prefix: PrefixV6) {
        self.prefixes
            .add(number(Cell::prefix_v6(self.seed, prefix)));
    }

    /// Makes the bits what was noted and added, beside `networks` and no others.
    pub fn write(&mut self, networks: &Networks) -> io::Result<()> {
        self.networks = Counts::default();
        self.wide = 0;
        for (span, _) in networks.iter() {
            match self.cell_of(span) {
                Some(cell) => {
                    self.networks.add(number(cell));
                }
                None => self.wide += 1,
            }
        }
        let mut wanted = vec![0; PRESENCE_V6_WORDS as usize];
        for number in self.prefixes.keys().chain(self.networks.keys()) {
            wanted[(number >> 6) as usize] |= 1 << (number & 63);
        }
        write(&mut self.words, &wanted)
    }

    /// A prefix is about to enter the lines.
    pub fn add_prefix(&mut self, prefix: PrefixV6) -> io::Result<()> {
        let cell = Cell::prefix_v6(self.seed, prefix);
        if self.prefixes.add(number(cell)) {
            set(&self.words, cell)?;
        }
        Ok(())
    }

    /// A prefix has left the lines.
    pub fn remove_prefix(&mut self, prefix: PrefixV6) -> io::Result<()> {
        let cell = Cell::prefix_v6(self.seed, prefix);
        if self.prefixes.remove(number(cell)) {
            clear(&self.words, cell)?;
        }
        Ok(())
    }

    /// A network is about to enter the trie; after this, [`PresenceV6::wide`] may be another.
    pub fn add_network(&mut self, span: Span) -> io::Result<()> {
        match self.cell_of(span) {
            Some(cell) if self.networks.add(number(cell)) => set(&self.words, cell)?,
            Some(_) => {}
            None => self.wide += 1,
        }
        Ok(())
    }

    /// A network has left the trie; after this, [`PresenceV6::wide`] may be another.
    pub fn remove_network(&mut self, span: Span) -> io::Result<()> {
        match self.cell_of(span) {
            Some(cell) if self.networks.remove(number(cell)) => clear(&self.words, cell)?,
            Some(_) => {}
            None => self.wide = self.wide.saturating_sub(1),
        }
        Ok(())
    }

    /// Networks that have no cell: those wider than /32.
    pub fn wide(&self) -> u32 {
        self.wide
    }

    /// See [`SharedArray::hold`].
    pub fn hold(&mut self) -> io::Result<()> {
        self.words.hold()
    }

    /// See [`SharedArray::release`].
    pub fn release(&mut self) {
        self.words.release();
    }

    fn cell_of(&self, span: Span) -> Option<Cell> {
        let (octets, len) = span.as_v6();
        let bits = AddressV6::from_octets(octets).slash_32();
        (len >= 32).then(|| Cell::networks_v6(self.seed, bits))
    }
}

/// How many there are of each.
#[derive(Debug, Default)]
struct Counts(HashMap<u32, u32, RandomState>);

impl Counts {
    /// One more; tells whether it is the first.
    fn add(&mut self, key: u32) -> bool {
        let count = self.0.entry(key).or_default();
        *count += 1;
        *count == 1
    }

    /// One less; tells whether it was the last.
    fn remove(&mut self, key: u32) -> bool {
        let Entry::Occupied(mut held) = self.0.entry(key) else {
            return false;
        };
        *held.get_mut() -= 1;
        let last = *held.get() == 0;
        if last {
            held.remove();
        }
        last
    }

    fn keys(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }
}

/// A cell as one number, which takes a third of the memory.
fn number(cell: Cell) -> u32 {
    cell.word << 6 | cell.mask.trailing_zeros()
}

fn set(words: &Words, cell: Cell) -> io::Result<()> {
    words.with(cell.word, 1, |words| {
        words[0].fetch_or(cell.mask, Ordering::AcqRel);
    })
}

fn clear(words: &Words, cell: Cell) -> io::Result<()> {
    words.with(cell.word, 1, |words| {
        words[0].fetch_and(!cell.mask, Ordering::AcqRel);
    })
}

/// No bit that is to stay is ever clear: a word goes from what it was to what it shall be at once.
fn write(words: &mut Words, wanted: &[u64]) -> io::Result<()> {
    words.hold()?;
    let written = words.with(0, wanted.len(), |words| {
        for (word, wanted) in words.iter().zip(wanted) {
            word.store(*wanted, Ordering::Release);
        }
    });
    words.release();
    written
}

/// Which /24s of a word of the second part have any bit: one bit for each.
fn present(kinds: u64) -> u64 {
    let mut bits = (kinds | kinds >> 1) & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits
}

/// The words of a range of /24s, with the bits of their networks in them.
fn network_masks(first: u32, last: u32) -> impl Iterator<Item = (u32, u64)> {
    (first / PER_WORD..=last / PER_WORD).map(move |word| {
        let from = if word == first / PER_WORD {
            first % PER_WORD
        } else {
            0
        };
        let to = if word == last / PER_WORD {
            last % PER_WORD
        } else {
            PER_WORD - 1
        };
        let range = u64::MAX << (2 * from) & u64::MAX >> (2 * (PER_WORD - 1 - to));
        (ANY_WORDS_V4 + word, NETWORKS & range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_24_is_present_when_any_of_its_bits_is() {
        for bits in 0..32 {
            for kinds in [1, 2, 3] {
                assert_eq!(present(kinds << (2 * bits)), 1 << bits);
            }
        }
        assert_eq!(present(u64::MAX), 0xffff_ffff);
        assert_eq!(present(0), 0);
    }

    #[test]
    fn ranges_of_slash_24s_are_their_cells() {
        for (first, last) in [
            (0, 0),
            (5, 9),
            (31, 32),
            (30, 95),
            (64, 127),
            (1 << 23, (1 << 24) - 1),
        ] {
            let mut expected = HashMap::<u32, u64>::new();
            for bits in first..=last {
                let cell = Cell::networks_v4(bits);
                *expected.entry(cell.word).or_default() |= cell.mask;
            }
            assert_eq!(
                network_masks(first, last).collect::<HashMap<_, _>>(),
                expected
            );
        }
    }
}

//! The ways past the trie of IPv4 networks: how long the prefix of the narrowest banned network around each /24 is, and where
//! the record of that network is. Lengths are told before a network enters the trie and after it has left; shortcuts are there
//! only while it is in it. So what they lead to is what the trie would have found, or they are silent.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use mailwall_common::{
    BanSlot, NetworkV4, PREFIX_LENGTHS_V4_WORDS, PrefixLength, SHORTCUT_LINES, Shortcut,
    ShortcutKey, ShortcutLine,
};

use super::{
    ranges::Ranges,
    shared::{SharedArray, SharedShortcutLine},
    table::{Networks, Span},
};

/// The /24s that a word of the lengths tells of.
const PER_WORD: u32 = 16;

/// See the module.
#[derive(Debug)]
pub struct Shortcuts {
    lengths: SharedArray<AtomicU64>,
    lines: SharedArray<SharedShortcutLine>,
    seed: u64,
    /// What the allowlist holds; `None` while that is not known.
    allowed: Option<Ranges>,
}

impl Shortcuts {
    /// Nothing is known of what is there; it must be [written](Self::write).
    pub fn new(
        lengths: SharedArray<AtomicU64>,
        lines: SharedArray<SharedShortcutLine>,
        seed: u64,
    ) -> Self {
        Self {
            lengths,
            lines,
            seed,
            allowed: None,
        }
    }

    /// Makes them those of `networks`, which are what the trie holds, and no others.
    pub fn write(&mut self, networks: &Networks) -> io::Result<()> {
        let mut lengths = vec![0; PREFIX_LENGTHS_V4_WORDS as usize];
        let mut lines = vec![ShortcutLine::default(); SHORTCUT_LINES as usize];
        for (span, held) in networks.iter() {
            let (first, last) = span.slash_24s();
            paint(&mut lengths, 0, (first, last), told_of(span));
            if let Some(key) = key_of(span) {
                let line = &mut lines[key.line(self.seed) as usize];
                if let Some(free) = line.entries.iter_mut().find(|entry| **entry == 0) {
                    *free = self.shortcut(key, held.slot).word();
                }
            }
        }
        self.hold()?;
        let written = self.lines.with(0, lines.len(), |all| {
            for (line, wanted) in all.iter().zip(&lines) {
                for (entry, wanted) in line.entries.iter().zip(&wanted.entries) {
                    entry.store(*wanted, Ordering::Release);
                }
            }
        });
        let written = written.and_then(|()| {
            self.lengths.with(0, lengths.len(), |words| {
                for (word, wanted) in words.iter().zip(&lengths) {
                    word.store(*wanted, Ordering::Release);
                }
            })
        });
        self.release();
        written
    }

    /// Tells the lengths in `span`, which is about to enter the trie or has left it; `networks` are those that the trie holds
    /// then.
    pub fn tell(&self, span: Span, networks: &Networks) -> io::Result<()> {
        let (first, last) = span.slash_24s();
        let first_word = first / PER_WORD;
        let count = (last / PER_WORD - first_word + 1) as usize;
        self.lengths.with(first_word, count, |words| {
            let mut told: Vec<u64> = words
                .iter()
                .map(|word| word.load(Ordering::Acquire))
                .collect();
            let whole = span.widened_to(24);
            let around = networks.narrowest_around(whole);
            let of_around = around.map_or(PrefixLength::UNTOLD, told_of);
            paint(&mut told, first_word, (first, last), of_around);
            for inner in networks.within(whole) {
                paint(&mut told, first_word, inner.slash_24s(), told_of(inner));
            }
            for (word, told) in words.iter().zip(told) {
                word.store(told, Ordering::Release);
            }
        })
    }

    /// A network has entered the trie.
    pub fn enter(&self, network: NetworkV4, slot: BanSlot) -> io::Result<()> {
        let Some(key) = ShortcutKey::of(network) else {
            return Ok(());
        };
        self.lines.with(key.line(self.seed), 1, |lines| {
            let free = lines[0]
                .entries
                .iter()
                .find(|entry| entry.load(Ordering::Acquire) == 0);
            if let Some(free) = free {
                free.store(self.shortcut(key, slot).word(), Ordering::Release);
            }
        })
    }

    /// A network is about to leave the trie.
    pub fn leave(&self, network: NetworkV4) -> io::Result<()> {
        let Some(key) = ShortcutKey::of(network) else {
            return Ok(());
        };
        self.lines.with(key.line(self.seed), 1, |lines| {
            for entry in &lines[0].entries {
                let found = Shortcut::from_word(entry.load(Ordering::Acquire));
                if found.is_some_and(|found| found.key() == key) {
                    entry.store(0, Ordering::Release);
                }
            }
        })
    }

    /// Notes at each whether the allowlist, which holds these addresses now, may hold a source of its network.
    pub fn allow(&mut self, allowed: Ranges) -> io::Result<()> {
        self.allowed = Some(allowed);
        self.lines.with(0, SHORTCUT_LINES as usize, |lines| {
            for entry in lines.iter().flat_map(|line| &line.entries) {
                let word = entry.load(Ordering::Acquire);
                if let Some(found) = Shortcut::from_word(word) {
                    let noted = self.shortcut(found.key(), found.slot());
                    if noted != found {
                        entry.store(noted.word(), Ordering::Release);
                    }
                }
            }
        })
    }

    fn shortcut(&self, key: ShortcutKey, slot: BanSlot) -> Shortcut {
        let (first, last) = key.addresses();
        let allowed = self.allowed.as_ref();
        let may_be_allowed = allowed.is_none_or(|allowed| allowed.meets(first.into(), last.into()));
        Shortcut::new(key, slot, may_be_allowed)
    }

    /// See [`SharedArray::hold`].
    pub fn hold(&mut self) -> io::Result<()> {
        self.lengths.hold()?;
        self.lines.hold()
    }

    /// See [`SharedArray::release`].
    pub fn release(&mut self) {
        self.lengths.release();
        self.lines.release();
    }
}

/// What is told of the /24s of a network that nothing narrower is in: nothing, if it is a part of one.
fn told_of(span: Span) -> PrefixLength {
    let (_, len) = span.as_v4();
    PrefixLength::of(len)
}

fn key_of(span: Span) -> Option<ShortcutKey> {
    let (octets, len) = span.as_v4();
    ShortcutKey::of(NetworkV4::new(len, octets))
}

/// Puts the same into the words of a range of /24s; `first_word` is the number of the first of `words`.
fn paint(words: &mut [u64], first_word: u32, (first, last): (u32, u32), told: PrefixLength) {
    for word in first / PER_WORD..=last / PER_WORD {
        let painted = &mut words[(word - first_word) as usize];
        let start = word * PER_WORD;
        for slash_24 in first.max(start)..=last.min(start + PER_WORD - 1) {
            *painted = told.put_into(*painted, slash_24);
        }
    }
}

#[cfg(test)]
mod tests {
    use mailwall_common::KernelInstant;

    use super::*;
    use crate::filter::table::Held;

    const SEED: u64 = 0x1234_5678_9abc_def1;

    fn shortcuts() -> Shortcuts {
        let lengths = SharedArray::anonymous(PREFIX_LENGTHS_V4_WORDS).unwrap();
        let lines = SharedArray::anonymous(SHORTCUT_LINES).unwrap();
        Shortcuts::new(lengths, lines, SEED)
    }

    fn length(shortcuts: &Shortcuts, slash_24: u32) -> Option<u32> {
        let word = PrefixLength::word_of(slash_24);
        let word = shortcuts
            .lengths
            .with(word, 1, |words| words[0].load(Ordering::Acquire));
        PrefixLength::in_word(word.unwrap(), slash_24).bits()
    }

    fn found(shortcuts: &Shortcuts, network: NetworkV4) -> Option<Shortcut> {
        let key = ShortcutKey::of(network).unwrap();
        shortcuts
            .lines
            .with(key.line(SEED), 1, |lines| {
                let words = lines[0].entries.iter();
                let mut found =
                    words.filter_map(|word| Shortcut::from_word(word.load(Ordering::Acquire)));
                found.find(|found| found.key() == key)
            })
            .unwrap()
    }

    fn slot(shortcuts: &Shortcuts, network: NetworkV4) -> Option<BanSlot> {
        found(shortcuts, network).map(Shortcut::slot)
    }

    fn network(n: u32) -> NetworkV4 {
        // Few places, and every length, so that they lie in one another.
        let len = if n.is_multiple_of(7) {
            8 + n % 25
        } else {
            20 + n % 13
        };
        let bits = 0x0a00_0000 | (n.wrapping_mul(0x9e37_79b1) >> 9 & 0x0003_ffff);
        NetworkV4::new(len, (bits & u32::MAX << (32 - len)).to_be_bytes())
    }

    fn span(network: NetworkV4) -> Span {
        Span::v4(network.octets(), network.prefix_len())
    }

    /// What a trie of these would find for all addresses of a /24, if it is the same for all and one of those that can be told.
    fn expected(networks: &Networks, slash_24: u32) -> Option<u32> {
        let around = |len: u32| networks.get(Span::v4((slash_24 << 8).to_be_bytes(), len));
        let inside = Span::v4((slash_24 << 8).to_be_bytes(), 24);
        if networks.within(inside).any(|inner| inner.as_v4().1 > 24) {
            return None;
        }
        let narrowest = (0..=24).rev().find(|len| around(*len).is_some())?;
        (narrowest >= 10).then_some(narrowest)
    }

    #[test]
    fn they_are_what_a_trie_would_find() {
        let mut shortcuts = shortcuts();
        let mut networks = Networks::default();
        let mut held = Vec::new();
        for n in 0..3_000_u32 {
            let network = network(n);
            if n % 3 < 2 && networks.get(span(network)).is_none() {
                let end = KernelInstant::NEVER;
                let slot = BanSlot::new(n);
                let entry = Held {
                    slot,
                    own: end,
                    effective: end,
                };
                networks.insert(span(network), entry);
                shortcuts.tell(span(network), &networks).unwrap();
                shortcuts.enter(network, slot).unwrap();
                held.push(network);
            } else if !held.is_empty() {
                let network = held.swap_remove(n as usize % held.len());
                shortcuts.leave(network).unwrap();
                networks.remove(span(network));
                shortcuts.tell(span(network), &networks).unwrap();
            }
            if n % 100 == 0 {
                check(&shortcuts, &networks);
            }
        }
        assert!(held.len() > 200, "{}", held.len());
        check(&shortcuts, &networks);
        // And the same when they are written at once, over what was there.
        shortcuts
            .enter(NetworkV4::new(24, [9, 9, 9, 0]), BanSlot::new(1))
            .unwrap();
        shortcuts.write(&networks).unwrap();
        check(&shortcuts, &networks);
        assert_eq!(slot(&shortcuts, NetworkV4::new(24, [9, 9, 9, 0])), None);
    }

    #[track_caller]
    fn check(shortcuts: &Shortcuts, networks: &Networks) {
        let places = (0x000a_0000..0x000a_0400).chain([0x0009_ffff, 0x000a_ffff, 0x000b_0000]);
        for slash_24 in places {
            let told = length(shortcuts, slash_24);
            assert_eq!(told, expected(networks, slash_24), "{slash_24:x}");
            if let Some(len) = told {
                let octets = (slash_24 << 8 & u32::MAX << (32 - len)).to_be_bytes();
                let held = networks.get(Span::v4(octets, len)).unwrap();
                assert_eq!(
                    slot(shortcuts, NetworkV4::new(len, octets)),
                    Some(held.slot)
                );
            }
        }
    }

    #[test]
    fn what_finds_no_room_is_left_to_the_trie() {
        let shortcuts = shortcuts();
        let line = |n: u32| {
            let key = ShortcutKey::of(NetworkV4::new(24, (n << 8).to_be_bytes()));
            key.unwrap().line(SEED)
        };
        let mates: Vec<NetworkV4> = (1..1 << 24)
            .filter(|n| line(*n) == line(1))
            .take(9)
            .map(|n| NetworkV4::new(24, (n << 8).to_be_bytes()))
            .collect();
        for (n, mate) in (0..).zip(&mates) {
            shortcuts.enter(*mate, BanSlot::new(n)).unwrap();
        }
        assert_eq!(slot(&shortcuts, mates[7]), Some(BanSlot::new(7)));
        assert_eq!(slot(&shortcuts, mates[8]), None);
        shortcuts.leave(mates[3]).unwrap();
        assert_eq!(slot(&shortcuts, mates[3]), None);
        shortcuts.enter(mates[8], BanSlot::new(8)).unwrap();
        assert_eq!(slot(&shortcuts, mates[8]), Some(BanSlot::new(8)));
    }

    #[test]
    fn the_allowlist_is_asked_where_it_may_hold_a_source() {
        let mut shortcuts = shortcuts();
        let [one, other] = [7, 8].map(|n| NetworkV4::new(24, [10, 0, n, 0]));
        let asked = |shortcuts: &Shortcuts| {
            [one, other].map(|network| found(shortcuts, network).unwrap().may_be_allowed())
        };
        shortcuts.enter(one, BanSlot::new(1)).unwrap();
        shortcuts.enter(other, BanSlot::new(2)).unwrap();
        assert_eq!(asked(&shortcuts), [true, true], "nothing is known");
        let address = u64::from(u32::from_be_bytes([10, 0, 8, 200]));
        shortcuts
            .allow(Ranges::new(vec![(address, address)]))
            .unwrap();
        assert_eq!(asked(&shortcuts), [false, true]);
        shortcuts.leave(other).unwrap();
        shortcuts.allow(Ranges::default()).unwrap();
        shortcuts.enter(other, BanSlot::new(3)).unwrap();
        assert_eq!(asked(&shortcuts), [false, false]);
        assert_eq!(slot(&shortcuts, other), Some(BanSlot::new(3)));
    }
}

//! Where the record of a banned IPv4 network is found without the trie, one look into which costs as much as ten reads of
//! memory. For each /24 there are four bits of how long the prefix of the narrowest banned network around it is, and by that prefix a line
//! tells the network's record. What they do not tell is asked of the trie: they may be silent, but not wrong.

use crate::{AddressV4, BanSlot, NetworkV4, line::spread};

/// 64-bit words of the `PREFIX_LENGTHS_V4` map: four bits for each /24.
pub const PREFIX_LENGTHS_V4_WORDS: u32 = 1 << (24 - 4);
/// Lines of the `SHORTCUTS_V4` map, of which a full set of networks takes half the entries.
pub const SHORTCUT_LINES: u32 = 1 << SHORTCUT_LINES_BITS;

const SHORTCUT_LINES_BITS: u32 = 15;

/// How long the prefix of the narrowest banned network around a /24 is, as far as four bits tell that: where one lies in the /24, or
/// the narrowest is very wide, they tell nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PrefixLength(u8);

impl PrefixLength {
    /// Nothing: the trie is to be asked.
    pub const UNTOLD: Self = Self(0);
    /// Of a longest length of 24 the shortest that is left.
    const SHORTEST: u32 = 10;
    const MASK: u64 = 0xf;

    /// Of a network of `len` bits.
    pub const fn of(len: u32) -> Self {
        if len < Self::SHORTEST || len > 24 {
            return Self::UNTOLD;
        }
        Self((len - Self::SHORTEST + 1) as u8)
    }

    /// The number of bits, if it is told.
    #[inline(always)]
    pub const fn bits(self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        Some(self.0 as u32 + Self::SHORTEST - 1)
    }

    /// The word that tells of a /24.
    #[inline(always)]
    pub const fn word_of(slash_24: u32) -> u32 {
        slash_24 >> 4
    }

    /// What the word of a /24 tells of it.
    #[inline(always)]
    pub const fn in_word(word: u64, slash_24: u32) -> Self {
        Self((word >> (4 * (slash_24 & 15)) & Self::MASK) as u8)
    }

    /// The word of a /24 with this in it.
    pub const fn put_into(self, word: u64, slash_24: u32) -> u64 {
        let shift = 4 * (slash_24 & 15);
        word & !(Self::MASK << shift) | (self.0 as u64) << shift
    }
}

/// A banned network and its record, in one word, so that neither is ever seen without the other. 0 where there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(transparent)]
pub struct Shortcut(u64);

impl Shortcut {
    const MAY_BE_ALLOWED: u32 = 1 << 31;

    /// To the record of a network, which a [`PrefixLength`] can tell of and of which the allowlist holds something or nothing.
    pub const fn new(key: ShortcutKey, slot: BanSlot, may_be_allowed: bool) -> Self {
        let flag = if may_be_allowed {
            Self::MAY_BE_ALLOWED
        } else {
            0
        };
        Self((key.0 as u64) << 32 | (slot.index() | flag) as u64)
    }

    /// From the word in the line; `None` where there is none.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        Some(Self(word))
    }

    /// The word in the line.
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Of which network.
    #[inline(always)]
    pub const fn key(self) -> ShortcutKey {
        ShortcutKey((self.0 >> 32) as u32)
    }

    /// Its record.
    #[inline(always)]
    pub const fn slot(self) -> BanSlot {
        BanSlot::new(self.0 as u32 & !Self::MAY_BE_ALLOWED)
    }

    /// Whether the allowlist may hold sources of the network. Where this says no, it does not.
    #[inline(always)]
    pub const fn may_be_allowed(self) -> bool {
        self.0 as u32 & Self::MAY_BE_ALLOWED != 0
    }
}

/// An IPv4 network of at most 24 bits: these, and in the last octet how many. Never 0.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ShortcutKey(u32);

impl ShortcutKey {
    /// The network of `len` leading bits of an address, 1 to 24.
    #[inline(always)]
    pub const fn around(address: AddressV4, len: u32) -> Self {
        Self(u32::from_be(address.word()) & u32::MAX << (32 - len) | len)
    }

    /// Of a network, if a [`PrefixLength`] can tell of it.
    pub const fn of(network: NetworkV4) -> Option<Self> {
        match PrefixLength::of(network.prefix_len()).bits() {
            Some(len) => Some(Self::around(AddressV4::from_octets(network.octets()), len)),
            None => None,
        }
    }

    /// The first and the last address of the network.
    pub const fn addresses(self) -> (u32, u32) {
        let hosts = u32::MAX >> (self.0 & 0xff);
        let first = self.0 & !0xff;
        (first, first | hosts)
    }

    /// The line in which it is looked for. `seed` is that in [`Settings`](crate::Settings).
    #[inline(always)]
    pub const fn line(self, seed: u64) -> u32 {
        (spread(seed, self.0 as u64) >> 40) as u32 & (SHORTCUT_LINES - 1)
    }
}

/// A cache line of [`Shortcut`]s. What finds no room in its line is found in the trie alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct ShortcutLine {
    /// [`Shortcut::word`], or 0.
    pub entries: [u64; Self::ENTRIES],
}

impl ShortcutLine {
    /// Shortcuts in a line.
    pub const ENTRIES: usize = 8;
}

const _: () = assert!(size_of::<ShortcutLine>() == 64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NETWORKS_CAPACITY;

    #[test]
    fn four_bits_tell_the_lengths_that_they_can() {
        for len in 0..=32 {
            let told = PrefixLength::of(len).bits();
            assert_eq!(told, (10..=24).contains(&len).then_some(len));
        }
    }

    #[test]
    fn each_slash_24_has_its_own_bits() {
        let mut word = u64::MAX;
        for slash_24 in 0..16 {
            word = PrefixLength::of(10 + slash_24).put_into(word, slash_24);
        }
        for slash_24 in 0..16 {
            let told = PrefixLength::in_word(word, slash_24);
            assert_eq!(told, PrefixLength::of(10 + slash_24));
        }
        let last = (1 << 24) - 1;
        assert_eq!(PrefixLength::word_of(last), PREFIX_LENGTHS_V4_WORDS - 1);
    }

    #[test]
    fn a_shortcut_is_of_every_address_of_its_network_and_no_other() {
        let network = NetworkV4::new(20, [203, 0, 112, 0]);
        let key = ShortcutKey::of(network).unwrap();
        let found = |octets, len| ShortcutKey::around(AddressV4::from_octets(octets), len) == key;
        assert!(found([203, 0, 112, 0], 20) && found([203, 0, 127, 255], 20));
        assert!(!found([203, 0, 128, 0], 20) && !found([203, 0, 112, 1], 21));
        for may_be_allowed in [false, true] {
            let word = Shortcut::new(key, BanSlot::new(77), may_be_allowed).word();
            let shortcut = Shortcut::from_word(word).unwrap();
            assert_eq!((shortcut.key(), shortcut.slot()), (key, BanSlot::new(77)));
            assert_eq!(shortcut.may_be_allowed(), may_be_allowed);
        }
        let (first, last) = key.addresses();
        assert_eq!(first.to_be_bytes(), [203, 0, 112, 0]);
        assert_eq!(last.to_be_bytes(), [203, 0, 127, 255]);
        for len in [0, 8, 25, 32] {
            assert_eq!(ShortcutKey::of(NetworkV4::new(len, [0; 4])), None);
        }
    }

    #[test]
    fn of_all_networks_there_can_be_few_find_no_room() {
        let mut held = vec![0_usize; SHORTCUT_LINES as usize];
        for n in 0..NETWORKS_CAPACITY {
            let [_, a, b, c] = n.to_be_bytes();
            let key = ShortcutKey::of(NetworkV4::new(24, [a, b, c, 0])).unwrap();
            held[key.line(0x1234_5678_9abc_def1) as usize] += 1;
        }
        let left_over: usize = held
            .iter()
            .map(|held| held.saturating_sub(ShortcutLine::ENTRIES))
            .sum();
        assert!(left_over < NETWORKS_CAPACITY as usize / 50, "{left_over}");
    }
}

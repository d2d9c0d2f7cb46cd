//! Where bans can be at all: a bit says that there is none, and most sources are done with after one read of a small array.

use crate::{AddressV4, AddressV6, PrefixV6, line::spread};

/// 64-bit words of the `PRESENCE_V4` map: one bit for each /24, whether there is anything at all, then two for each, what. The first
/// part alone is small enough to stay in a processor's cache, and says all that most sources are asked about.
pub const PRESENCE_V4_WORDS: u32 = ANY_WORDS_V4 + (1 << (24 + 1 - 6));
/// Words of the first part.
pub const ANY_WORDS_V4: u32 = 1 << (24 - 6);
/// 64-bit words of the `PRESENCE_V6` map: one bit for each cell that a /64 hashes to, then one for each that a /32 does.
pub const PRESENCE_V6_WORDS: u32 = (1 << (PREFIX_BITS - 6)) + (1 << (WIDE_BITS - 6));

const PREFIX_BITS: u32 = 23;
const WIDE_BITS: u32 = 22;

/// Which maps can have a ban of a source.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Presence {
    /// The lines of addresses.
    pub address: bool,
    /// The trie of networks.
    pub network: bool,
}

/// One bit of a presence map.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Cell {
    /// Index of the word.
    pub word: u32,
    /// The bit in it.
    pub mask: u64,
}

impl Cell {
    /// Of all that is in and around the /24 that begins with these 24 bits.
    #[inline(always)]
    pub const fn any_v4(bits: u32) -> Self {
        Self::at(bits, 0)
    }

    /// Of the addresses of the /24 that begins with these 24 bits.
    #[inline(always)]
    pub const fn addresses_v4(bits: u32) -> Self {
        Self {
            word: ANY_WORDS_V4 + (bits >> 5),
            mask: 1 << (2 * (bits & 31)),
        }
    }

    /// Of the networks in and around the /24 that begins with these 24 bits.
    #[inline(always)]
    pub const fn networks_v4(bits: u32) -> Self {
        Self {
            word: ANY_WORDS_V4 + (bits >> 5),
            mask: 2 << (2 * (bits & 31)),
        }
    }

    /// Of a /64, and of those that hash to the same cell.
    #[inline(always)]
    pub const fn prefix_v6(seed: u64, prefix: PrefixV6) -> Self {
        // Other bits than those that choose the line.
        Self::at(
            (spread(seed, prefix.word()) >> 16) as u32 & ((1 << PREFIX_BITS) - 1),
            0,
        )
    }

    /// Of the networks in and around a /32, and of those that hash to the same cell. `bits` are its 32.
    #[inline(always)]
    pub const fn networks_v6(seed: u64, bits: u32) -> Self {
        let cell = spread(seed, bits as u64) >> (64 - WIDE_BITS);
        Self::at(cell as u32, 1 << (PREFIX_BITS - 6))
    }

    #[inline(always)]
    const fn at(bit: u32, first_word: u32) -> Self {
        Self {
            word: first_word + (bit >> 6),
            mask: 1 << (bit & 63),
        }
    }
}

impl AddressV4 {
    /// The 24 bits of its /24.
    #[inline(always)]
    pub const fn slash_24(self) -> u32 {
        u32::from_be(self.word()) >> 8
    }
}

impl AddressV6 {
    /// The 32 bits of its /32.
    #[inline(always)]
    pub const fn slash_32(self) -> u32 {
        (u64::from_be(self.prefix().word()) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cells_of_v4_do_not_meet() {
        let mut seen = std::collections::HashSet::new();
        for bits in (0..1 << 24)
            .step_by(4099)
            .chain(0..200)
            .chain([(1 << 24) - 1])
        {
            let cells = [
                Cell::any_v4(bits),
                Cell::addresses_v4(bits),
                Cell::networks_v4(bits),
            ];
            for cell in &cells {
                seen.remove(cell);
            }
            for cell in cells {
                assert!(cell.word < PRESENCE_V4_WORDS);
                assert_eq!(cell.mask.count_ones(), 1);
                assert!(seen.insert(cell), "{bits}");
            }
        }
    }

    #[test]
    fn the_two_parts_of_v6_do_not_meet() {
        for n in 0..100_000_u32 {
            let prefix = PrefixV6::from_be(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let narrow = Cell::prefix_v6(99, prefix);
            let wide = Cell::networks_v6(99, n);
            assert!(narrow.word < 1 << (PREFIX_BITS - 6));
            assert!(wide.word >= 1 << (PREFIX_BITS - 6) && wide.word < PRESENCE_V6_WORDS);
        }
    }

    #[test]
    fn bits_are_those_that_are_written_first() {
        assert_eq!(
            AddressV4::from_octets([192, 0, 2, 7]).slash_24(),
            0x00c0_0002
        );
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(AddressV6::from_octets(octets).slash_32(), 0x2001_0db8);
    }
}

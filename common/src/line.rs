//! Cache lines of banned addresses. A ban of a single address, with its end and its drops, is found by one read of memory: the
//! lines are an array, an address hashes to one of them, and what does not fit there is in its neighbour. The two are a
//! bucket. A ban that fits into neither is kept as a network.
//!
//! Only the first buckets are in use, twice as many as before whenever they are half full ([`BucketsInUse`]): the lines of a few
//! thousand bans lie close together, in the caches of the processor and on few pages.

use crate::{AddressV4, PrefixV6, Ticks};

/// Lines of the `ADDRESSES_V4` map.
pub const LINES_V4: u32 = 1 << LINES_V4_BITS;
/// Lines of the `PREFIXES_V6` map.
pub const LINES_V6: u32 = 1 << LINES_V6_BITS;

const LINES_V4_BITS: u32 = 19;
const LINES_V6_BITS: u32 = 18;

/// How many buckets are in use: a power of two. When it doubles, what is in bucket `b` belongs into `b` or into `b` plus the number
/// before.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct BucketsInUse(u32);

impl BucketsInUse {
    /// The fewest: 128 KiB of lines.
    pub const FEWEST: Self = Self(10);
    /// 512 KiB of lines, with 16,384 IPv4 bans or 12,288 IPv6 bans at the most.
    const FEW_BITS: u32 = 12;
    /// All of IPv4.
    pub const ALL_V4: Self = Self(LINES_V4_BITS - 1);
    /// All of IPv6.
    pub const ALL_V6: Self = Self(LINES_V6_BITS - 1);

    /// Whether they are so few that their lines stay in a processor's cache.
    #[inline(always)]
    pub const fn are_few(self) -> bool {
        self.0 <= Self::FEW_BITS
    }

    /// Twice as many.
    pub const fn doubled(self) -> Self {
        Self(self.0 + 1)
    }

    /// How many.
    pub const fn count(self) -> usize {
        1 << self.0
    }

    /// The line in which a hash is looked for first.
    #[inline(always)]
    const fn line(self, hash: u64) -> u32 {
        let bucket = (hash >> 45) as u32 & ((1 << self.0) - 1);
        bucket << 1 | (hash >> 44) as u32 & 1
    }
}

/// When a ban in a line is over, and whether the filter has to ask the allowlist before it drops a packet for it: the trie that
/// holds that costs as much as all the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct BanEnd(u32);

impl BanEnd {
    const MAY_BE_ALLOWED: u32 = 1 << 31;

    /// A ban until `end`, of an address of which the allowlist holds all, something (of an IPv6 /64) or nothing.
    pub const fn new(end: Ticks, may_be_allowed: bool) -> Self {
        let flag = if may_be_allowed {
            Self::MAY_BE_ALLOWED
        } else {
            0
        };
        Self(end.bits() | flag)
    }

    /// When it is over.
    #[inline(always)]
    pub const fn ticks(self) -> Ticks {
        Ticks::from_bits(self.0)
    }

    /// Whether the allowlist may hold who is banned. Where this says no, it does not.
    #[inline(always)]
    pub const fn may_be_allowed(self) -> bool {
        self.0 & Self::MAY_BE_ALLOWED != 0
    }

    /// From the word in the map.
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The word in the map.
    pub const fn word(self) -> u32 {
        self.0
    }
}

/// Banned IPv4 addresses: entry `i` is what is at `i` in each array. Fields of one size stand together, so that no byte of a line
/// is lost to alignment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct LineV4 {
    /// [`AddressV4::word`], or 0 where nobody is.
    pub keys: [u32; Self::ENTRIES],
    /// When the bans are over.
    pub ends: [BanEnd; Self::ENTRIES],
    /// Packets dropped (in observe mode: that would have been) because of them.
    pub drops: [u64; Self::ENTRIES],
}

impl LineV4 {
    /// Addresses in a line.
    pub const ENTRIES: usize = 4;

    /// Where an address is looked for first; its bucket is this line and its [`neighbour`]. `seed` and `buckets` are those in
    /// [`Settings`](crate::Settings).
    #[inline(always)]
    pub const fn index_of(seed: u64, buckets: BucketsInUse, address: AddressV4) -> u32 {
        buckets.line(spread(seed, address.word() as u64))
    }
}

/// Banned IPv6 /64 prefixes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct LineV6 {
    /// [`PrefixV6::word`], or 0 where nobody is.
    pub keys: [u64; Self::ENTRIES],
    /// Packets dropped (in observe mode: that would have been) because of them.
    pub drops: [u64; Self::ENTRIES],
    /// When the bans are over.
    pub ends: [BanEnd; Self::ENTRIES],
    /// Fills the line.
    pub spare: u32,
}

impl LineV6 {
    /// Prefixes in a line.
    pub const ENTRIES: usize = 3;

    /// Where a prefix is looked for first; its bucket is this line and its [`neighbour`]. `seed` and `buckets` are those in
    /// [`Settings`](crate::Settings).
    #[inline(always)]
    pub const fn index_of(seed: u64, buckets: BucketsInUse, prefix: PrefixV6) -> u32 {
        buckets.line(spread(seed, prefix.word()))
    }
}

/// The other line of a bucket. The two are beside each other: they are on one page, and processors fetch them as a pair.
#[inline(always)]
pub const fn neighbour(index: u32) -> u32 {
    index ^ 1
}

/// Spreads keys over 64 bits. The seed is a secret of this host: who does not know it cannot choose many addresses that
/// would fill one bucket.
#[inline(always)]
pub(crate) const fn spread(seed: u64, key: u64) -> u64 {
    let once = (key ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (once ^ once >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

const _: () = assert!(size_of::<LineV4>() == 64 && size_of::<LineV6>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    const BANS: u32 = 1 << 20;

    /// A bijection, so that the addresses differ.
    fn address(n: u32) -> AddressV4 {
        AddressV4::from_be(n.wrapping_mul(0x9e37_79b1))
    }

    #[test]
    fn a_line_is_in_the_map_and_so_is_its_neighbour() {
        for n in 0..1000 {
            let v4 = LineV4::index_of(7, BucketsInUse::ALL_V4, address(n));
            assert!(v4 < LINES_V4 && neighbour(v4) < LINES_V4);
            let v6 = LineV6::index_of(
                7,
                BucketsInUse::ALL_V6,
                PrefixV6::from_be(u64::from(n) << 32),
            );
            assert!(v6 < LINES_V6 && neighbour(v6) < LINES_V6);
            assert_eq!(neighbour(neighbour(v4)), v4);
        }
    }

    #[test]
    fn an_end_keeps_its_ticks_and_whether_to_ask() {
        for end in [Ticks::default(), Ticks::NEVER] {
            for may_be_allowed in [false, true] {
                let word = BanEnd::from_word(BanEnd::new(end, may_be_allowed).word());
                assert_eq!((word.ticks(), word.may_be_allowed()), (end, may_be_allowed));
            }
        }
        // What versions before this wrote for a ban without an end.
        let earlier = BanEnd::from_word(u32::MAX);
        assert_eq!(
            (earlier.ticks(), earlier.may_be_allowed()),
            (Ticks::NEVER, true)
        );
    }

    #[test]
    fn with_twice_the_buckets_an_address_stays_or_goes_as_far_as_there_were() {
        let mut buckets = BucketsInUse::FEWEST;
        while buckets < BucketsInUse::ALL_V4 {
            for n in 0..1000 {
                let before = LineV4::index_of(7, buckets, address(n));
                let after = LineV4::index_of(7, buckets.doubled(), address(n));
                let far = 2 * buckets.count() as u32;
                assert!(before < far && (after == before || after == before + far));
            }
            buckets = buckets.doubled();
        }
    }

    /// Neighbouring addresses, random ones and those that differ in their low bits only.
    #[test]
    fn a_million_bans_leave_few_without_room() {
        let sets: [fn(u32) -> AddressV4; 3] = [
            address,
            |n| AddressV4::from_octets(n.to_be_bytes()),
            |n| AddressV4::from_octets(n.to_le_bytes()),
        ];
        for of in sets {
            let mut held = vec![0_usize; LINES_V4 as usize / 2];
            for n in 0..BANS {
                let line = LineV4::index_of(0x1234_5678_9abc_def1, BucketsInUse::ALL_V4, of(n));
                held[line as usize / 2] += 1;
            }
            let room = 2 * LineV4::ENTRIES;
            let left_over: usize = held.iter().map(|held| held.saturating_sub(room)).sum();
            assert!(left_over < BANS as usize / 50, "{left_over}");
        }
    }
}

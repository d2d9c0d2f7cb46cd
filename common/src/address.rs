//! Keys of the maps. Addresses are kept in network byte order, so that a load from the packet is the key, and LPM tries
//! see the bits in their order.

/// An IPv4 address: the four octets as they stand in the packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct AddressV4(u32);

impl AddressV4 {
    /// From a word loaded from the packet as it stands.
    pub const fn from_be(word: u32) -> Self {
        Self(word)
    }

    /// The word as it stands in the packet.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// From the four octets in writing order.
    pub const fn from_octets(octets: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(octets))
    }

    /// The four octets in writing order.
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }
}

/// The first 64 bits of an IPv6 address, as they stand in the packet: what one subscriber has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct PrefixV6(u64);

impl PrefixV6 {
    /// From a word loaded from the packet as it stands.
    pub const fn from_be(word: u64) -> Self {
        Self(word)
    }

    /// The word as it stands in the packet.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// From the first eight octets in writing order.
    pub const fn from_octets(octets: [u8; 8]) -> Self {
        Self(u64::from_ne_bytes(octets))
    }

    /// The eight octets in writing order.
    pub const fn octets(self) -> [u8; 8] {
        self.0.to_ne_bytes()
    }
}

/// An IPv6 address, as it stands in the packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct AddressV6([u64; 2]);

impl AddressV6 {
    /// From the sixteen octets in writing order.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        ])
    }

    /// The sixteen octets in writing order.
    pub fn octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        let (high, low) = octets.split_at_mut(8);
        high.copy_from_slice(&self.0[0].to_ne_bytes());
        low.copy_from_slice(&self.0[1].to_ne_bytes());
        octets
    }

    /// From its two halves as they stand in the packet.
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// The two halves as they stand in the packet.
    #[inline(always)]
    pub const fn words(self) -> [u64; 2] {
        self.0
    }

    /// The mapped form of an IPv4 address (RFC 4291, 2.5.5.2).
    pub const fn from_v4(address: AddressV4) -> Self {
        let [a, b, c, d] = address.octets();
        Self::from_octets([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// The IPv4 address that this is the mapped form of.
    #[inline(always)]
    pub const fn mapped_v4(self) -> Option<AddressV4> {
        let low = u64::from_be(self.0[1]);
        if self.0[0] == 0 && low >> 32 == 0xffff {
            Some(AddressV4::from_be((low as u32).to_be()))
        } else {
            None
        }
    }

    /// The /64 that the address is in.
    #[inline(always)]
    pub const fn prefix(self) -> PrefixV6 {
        PrefixV6(self.0[0])
    }
}

/// An IPv4 network as an LPM trie wants it (`struct bpf_lpm_trie_key`): 8 bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct NetworkV4 {
    prefix_len: u32,
    octets: [u8; 4],
}

impl NetworkV4 {
    /// `prefix_len` is 0 to 32 bits; the octets beyond it are ignored by the trie.
    pub const fn new(prefix_len: u32, octets: [u8; 4]) -> Self {
        Self { prefix_len, octets }
    }

    /// Bits of the network part.
    pub const fn prefix_len(self) -> u32 {
        self.prefix_len
    }

    /// The octets in writing order.
    pub const fn octets(self) -> [u8; 4] {
        self.octets
    }
}

/// An IPv6 network as an LPM trie wants it (`struct bpf_lpm_trie_key`): 20 bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct NetworkV6 {
    prefix_len: u32,
    octets: [u8; 16],
}

impl NetworkV6 {
    /// `prefix_len` is 0 to 128 bits; the octets beyond it are ignored by the trie.
    pub const fn new(prefix_len: u32, octets: [u8; 16]) -> Self {
        Self { prefix_len, octets }
    }

    /// Bits of the network part.
    pub const fn prefix_len(self) -> u32 {
        self.prefix_len
    }

    /// The octets in writing order.
    pub const fn octets(self) -> [u8; 16] {
        self.octets
    }
}

const _: () = assert!(size_of::<AddressV4>() == 4 && align_of::<AddressV4>() == 4);
const _: () = assert!(size_of::<PrefixV6>() == 8 && align_of::<PrefixV6>() == 8);
const _: () = assert!(size_of::<AddressV6>() == 16);
const _: () = assert!(size_of::<NetworkV4>() == 8 && align_of::<NetworkV4>() == 4);
const _: () = assert!(size_of::<NetworkV6>() == 20 && align_of::<NetworkV6>() == 4);

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS: [u8; 16] = [
        0x20, 0x01, 0x0d, 0xb8, 0, 7, 0, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    ];

    #[test]
    fn a_key_holds_its_octets_as_they_are_written() {
        assert_eq!(
            AddressV4::from_octets([192, 0, 2, 7]).octets(),
            [192, 0, 2, 7]
        );
        assert_eq!(AddressV6::from_octets(OCTETS).octets(), OCTETS);
        assert_eq!(
            AddressV6::from_octets(OCTETS).prefix().octets(),
            OCTETS[..8]
        );
    }

    #[test]
    fn a_mapped_address_is_told_from_others() {
        let v4 = AddressV4::from_octets([192, 0, 2, 7]);
        assert_eq!(AddressV6::from_v4(v4).mapped_v4(), Some(v4));
        assert_eq!(AddressV6::from_octets(OCTETS).mapped_v4(), None);
        // `::192.0.2.7`, which is not the same (RFC 4291, 2.5.5.1).
        let mut compatible = [0; 16];
        compatible[12..].copy_from_slice(&v4.octets());
        assert_eq!(AddressV6::from_octets(compatible).mapped_v4(), None);
    }

    #[test]
    fn a_word_off_the_wire_is_the_key_of_its_octets() {
        let word = 0xc000_0207_u32.to_be();
        assert_eq!(
            AddressV4::from_be(word),
            AddressV4::from_octets([192, 0, 2, 7])
        );
        let word = 0x2001_0db8_0007_0008_u64.to_be();
        assert_eq!(
            PrefixV6::from_be(word),
            AddressV6::from_octets(OCTETS).prefix()
        );
    }
}

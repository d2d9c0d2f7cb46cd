//! What only userspace needs of the shared types.

use core::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    AddressV4, AddressV6, BanRecord, BanSlot, Bucket, Counted, Family, Limit, LimitEvent,
    LimitEventKind, LineV4, LineV6, NetworkV4, NetworkV6, PrefixV6, Settings, ShortcutLine,
    SourceKey, Verdict,
};

// SAFETY: transparent over an integer: no padding, every bit pattern is a value.
unsafe impl aya::Pod for AddressV4 {}
// SAFETY: transparent over an integer: no padding, every bit pattern is a value.
unsafe impl aya::Pod for PrefixV6 {}
// SAFETY: `repr(C)` of a `u32` and bytes with sizes asserted where it is defined: no padding.
unsafe impl aya::Pod for NetworkV4 {}
// SAFETY: `repr(C)` of a `u32` and bytes with sizes asserted where it is defined: no padding.
unsafe impl aya::Pod for NetworkV6 {}
// SAFETY: transparent over an integer: no padding, every bit pattern is a value.
unsafe impl aya::Pod for BanSlot {}
// SAFETY: `repr(C)` of two `u64`: no padding, every bit pattern is a value.
unsafe impl aya::Pod for BanRecord {}
// SAFETY: `repr(C)` of two `u64` and two `u32`: no padding, every bit pattern is a value.
unsafe impl aya::Pod for Limit {}
// SAFETY: `repr(C)` of integers that fill its 128 bytes: no padding, every bit pattern is a value.
unsafe impl aya::Pod for Bucket {}
// SAFETY: `repr(C)` of six `u32` and a `u64` in their midst: no padding, every bit pattern is a value.
unsafe impl aya::Pod for Settings {}
// SAFETY: `repr(C)` of integers that fill its 64 bytes: no padding, every bit pattern is a value.
unsafe impl aya::Pod for LineV4 {}
// SAFETY: `repr(C)` of integers that fill its 64 bytes: no padding, every bit pattern is a value.
unsafe impl aya::Pod for LineV6 {}
// SAFETY: `repr(C)` of integers that fill its 64 bytes: no padding, every bit pattern is a value.
unsafe impl aya::Pod for ShortcutLine {}

impl From<Ipv4Net> for NetworkV4 {
    fn from(net: Ipv4Net) -> Self {
        Self::new(u32::from(net.prefix_len()), net.network().octets())
    }
}

impl From<Ipv6Net> for NetworkV6 {
    fn from(net: Ipv6Net) -> Self {
        Self::new(u32::from(net.prefix_len()), net.network().octets())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Family {
    /// Name as output and metrics show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl LimitEvent {
    /// From a record of a ring; nothing where it is of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.try_into().ok()?;
        let long = |at: usize| bytes[at..at + 8].try_into().map(u64::from_ne_bytes).ok();
        let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_ne_bytes).ok();
        Some(Self {
            at_ns: long(core::mem::offset_of!(Self, at_ns))?,
            key: long(core::mem::offset_of!(Self, key))?,
            address: AddressV6::from_words([
                long(core::mem::offset_of!(Self, address))?,
                long(core::mem::offset_of!(Self, address) + 8)?,
            ]),
            kind: word(core::mem::offset_of!(Self, kind))?,
            refused: word(core::mem::offset_of!(Self, refused))?,
            open: word(core::mem::offset_of!(Self, open))?,
            port: word(core::mem::offset_of!(Self, port))?,
        })
    }

    /// What happened; nothing where it is of another version.
    pub fn known_kind(&self) -> Option<LimitEventKind> {
        LimitEventKind::ALL.get(self.kind as usize).copied()
    }
}

impl Counted {
    /// The net of one source; nothing for a network that is counted as a whole, of which only the limit knows.
    pub fn net(self) -> Option<IpNet> {
        match self {
            Self::AddressV4(address) => Some(IpAddr::from(address.octets()).into()),
            Self::PrefixV6(prefix) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(&prefix.octets());
                IpNet::new(IpAddr::from(octets), 64).ok()
            }
            Self::Network(_) => None,
        }
    }
}

impl From<IpAddr> for SourceKey {
    /// IPv4 also in its mapped form.
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::v4(AddressV4::from_octets(v4.octets())),
            IpAddr::V6(v6) => Self::v6(AddressV6::from_octets(v6.octets())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_keyed_without_its_host_bits() {
        let v4: Ipv4Net = "192.0.2.7/24".parse().unwrap();
        assert_eq!(NetworkV4::from(v4), NetworkV4::new(24, [192, 0, 2, 0]));
        let v6: Ipv6Net = "2001:db8::7/32".parse().unwrap();
        let expected = NetworkV6::new(
            32,
            [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        assert_eq!(NetworkV6::from(v6), expected);
    }
}

//! What only userspace needs of the shared types.

use core::fmt;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::{
    AddressV4, BanRecord, BanSlot, Family, LineV4, LineV6, NetworkV4, NetworkV6, PrefixV6,
    Settings, Verdict,
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
// SAFETY: `repr(C)` of two `u32` and a `u64`: no padding, every bit pattern is a value.
unsafe impl aya::Pod for Settings {}
// SAFETY: `repr(C)` of integers that fill its 64 bytes: no padding, every bit pattern is a value.
unsafe impl aya::Pod for LineV4 {}
// SAFETY: `repr(C)` of integers that fill its 64 bytes: no padding, every bit pattern is a value.
unsafe impl aya::Pod for LineV6 {}

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

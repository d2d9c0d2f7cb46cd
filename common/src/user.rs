//! What only userspace needs of the shared types.

use core::fmt;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::{
    AddressV4, BanRecord, BanSlot, Family, NetworkV4, NetworkV6, PrefixV6, Settings, Verdict,
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
// SAFETY: `repr(C)` of one `u32`: no padding, every bit pattern is a value.
unsafe impl aya::Pod for Settings {}

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

//! Which map of the filter holds a ban.

use ipnet::IpNet;
use mailwall_common::{ADDRESSES_V4_CAPACITY, NETWORKS_CAPACITY, PREFIXES_V6_CAPACITY};

/// The map of a ban: each has its own capacity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MapOf {
    AddressesV4,
    NetworksV4,
    PrefixesV6,
    NetworksV6,
}

impl MapOf {
    pub(super) const ALL: [Self; 4] = [
        Self::AddressesV4,
        Self::NetworksV4,
        Self::PrefixesV6,
        Self::NetworksV6,
    ];

    pub(super) fn of(net: &IpNet) -> Self {
        match (net, net.prefix_len()) {
            (IpNet::V4(_), 32) => Self::AddressesV4,
            (IpNet::V4(_), _) => Self::NetworksV4,
            (IpNet::V6(_), 64) => Self::PrefixesV6,
            (IpNet::V6(_), _) => Self::NetworksV6,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AddressesV4 => "addresses-v4",
            Self::NetworksV4 => "networks-v4",
            Self::PrefixesV6 => "prefixes-v6",
            Self::NetworksV6 => "networks-v6",
        }
    }

    pub(super) const fn capacity(self) -> usize {
        let capacity = match self {
            Self::AddressesV4 => ADDRESSES_V4_CAPACITY,
            Self::PrefixesV6 => PREFIXES_V6_CAPACITY,
            Self::NetworksV4 | Self::NetworksV6 => NETWORKS_CAPACITY,
        };
        capacity as usize
    }
}

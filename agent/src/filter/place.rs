//! Which map a ban sits in, and under which key.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mailwall_common::{AddressV4, NetworkV4, NetworkV6, PrefixV6, map_name};

/// A ban's map and its key there. Two nets that are the same but for host bits have the same place.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// IPv4 /32, in `ADDRESSES_V4`.
    AddressV4(AddressV4),
    /// IPv6 /64, in `PREFIXES_V6`.
    PrefixV6(PrefixV6),
    /// Any other IPv4 network, in `NETWORKS_V4`.
    NetworkV4(NetworkV4),
    /// Any other IPv6 network, in `NETWORKS_V6`.
    NetworkV6(NetworkV6),
}

impl Place {
    /// The place of a ban of `net`.
    pub fn of(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) if net.prefix_len() == 32 => {
                Self::AddressV4(AddressV4::from_octets(net.addr().octets()))
            }
            IpNet::V4(net) => Self::NetworkV4(net.into()),
            IpNet::V6(net) if net.prefix_len() == 64 => {
                let [a, b, c, d, e, f, g, h, ..] = net.addr().octets();
                Self::PrefixV6(PrefixV6::from_octets([a, b, c, d, e, f, g, h]))
            }
            IpNet::V6(net) => Self::NetworkV6(net.into()),
        }
    }

    /// The net that is banned by an entry at this place.
    pub fn net(self) -> IpNet {
        match self {
            Self::AddressV4(address) => IpNet::V4(Ipv4Net::from(Ipv4Addr::from(address.octets()))),
            Self::PrefixV6(prefix) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(&prefix.octets());
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(octets), 64))
            }
            Self::NetworkV4(network) => net_v4(network),
            Self::NetworkV6(network) => net_v6(network),
        }
    }

    /// Whether it is in a map that is searched for the longest match.
    pub const fn is_network(self) -> bool {
        match self {
            Self::AddressV4(_) | Self::PrefixV6(_) => false,
            Self::NetworkV4(_) | Self::NetworkV6(_) => true,
        }
    }

    /// Bits that an address must share with the entry.
    pub const fn prefix_len(self) -> u32 {
        match self {
            Self::AddressV4(_) => 32,
            Self::PrefixV6(_) => 64,
            Self::NetworkV4(network) => network.prefix_len(),
            Self::NetworkV6(network) => network.prefix_len(),
        }
    }

    /// Name of the map.
    pub const fn map(self) -> &'static str {
        match self {
            Self::AddressV4(_) => map_name::ADDRESSES_V4,
            Self::PrefixV6(_) => map_name::PREFIXES_V6,
            Self::NetworkV4(_) => map_name::NETWORKS_V4,
            Self::NetworkV6(_) => map_name::NETWORKS_V6,
        }
    }
}

/// The net of a key of an IPv4 trie. The kernel takes no key with a longer prefix than the address has.
pub fn net_v4(network: NetworkV4) -> IpNet {
    let prefix_len = network.prefix_len().min(32) as u8;
    IpNet::V4(Ipv4Net::new_assert(network.octets().into(), prefix_len).trunc())
}

/// The net of a key of an IPv6 trie. The kernel takes no key with a longer prefix than the address has.
pub fn net_v6(network: NetworkV6) -> IpNet {
    let prefix_len = network.prefix_len().min(128) as u8;
    IpNet::V6(Ipv6Net::new_assert(network.octets().into(), prefix_len).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_has_its_map() {
        for (net, map) in [
            ("192.0.2.1/32", map_name::ADDRESSES_V4),
            ("192.0.2.0/31", map_name::NETWORKS_V4),
            ("0.0.0.0/0", map_name::NETWORKS_V4),
            ("2001:db8::/64", map_name::PREFIXES_V6),
            ("2001:db8::1/128", map_name::NETWORKS_V6),
            ("2001:db8::/65", map_name::NETWORKS_V6),
            ("2001:db8::/63", map_name::NETWORKS_V6),
            ("::/0", map_name::NETWORKS_V6),
        ] {
            let net: IpNet = net.parse().unwrap();
            assert_eq!(Place::of(net).map(), map, "{net}");
            assert_eq!(Place::of(net).net(), net.trunc(), "{net}");
        }
    }

    #[test]
    fn host_bits_do_not_make_another_place() {
        for (loose, exact) in [
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("2001:db8::5/64", "2001:db8::/64"),
            ("2001:db8::5/48", "2001:db8::/48"),
        ] {
            let loose: IpNet = loose.parse().unwrap();
            let exact: IpNet = exact.parse().unwrap();
            assert_eq!(Place::of(loose), Place::of(exact));
        }
    }
}
